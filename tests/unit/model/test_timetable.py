import itertools
from datetime import UTC, datetime, timedelta

import pytest

from dtaas.model.errors import ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.model.schedule import Blackout, Schedule, ScheduleType, Weekday
from dtaas.model.timetable import Timetable

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(line: str, zone: str = "UTC", **details: object) -> Timetable:
    schedule = Schedule(cron=line, timezone=zone, **details)  # type: ignore[arg-type]
    return Timetable(ScheduleType.CRON, None, schedule, task_id=TaskId(1))


def local_runs(line: str, zone: str, after: str, count: int) -> list[str]:
    table = cron(line, zone)
    return [r.astimezone(table.zone).isoformat() for r in table.runs(utc(after), count)]


def test_a_time_that_the_clock_jumps_over_comes_right_after_the_jump() -> None:
    assert local_runs("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_comes_twice_starts_once() -> None:
    assert local_runs("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_every_half_hour_follows_the_time_that_really_passes() -> None:
    for day in ("2026-03-29T00:10", "2026-10-25T00:10"):
        runs = cron("*/30 * * * *", BERLIN).runs(utc(day), 8)
        assert {b - a for a, b in itertools.pairwise(runs)} == {timedelta(minutes=30)}


@pytest.mark.parametrize("day", ["2026-03-28T23:30", "2026-10-24T22:30"])
def test_every_hour_at_a_quarter_past_misses_and_doubles_none(day: str) -> None:
    runs = cron("15 * * * *", BERLIN).runs(utc(day), 6)
    assert {b - a for a, b in itertools.pairwise(runs)} == {timedelta(hours=1)}


def test_the_same_wall_time_is_another_moment_in_summer() -> None:
    table = cron("0 9 * * MON-FRI", "America/New_York")
    assert table.next_after(utc("2026-03-06T00:00")) == utc("2026-03-06T14:00")
    assert table.next_after(utc("2026-03-07T00:00")) == utc("2026-03-09T13:00")


def test_a_zone_with_a_shift_of_half_an_hour() -> None:
    # Lord Howe goes from 02:00 to 02:30.
    assert local_runs("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T03:00", 1) == [
        "2026-10-04T02:30:00+11:00"
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("* * * *", "4 fields"),
        ("0 0 1 1 * *", "6 fields"),
        ("61 * * * *", "not a cron line"),
        ("0 0 31 2 *", "not a cron line"),
        ("x", "1 fields"),
    ],
)
def test_a_wrong_cron_line_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValidationFailedError, match=said) as refused:
        cron(line)
    assert refused.value.field == "$.schedule.cron"
    assert refused.value.hint


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "europe"])
def test_a_wrong_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationFailedError, match="time zone") as refused:
        cron("0 0 * * *", zone)
    assert refused.value.field == "$.schedule.timezone"


def test_a_start_in_a_blackout_is_made_up_for_once_at_its_end() -> None:
    night = Blackout(start="22:00", end="06:00")
    runs = cron("0 * * * *", BERLIN, blackout=(night,)).runs(utc("2026-01-05T19:30"), 3)
    assert runs == [utc("2026-01-05T20:00"), utc("2026-01-06T05:00"), utc("2026-01-06T06:00")]


def test_a_blackout_belongs_to_the_day_it_begins_on() -> None:
    night = Blackout(start="22:00", end="06:00", days=(Weekday.FRI,))
    table = cron("0 * * * *", blackout=(night,))
    assert table.in_blackout(utc("2026-01-09T21:59")) is None  # Friday
    assert table.in_blackout(utc("2026-01-10T05:59")) == utc("2026-01-10T06:00")
    assert table.in_blackout(utc("2026-01-10T22:30")) is None
    assert table.in_blackout(utc("2026-01-09T03:00")) is None


def test_blackouts_that_leave_no_time_are_refused() -> None:
    halves = (Blackout(start="00:00", end="12:00"), Blackout(start="12:00", end="00:00"))
    table = cron("0 * * * *", blackout=halves)
    with pytest.raises(ValidationFailedError, match="no time"):
        table.check_blackouts(utc("2026-01-05T00:00"))


def test_jitter_is_bounded_and_always_the_same() -> None:
    table = cron("0 * * * *", jitter_seconds=300)
    plain = cron("0 * * * *").runs(utc("2026-01-05T00:30"), 40)
    late = [a - b for a, b in zip(table.runs(utc("2026-01-05T00:30"), 40), plain, strict=True)]
    assert all(timedelta() <= delay <= timedelta(minutes=5) for delay in late)
    assert len(set(late)) > 5
    again = cron("0 * * * *", jitter_seconds=300).runs(utc("2026-01-05T00:30"), 40)
    assert again == table.runs(utc("2026-01-05T00:30"), 40)
