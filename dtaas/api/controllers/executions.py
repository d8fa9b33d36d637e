"""`/api/executions/`."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from dtaas.api.path_ids import execution_id_of
from dtaas.api.views import ExecutionView, execution_view
from dtaas.services.tasks import TaskService


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
