"""How far a table is behind, and by whom: in seconds, on the source's own clock. Pure."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from dtaas.model.changes import SourceState

_HOUR_S: Final = 3600.0
_ALARM_BELOW: Final = 0.25
_ALARM_OVER: Final = 0.30
"""Shares of the retention: between them an alarm stays as it is, so that it does not flicker."""


class Lag(Struct, frozen=True, kw_only=True):
    """Ages in seconds, 0 when caught up.

    Attributes:
        source_s: of the oldest commit that the source has not captured yet.
        read_s: of the oldest captured change that nobody has begun to read.
        destination_s: of the oldest change that is being read and written, but is not durable.
        total_s: of the oldest change that is not at the destination.
        margin_h: hours until the source forgets the next change needed, None when not known.
    """

    source_s: float
    read_s: float
    destination_s: float
    total_s: float
    margin_h: float | None


def lag_of(
    source: SourceState, behind_since: datetime | None, *, in_flight: bool, more: bool
) -> Lag:
    """Return the lag of a table.

    Args:
        behind_since: commit time the oldest missing change is not older than, None when the table
            has all that is captured.
        in_flight: a window is being read and written.
        more: there are changes beyond that window.
    """
    age_s = 0.0
    if behind_since is not None:
        age_s = max(0.0, (source.polled_at - behind_since).total_seconds())
    margin_h = None
    if source.retention_s is not None:
        margin_h = (source.retention_s - max(age_s, source.capture_lag_s)) / _HOUR_S
    return Lag(
        source_s=source.capture_lag_s,
        read_s=age_s if more or not in_flight else 0.0,
        destination_s=age_s if in_flight else 0.0,
        total_s=max(age_s, source.capture_lag_s),
        margin_h=margin_h,
    )


def margin_warning(lag: Lag, retention_s: float | None, *, before: str | None) -> str | None:
    """Return what to say of a retention that runs out, None while there is time.

    Args:
        before: what was said last.
    """
    if lag.margin_h is None or not retention_s:
        return None
    share = lag.margin_h * _HOUR_S / retention_s
    if share >= (_ALARM_OVER if before else _ALARM_BELOW):
        return None
    return (
        f"The source keeps changes for {retention_s / _HOUR_S:.1f} h; in "
        f"{max(0.0, lag.margin_h):.1f} h it forgets some that have not arrived."
    )
