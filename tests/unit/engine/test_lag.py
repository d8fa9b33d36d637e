"""Lag is told by cause, on the source's clock, and is zero when caught up."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from dtaas.engine.lag import lag_of, margin_warning
from dtaas.model.changes import SourceState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR_S = 3600.0


def source(**changes: object) -> SourceState:
    state = SourceState(
        position=b"\x01",
        identity="fork",
        high={},
        low={},
        committed_at=NOW - timedelta(days=3),
        polled_at=NOW,
        capture_lag_s=0.0,
    )
    return replace(state, **changes)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_caught_up_is_zero_however_long_nothing_happened() -> None:
    lag = lag_of(source(), None, in_flight=False, more=False)
    assert (lag.source_s, lag.read_s, lag.destination_s, lag.total_s) == (0, 0, 0, 0)
    assert lag.margin_h is None


def test_a_change_nobody_reads_yet_is_our_read_lag() -> None:
    lag = lag_of(source(), ago(7), in_flight=False, more=True)
    assert (lag.read_s, lag.destination_s, lag.total_s) == (7, 0, 7)


def test_the_last_window_in_flight_is_the_destinations_lag() -> None:
    lag = lag_of(source(), ago(7), in_flight=True, more=False)
    assert (lag.read_s, lag.destination_s, lag.total_s) == (0, 7, 7)


def test_behind_a_slow_window_both_lag() -> None:
    lag = lag_of(source(), ago(7), in_flight=True, more=True)
    assert (lag.read_s, lag.destination_s) == (7, 7)


def test_a_capture_that_stands_still_is_not_caught_up() -> None:
    """DBZ-4346: a stopped agent looks like "no changes"."""
    lag = lag_of(source(capture_lag_s=90.0), None, in_flight=False, more=False)
    assert (lag.source_s, lag.read_s, lag.total_s) == (90, 0, 90)


def test_a_clock_that_jumped_back_gives_no_negative_lag() -> None:
    assert lag_of(source(), ago(-5), in_flight=False, more=True).total_s == 0


def test_the_alarm_comes_inside_a_quarter_of_the_retention_and_does_not_flicker() -> None:
    retention_s = 72 * HOUR_S
    state = source(retention_s=retention_s)
    warned: str | None = None
    told = []
    for behind_h in (0, 53, 55, 53, 51, 50, 80):
        lag = lag_of(state, ago(behind_h * HOUR_S), in_flight=False, more=True)
        warned = margin_warning(lag, retention_s, before=warned)
        told.append(warned is not None)
    assert told == [False, False, True, True, True, False, True]
    assert warned is not None
    assert "72.0 h" in warned
    assert "0.0 h" in warned
