"""When a task starts by itself: the shapes a user writes down."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from dtaas.model.ids import TaskId

Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of the day, `HH:MM`."""


class ScheduleType(StrEnum):
    """What makes a task start by itself.

    `continuous` starts it again as soon as it has ended; `after_task` when another task has.
    """

    MANUAL = "manual"
    INTERVAL = "interval"
    CRON = "cron"
    CONTINUOUS = "continuous"
    AFTER_TASK = "after_task"


class Overlap(StrEnum):
    """What a start means that comes while the task still runs."""

    SKIP = "skip"
    QUEUE = "queue"


class CatchUp(StrEnum):
    """What becomes of starts that were missed while the daemon did not run."""

    ONCE = "once"
    NONE = "none"


class Outcome(StrEnum):
    """Which end of another task starts this one. `success` is completed, `failure` is the rest."""

    SUCCESS = "success"
    FAILURE = "failure"
    ANY = "any"


class Weekday(StrEnum):
    """A day of the week, in the order of `datetime.weekday`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Blackout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time of the day without starts, in the schedule's zone.

    Attributes:
        end: not part of it; at or before `start` it lies on the next day.
        days: on which it begins; empty is every day.
    """

    start: Clock
    end: Clock
    days: tuple[Weekday, ...] = ()


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The details of a schedule; which of them count depends on `schedule_type`.

    Attributes:
        cron: five fields as Debian's cron reads them: minute hour day month weekday.
        timezone: IANA name, such as Europe/Berlin, of cron and blackout.
        after_task_id: the task that is waited for.
        on: which of its ends counts.
        jitter_seconds: a start is late by up to this, always by as much for one start of one task.
        blackout: a start that falls into one is made up for once at its end.
    """

    cron: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    timezone: Annotated[str, Meta(min_length=1, max_length=100)] = "UTC"
    after_task_id: TaskId | None = None
    on: Outcome = Outcome.SUCCESS
    jitter_seconds: Annotated[int, Meta(ge=0, le=3600)] = 0
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONCE
    blackout: Annotated[tuple[Blackout, ...], Meta(max_length=50)] = ()


NO_SCHEDULE: Final = Schedule()
