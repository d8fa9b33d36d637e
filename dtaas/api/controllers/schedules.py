"""`/api/schedules/`."""

from typing import Annotated, TypeAlias

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from dtaas.model.schedule import NO_SCHEDULE, Schedule, ScheduleType
from dtaas.services.schedules import MOST_RUNS, MOST_STARTS, Agenda, NextStarts, ScheduleService

StartCount: TypeAlias = Annotated[
    int, QueryParameter(ge=1, le=MOST_STARTS, description="Most starts of the answer")
]


class PreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule as a task has it."""

    schedule_type: ScheduleType
    schedule_interval_seconds: Annotated[int, Meta(ge=10)] | None = None
    schedule: Schedule = NO_SCHEDULE
    count: Annotated[int, Meta(ge=1, le=MOST_RUNS)] = 5


class ScheduleController(Controller):
    """When tasks start by themselves."""

    path = "/api/schedules"
    tags = ("Tasks",)

    @get("/agenda", summary="Read which tasks start next")
    async def agenda(
        self, schedules: NamedDependency[ScheduleService], count: StartCount = 10
    ) -> Agenda:
        """Each with its next start, soonest first. Blackouts and jitter are in it."""
        return await schedules.agenda(count)

    @post("/preview", summary="See what a schedule means", status_code=200, sync_to_thread=False)
    def preview(
        self, schedules: NamedDependency[ScheduleService], data: JSONBody[PreviewRequest]
    ) -> NextStarts:
        """The next starts; nothing is stored. Refused as a task with that schedule would be."""
        return schedules.preview(
            data.schedule_type, data.schedule_interval_seconds, data.schedule, data.count
        )
