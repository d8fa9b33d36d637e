"""What would happen: tasks looked at before they are stored or run. Nothing here is stored."""

from typing import Annotated

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from dtaas.api.path_ids import task_id_of
from dtaas.api.trail import CHANGES_NOTHING
from dtaas.model.plan import RunPlan
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskSpec
from dtaas.services.planning.service import PlanService
from dtaas.services.validation import Validation, ValidationService


class PlanController(Controller):
    """Looking before leaping."""

    path = "/api/tasks"
    tags = ("Tasks",)

    @post("/validate", summary="Find all mistakes", status_code=200, opt={CHANGES_NOTHING: True})
    async def validate(
        self,
        validations: NamedDependency[ValidationService],
        data: JSONBody[TaskSpec],
        task_id: Annotated[
            int | None, QueryParameter(description="The stored task it would replace")
        ] = None,
        look: Annotated[
            bool, QueryParameter(description="Ask the source about the tables, too")
        ] = True,
    ) -> Validation:
        """Everything that is wrong with a task as it would be saved, not only the first thing.

        Whether connectors exist and can do the mode, tables, mappings, columns and keys, schedule,
        and places that others write to. Half a minute at most.
        """
        stored = None if task_id is None else task_id_of(task_id)
        return await validations.validate(data, task_id=stored, look=look)

    @post(
        "/plan",
        summary="See what a run would do before saving",
        status_code=200,
        opt={CHANGES_NOTHING: True},
    )
    async def plan_unsaved(
        self,
        plans: NamedDependency[PlanService],
        data: JSONBody[TaskSpec],
        task_id: Annotated[
            int | None, QueryParameter(description="The stored task it would replace")
        ] = None,
    ) -> RunPlan:
        """The plan of a task as it would be saved; nothing is stored. A minute at most."""
        stored = None if task_id is None else task_id_of(task_id)
        return await plans.plan_unsaved(data, stored)

    @post(
        "/{task_id:int}/plan",
        summary="See what a run would do",
        status_code=200,
        opt={CHANGES_NOTHING: True},
    )
    async def plan(
        self,
        plans: NamedDependency[PlanService],
        task_id: FromPath[int],
        table: Annotated[
            list[str] | None,
            QueryParameter(description="Only this table, as schema.name; repeatable"),
        ] = None,
    ) -> RunPlan:
        """Tables with estimated rows, bytes and files, steps, and the time it took before.

        Destructive steps are named. Neither source nor destination is changed. A minute at most.
        """
        only = [TableRef(*name.rpartition(".")[::2]) for name in table or ()]
        return await plans.plan(task_id_of(task_id), only)
