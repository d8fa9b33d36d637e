"""`/api/tasks/{id}/schema-changes` and `schema-versions`: schema drift, seen and decided."""

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from dtaas.api.access import caller_of
from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.api.path_ids import schema_change_id_of, task_id_of
from dtaas.model.drift import (
    DriftDecision,
    SchemaChange,
    SchemaChangeState,
    SchemaDiff,
    SchemaVersion,
)
from dtaas.services.drift import DriftService
from dtaas.store.page import Window
from dtaas.store.schema_history import UndecidedChanges

_MOST_VERSION = 2**31 - 1


class SchemaChangeList(Struct, frozen=True, kw_only=True):
    """A page of schema changes."""

    items: tuple[SchemaChange, ...]
    total: int
    limit: int
    offset: int


class SchemaVersionList(Struct, frozen=True, kw_only=True):
    """What tables looked like, by table, the oldest first."""

    items: tuple[SchemaVersion, ...]


class UndecidedList(Struct, frozen=True, kw_only=True):
    """The tasks in which changes wait for a decision."""

    items: tuple[UndecidedChanges, ...]


class DecisionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a change; `backfill` gives rows that are there the new column's values."""

    decision: DriftDecision
    backfill: bool = False


Table = Annotated[str | None, QueryParameter(description="Of this table only, as schema.name")]
OneTable = Annotated[str, QueryParameter(description="The table, as schema.name")]
Version = Annotated[int, QueryParameter(ge=1, le=_MOST_VERSION)]


class SchemaChangeController(Controller):
    """How the columns of source tables changed."""

    path = "/api/tasks"
    tags = ("Schema drift",)

    @get("/schema-changes/undecided", summary="List the tasks that wait for a decision")
    async def undecided(self, schema_drift: NamedDependency[DriftService]) -> UndecidedList:
        """How many changes of how many tables wait in each, and since when."""
        return UndecidedList(items=tuple(await schema_drift.undecided()))

    @get("/{task_id:int}/schema-changes", summary="List schema changes")
    async def list_all(
        self,
        *,
        schema_drift: NamedDependency[DriftService],
        task_id: FromPath[int],
        table: Table = None,
        schema_state: Annotated[
            SchemaChangeState | None,
            QueryParameter(name="state", description="Only those in this state"),
        ] = None,
        sort: Sort = "-id",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> SchemaChangeList:
        """Sort by id or detected_at; the newest come first."""
        page = await schema_drift.changes(
            task_id_of(task_id),
            table=table,
            states=() if schema_state is None else (schema_state,),
            window=Window(limit=limit, offset=offset, sort=sort),
        )
        return SchemaChangeList(
            items=page.items, total=page.total, limit=page.limit, offset=page.offset
        )

    @post(
        "/{task_id:int}/schema-changes/{change_id:int}/decide",
        summary="Decide about a schema change",
        status_code=200,
        audit_body=True,
    )
    async def decide(
        self,
        *,
        request: Request[Any, Any, Any],
        schema_drift: NamedDependency[DriftService],
        task_id: FromPath[int],
        change_id: FromPath[int],
        data: JSONBody[DecisionRequest],
    ) -> SchemaChange:
        """For a change that is pending, rejected or failed: the table then goes on, or does not.

        A column that was ignored can be approved as well. A task that paused goes on after the last
        decision. 409 when nothing waits for it.
        """
        return await schema_drift.decide(
            task_id_of(task_id),
            schema_change_id_of(change_id),
            data.decision,
            backfill=data.backfill,
            who=caller_of(request.scope).username,
        )

    @get("/{task_id:int}/schema-versions", summary="List what tables looked like")
    async def versions(
        self,
        schema_drift: NamedDependency[DriftService],
        task_id: FromPath[int],
        table: Table = None,
    ) -> SchemaVersionList:
        """A version a table is recorded at its first run and with every change."""
        found = await schema_drift.versions(task_id_of(task_id), table)
        return SchemaVersionList(items=tuple(found))

    @get("/{task_id:int}/schema-versions/diff", summary="Compare two versions of a table")
    async def diff(
        self,
        *,
        schema_drift: NamedDependency[DriftService],
        task_id: FromPath[int],
        table: OneTable = "",
        from_version: Version = 1,
        to_version: Annotated[
            int | None, QueryParameter(ge=1, le=_MOST_VERSION, description="By default the latest")
        ] = None,
    ) -> SchemaDiff:
        """Columns by name, so that one that was renamed is one dropped and one added."""
        return await schema_drift.diff(task_id_of(task_id), table, from_version, to_version)
