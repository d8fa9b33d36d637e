"""`/api/tasks/`."""

from typing import Annotated, TypeVar

from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta, Struct

from dtaas.api.controllers.schedules import StartCount
from dtaas.api.paging import DEFAULT, Limit, Offset, Search, Sort
from dtaas.api.path_ids import connector_id_of, task_id_of
from dtaas.api.views import (
    ChangedTaskView,
    ExecutionList,
    TaskList,
    TaskTableList,
    TaskView,
    changed_task_view,
    task_view,
)
from dtaas.concurrency.slices import in_slices
from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskAction, TaskMode, TaskSpec, TaskStatus
from dtaas.services.control import TaskControl
from dtaas.services.schedules import NextStarts, ScheduleService
from dtaas.services.table_steering import SteeredTables, TableAction, TableSteering
from dtaas.services.tasks import TaskService
from dtaas.store.page import Window
from dtaas.store.tasks import TaskFilter


class ControlRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with a task.

    Attributes:
        force: a start forgets what an earlier execution left unfinished; a stop does not wait for
            what was read to arrive.
        tables: a start loads only these; all when empty.
    """

    action: TaskAction
    force: bool = False
    tables: tuple[TableRef, ...] = ()


AnyTaskView = TypeVar("AnyTaskView", bound=TaskView)


class TableControlRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with tables of a running execution."""

    action: TableAction
    tables: Annotated[tuple[TableRef, ...], Meta(min_length=1, max_length=1000)]


class TaskController(Controller):
    """What is moved from where to where."""

    path = "/api/tasks"
    tags = ("Tasks",)

    @post("/", summary="Create a task")
    async def create(
        self, tasks: NamedDependency[TaskService], data: JSONBody[TaskSpec]
    ) -> Response[TaskView]:
        """Store a task. It does not run until it is started or its schedule comes."""
        task = await tasks.create(data)
        return Response(task_view(task), headers={"location": f"/api/tasks/{task.id}"})

    @get("/", summary="List tasks")
    async def list_all(
        self,
        *,
        tasks: NamedDependency[TaskService],
        q: Search = "",
        status: FromQuery[list[TaskStatus] | None] = None,
        mode: FromQuery[TaskMode | None] = None,
        connector_id: FromQuery[int | None] = None,
        is_active: FromQuery[bool | None] = None,
        tag: Annotated[str, QueryParameter(description="A tag it has")] = "",
        owner: Annotated[str, QueryParameter(description="Exactly this owner")] = "",
        sort: Sort = "name",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> TaskList:
        """Sort by name, id, status, created_at, updated_at or last_run_at."""
        page = await tasks.list(
            TaskFilter(
                q=q,
                statuses=frozenset(status or ()),
                mode=mode,
                connector_id=None if connector_id is None else connector_id_of(connector_id),
                is_active=is_active,
                tag=tag,
                owner=owner,
            ),
            Window(limit=limit, offset=offset, sort=sort),
        )
        return TaskList(
            items=tuple(await in_slices(task_view, page.items)),
            total=page.total,
            limit=page.limit,
            offset=page.offset,
        )

    @get("/tables", summary="Find source tables by name")
    async def tables(
        self,
        tasks: NamedDependency[TaskService],
        q: Annotated[str, QueryParameter(min_length=1, description="Part of schema.name")],
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 12,
    ) -> TaskTableList:
        """Whatever the case, with the task that moves each; the first of many only."""
        return TaskTableList(items=tuple(await tasks.tables_named(q, limit)))

    @get("/{task_id:int}", summary="Read a task")
    async def read(
        self, tasks: NamedDependency[TaskService], task_id: FromPath[int]
    ) -> Response[TaskView]:
        """The task and its state; the ETag is its revision."""
        return _tagged(task_view(await tasks.get(task_id_of(task_id))))

    @put("/{task_id:int}", summary="Change a task")
    async def update(
        self,
        *,
        tasks: NamedDependency[TaskService],
        task_id: FromPath[int],
        data: JSONBody[TaskSpec],
        if_match: Annotated[
            str | None,
            HeaderParameter(name="If-Match", description="The ETag of the task as it was read"),
        ] = None,
    ) -> Response[ChangedTaskView]:
        """Replace what was written down.

        With If-Match it is refused with 412 `revision_conflict` when somebody changed it since.

        While an execution is under way, description, schedule and is_active change at once and
        limits at the next start (`applies` says which). Name, connectors, tables, mappings, mode,
        format, transformations and write mode are refused with 409 `task_running`.
        """
        revision = None if if_match in {None, "*"} else str(if_match).strip(' "')
        update = await tasks.update(task_id_of(task_id), data, revision=revision)
        return _tagged(changed_task_view(update.task, update.applies))

    @delete("/{task_id:int}", summary="Delete a task")
    async def remove(self, tasks: NamedDependency[TaskService], task_id: FromPath[int]) -> None:
        """Remove it with its history; data it committed stays. Refused with 409 while it runs."""
        await tasks.delete(task_id_of(task_id))

    @post(
        "/{task_id:int}/control",
        summary="Start, stop, pause or resume",
        status_code=202,
        audit_body=True,
    )
    async def control(
        self,
        control: NamedDependency[TaskControl],
        task_id: FromPath[int],
        data: JSONBody[ControlRequest],
    ) -> TaskView:
        """Accepted with 202 and the task, which gets there by itself.

        409 `action_not_allowed` carries `task_status` and `allowed_actions`.
        """
        task = await control.act(
            task_id_of(task_id), data.action, force=data.force, tables=data.tables
        )
        return task_view(task)

    @post(
        "/{task_id:int}/tables/control",
        summary="Leave tables out, or try them again",
        status_code=202,
        audit_body=True,
    )
    async def control_tables(
        self,
        table_steering: NamedDependency[TableSteering],
        task_id: FromPath[int],
        data: JSONBody[TableControlRequest],
    ) -> SteeredTables:
        """Steer single tables while the others of the execution run on.

        `skip` leaves a table out of this execution: what it has is kept, and a stream's position
        too, for as long as the source keeps its changes. `retry` lets one that failed or was left
        out go on where it stands. The next execution has all tables again.
        """
        items = await table_steering.act(task_id_of(task_id), data.action, data.tables)
        return SteeredTables(items=items)

    @get("/{task_id:int}/executions", summary="List the executions of a task")
    async def executions(
        self,
        *,
        tasks: NamedDependency[TaskService],
        task_id: FromPath[int],
        status: FromQuery[list[ExecutionStatus] | None] = None,
        sort: Sort = "-id",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> ExecutionList:
        """Sort by id, started_at, completed_at, duration_seconds or processed_rows."""
        page = await tasks.executions(
            task_id_of(task_id),
            frozenset(status or ()),
            Window(limit=limit, offset=offset, sort=sort),
        )
        return ExecutionList(
            items=page.items, total=page.total, limit=page.limit, offset=page.offset
        )

    @get("/{task_id:int}/schedule/next", summary="Read the next starts of a task")
    async def next_starts(
        self,
        schedules: NamedDependency[ScheduleService],
        task_id: FromPath[int],
        count: StartCount = 5,
    ) -> NextStarts:
        """Blackouts and jitter are in them."""
        return await schedules.upcoming(task_id_of(task_id), count)


def _tagged(view: AnyTaskView) -> Response[AnyTaskView]:
    return Response(view, headers={"etag": f'"{view.revision}"'})
