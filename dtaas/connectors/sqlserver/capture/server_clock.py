"""The source's own clock, in whose local time commits are noted."""

from datetime import UTC, datetime, timedelta
from typing import Final

NEVER: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - the server's local time, as its own columns are
"""Stands for a scan of the log that nobody saw."""


def in_utc(local: datetime, zone: timedelta) -> datetime:
    """Return a time of the server's clock in UTC, to the minute of its present zone.

    Args:
        zone: from the server's local time to UTC.
    """
    minutes = round(zone.total_seconds() / 60)
    return (local + timedelta(minutes=minutes)).replace(tzinfo=UTC)
