"""When a schedule's next start is. Pure: the moment is always given.

Cron behaves as Debian's cron around the change to and from summer time: a start at a fixed time
that the clock jumps over comes right after the jump, and one whose time comes twice comes once,
while starts every few minutes or hours follow the time that really passes.
"""

import zlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from dtaas.model.errors import ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.model.schedule import Blackout, Schedule, ScheduleType, Weekday

_DAY: Final = timedelta(days=1)
_CRON_FIELDS: Final = 5
_MOST_LOOKS: Final = 400
_WEEKDAYS: Final = tuple(Weekday)


class Timetable:
    """The starts of one schedule that time alone decides.

    Raises:
        ValidationFailedError: on making one: zone, cron or interval are wrong; with the path.
    """

    def __init__(
        self, kind: ScheduleType, interval_s: int | None, schedule: Schedule, *, task_id: TaskId
    ) -> None:
        self._kind: Final = kind
        self._interval: Final = timedelta(seconds=interval_s or 0)
        self._schedule: Final = schedule
        self._task_id: Final = task_id
        self._zone: Final = zone_of(schedule.timezone)
        if kind is ScheduleType.CRON:
            check_cron(schedule.cron)

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone of cron and blackout."""
        return self._zone

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first start after `moment`, in UTC, or None when only events start it.

        An interval counts from `moment`. Blackouts and jitter are in it.
        """
        planned = self._planned_after(moment)
        if planned is None:
            return None
        return self.outside_blackout(planned + self.jitter(planned))

    def runs(self, moment: datetime, count: int) -> list[datetime]:
        """Return up to `count` starts after `moment`; starts held back to one moment are one."""
        found: list[datetime] = []
        planned = moment
        for _ in range(_MOST_LOOKS):
            following = self._planned_after(planned)
            if following is None or len(found) == count:
                break
            planned = following
            start = self.outside_blackout(planned + self.jitter(planned))
            if not found or start > found[-1]:
                found.append(start)
        return found

    def in_blackout(self, moment: datetime) -> datetime | None:
        """Return when the blackout ends that `moment` lies in, or None."""
        local = moment.astimezone(self._zone)
        for blackout in self._schedule.blackout:
            for day in (local.date(), local.date() - _DAY):
                begin, end = _bounds(blackout, day, self._zone)
                wanted = not blackout.days or _WEEKDAYS[day.weekday()] in blackout.days
                if wanted and begin <= moment < end:
                    return end
        return None

    def outside_blackout(self, moment: datetime) -> datetime:
        """Return `moment`, or when the blackouts around it end; itself where they never do."""
        later = moment
        for _ in range(_MOST_LOOKS):
            end = self.in_blackout(later)
            if end is None:
                return later
            later = end
        return moment  # refused when the task is saved: see `check_blackouts`

    def check_blackouts(self, moment: datetime) -> None:
        """Raise ValidationFailedError when the blackouts leave no time for a start."""
        if self._schedule.blackout and self.in_blackout(self.outside_blackout(moment)) is not None:
            raise ValidationFailedError(
                "The blackouts leave no time in which the task may start.",
                hint="Shorten them, or name the days they are for.",
                field="$.schedule.blackout",
            )

    def _planned_after(self, moment: datetime) -> datetime | None:
        if self._kind is ScheduleType.INTERVAL:
            return moment + self._interval
        if self._kind is not ScheduleType.CRON:
            return None
        assert self._schedule.cron is not None  # noqa: S101 - checked on making
        zone = UTC if self._schedule.timezone == "UTC" else self._zone
        following = next(CronSim(self._schedule.cron, moment.astimezone(zone)), None)
        return None if following is None else following.astimezone(UTC)

    def jitter(self, planned: datetime) -> timedelta:
        """Return by how much the start planned for a moment is late: always as much for it."""
        most = self._schedule.jitter_seconds
        if not most:
            return timedelta()
        seed = f"{self._task_id} {planned.timestamp():.0f}"
        return timedelta(seconds=zlib.crc32(seed.encode()) % (most + 1))


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name.

    Raises:
        ValidationFailedError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        raise ValidationFailedError(
            f"There is no time zone {name!r}.",
            hint="Use an IANA name, such as UTC, Europe/Berlin or America/New_York.",
            field="$.schedule.timezone",
        ) from exc


def check_cron(cron: str | None) -> None:
    """Raise ValidationFailedError unless it is a cron line of five fields that comes true."""
    hint = "Write minute hour day month weekday, such as 30 6 * * MON-FRI."
    if cron is None:
        raise ValidationFailedError(
            "A schedule of type cron needs schedule.cron.", hint=hint, field="$.schedule.cron"
        )
    if len(cron.split()) != _CRON_FIELDS:
        raise ValidationFailedError(
            f"{cron!r} has {len(cron.split())} fields; cron has {_CRON_FIELDS}.",
            hint=hint,
            field="$.schedule.cron",
        )
    try:
        ever = next(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as exc:
        raise ValidationFailedError(
            f"{cron!r} is not a cron line: {exc}.", hint=hint, field="$.schedule.cron"
        ) from exc
    if ever is None:
        raise ValidationFailedError(
            f"{cron!r} never comes true.", hint=hint, field="$.schedule.cron"
        )


def _bounds(blackout: Blackout, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    start, end = time.fromisoformat(blackout.start), time.fromisoformat(blackout.end)
    last = day if end > start else day + _DAY
    return (
        datetime.combine(day, start, zone).astimezone(UTC),
        datetime.combine(last, end, zone).astimezone(UTC),
    )
