"""`/api/executions/`."""

from datetime import datetime
from typing import Annotated, TypeAlias

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from dtaas.api.controllers.dashboard import moment
from dtaas.api.controllers.logs import LeastLevel, Level
from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.api.path_ids import execution_id_of
from dtaas.api.views import ExecutionLogList, ExecutionView, NewestRuns, execution_view
from dtaas.model.errors import ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.services.charts import ChartService
from dtaas.services.log_keeper import LogService
from dtaas.services.tasks import TaskService
from dtaas.store.executions import Configuration
from dtaas.store.page import Window

RunCount: TypeAlias = Annotated[
    int, QueryParameter(ge=1, le=50, description="Most executions of each task")
]


class TasksAtWork(Struct, frozen=True, kw_only=True):
    """Ids of tasks, in order."""

    task_ids: tuple[TaskId, ...]


class ExecutionController(Controller):
    """Runs of tasks."""

    path = "/api/executions"
    tags = ("Executions",)

    @get("/{execution_id:int}", summary="Read an execution and its tables")
    async def read(
        self, tasks: NamedDependency[TaskService], execution_id: FromPath[int]
    ) -> ExecutionView:
        """Live figures while it runs, the final ones afterwards."""
        execution, tables = await tasks.execution(execution_id_of(execution_id))
        return execution_view(execution, tuple(tables))

    @get("/newest", summary="Read the newest executions of every task")
    async def newest(self, tasks: NamedDependency[TaskService], count: RunCount = 14) -> NewestRuns:
        """In few words, the oldest of each task first: for lists of many tasks."""
        return NewestRuns(tasks=tuple(await tasks.newest_runs(count)))

    @get("/tasks", summary="List the tasks that ran in a time")
    async def at_work(
        self,
        charts: NamedDependency[ChartService],
        since: FromQuery[datetime],
        until: FromQuery[datetime],
    ) -> TasksAtWork:
        """Those of which an execution went on at some moment of it."""
        begin, end = moment("since", since), moment("until", until)
        if begin is None or end is None or begin >= end:
            raise ValidationFailedError(
                "since must lie before until.", hint="Swap them.", field="$.since"
            )
        return TasksAtWork(task_ids=tuple(await charts.tasks_at_work(begin, end)))

    @get("/{execution_id:int}/configuration", summary="Read what an execution was told to do")
    async def configuration(
        self, tasks: NamedDependency[TaskService], execution_id: FromPath[int]
    ) -> Configuration:
        """Beside it the task as it is written down now: what differs was changed since."""
        return await tasks.configuration(execution_id_of(execution_id))

    @get("/{execution_id:int}/logs", summary="Read the log of an execution")
    async def logs(
        self,
        *,
        logs: NamedDependency[LogService],
        execution_id: FromPath[int],
        level: LeastLevel = Level.INFO,
        after: Annotated[int, QueryParameter(ge=0, le=2**53, description="Last id known")] = 0,
        sort: Sort = "id",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> ExecutionLogList:
        """The oldest first; sort by -id for the newest."""
        page = await logs.of_execution(
            execution_id_of(execution_id),
            level=level,
            after=after,
            window=Window(limit=limit, offset=offset, sort=sort),
        )
        return ExecutionLogList(
            items=page.items, total=page.total, limit=page.limit, offset=page.offset
        )
