"""The gate every table passes before it is read: has it changed, and what does the task do then?"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.bus import EventBus
from dtaas.engine.progress import utc_now
from dtaas.model.change_ports import PlansEvolution
from dtaas.model.drift import (
    COLUMN_COMES,
    DetectedBy,
    Difference,
    SchemaChange,
    SchemaChangeKind,
    SchemaChangeState,
    decided,
    differences,
    waits,
)
from dtaas.model.drift_ports import SchemaHistory
from dtaas.model.errors import (
    DtaasError,
    SchemaChangedError,
    SchemaChangePendingError,
    SchemaChangeRefusedError,
    TableNotFoundError,
)
from dtaas.model.events import SchemaChanged
from dtaas.model.ids import ExecutionId
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import Task, TaskMode

log = structlog.get_logger()
_GOES = frozenset({SchemaChangeKind.COLUMN_DROPPED, SchemaChangeKind.COLUMN_RENAMED})
Pause = Callable[[DtaasError], Awaitable[None]]


class Verdict(Struct, frozen=True, kw_only=True):
    """How a table is read now.

    Attributes:
        ignored: columns of the source that are not copied.
        retained: columns the source dropped, which the destination keeps.
        accepted: columns that came and are copied.
        filling: new columns whose values rows that are there still lack.
    """

    ignored: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    retained: tuple[Column, ...] = ()
    filling: tuple[str, ...] = ()

    def seen(self, schema: TableSchema) -> TableSchema:
        """Return a schema without the columns that are not copied."""
        kept = tuple(c for c in schema.columns if c.name not in self.ignored)
        return replace(schema, columns=kept)


class DriftGate:
    """Compares the tables of one execution with what is remembered of them."""

    def __init__(
        self,
        *,
        history: SchemaHistory,
        bus: EventBus,
        task: Task,
        execution_id: ExecutionId,
        source: Source,
        destination: Destination,
        pause: Pause,
    ) -> None:
        """Take what to compare with.

        Args:
            source: as it is, without transformations.
            pause: pauses the task for the reason given.
        """
        self._history = history
        self._bus = bus
        self._task = task
        self._execution_id = execution_id
        self._source = source
        self._destination = destination
        self._pause = pause

    async def fresh(self, tables: Iterable[TableRef]) -> None:
        """Let what was decided of tables go: they are loaded anew, as they are then."""
        for table in tables:
            for change in await self._history.changes_of(self._task.id, table):
                if not change.closed:
                    note = "The table was loaded anew." if change.state.holds else change.note
                    state = SchemaChangeState.APPLIED if change.state.holds else change.state
                    await self._tell(replace(change, state=state, note=note, closed=True))

    async def check(
        self, table: TableRef, by: DetectedBy, position: str | None = None
    ) -> tuple[TableSchema, Verdict]:
        """Look at a table; return what it is at the source, and how it is read.

        Args:
            position: of the source, in hex, by which a change had happened.

        Raises:
            SchemaChangePendingError: somebody has to decide first.
            SchemaChangeRefusedError: the task does not follow the change.
            TableNotFoundError: there is no such table any more.
        """
        before = await self._history.latest(self._task.id, table)
        try:
            now = await self._source.describe(table)
        except TableNotFoundError:
            if before is not None:
                await self._note_gone(before.schema, by, position)
            raise
        new = [] if before is None else differences(before.schema, now)
        if before is None or before.schema != now:
            changes = [self._change(table, one, by, position) for one in new]
            for change in await self._history.record(self._task.id, now, position, changes):
                self._announce(change)
        return now, await self.standing(table)

    async def known(self, table: TableRef) -> TableSchema | None:
        """Return what a table looked like when it was looked at last."""
        latest = await self._history.latest(self._task.id, table)
        return None if latest is None else latest.schema

    async def standing(self, table: TableRef, *, hold: bool = True) -> Verdict:
        """Return how a table is read by what is remembered of it.

        Raises:
            SchemaChangePendingError, SchemaChangeRefusedError: it stands still, if `hold`.
        """
        known = [
            await self._by_policy(change)
            for change in await self._history.changes_of(self._task.id, table)
            if not change.closed
        ]
        held = [change for change in known if change.state.holds]
        if held and hold:
            await self._hold(held)
        return _verdict(known)

    async def filled(self, table: TableRef, brought: Callable[[str], bool], rows: int) -> None:
        """Note how many rows were written again because columns came.

        Args:
            brought: says whether a column of the source was among them.
        """
        for change in await self._history.changes_of(self._task.id, table):
            came = change.kind in COLUMN_COMES and change.column is not None
            if came and change.affected_rows is None and brought(change.column or ""):
                await self._tell(replace(change, affected_rows=rows))

    async def note_if_gone(self, table: TableRef) -> None:
        """Look whether a table whose changes are lost is still there."""
        try:
            await self.check(table, DetectedBy.POLL)
        except DtaasError as error:  # why its changes are lost is told already
            log.info("table_looked_at", table=str(table), code=error.code, error=error.detail)

    async def _note_gone(self, schema: TableSchema, by: DetectedBy, position: str | None) -> None:
        known = await self._history.changes_of(self._task.id, schema.table)
        if any(c.kind is SchemaChangeKind.TABLE_DROPPED and not c.closed for c in known):
            return
        gone = Difference(kind=SchemaChangeKind.TABLE_DROPPED)
        change = self._change(schema.table, gone, by, position)
        for recorded in await self._history.record(self._task.id, schema, position, [change]):
            self._announce(recorded)

    def _change(
        self, table: TableRef, one: Difference, by: DetectedBy, position: str | None
    ) -> SchemaChange:
        spec, policy = self._task.spec, self._task.spec.drift_policy
        ddl, impossible = self._planned(table, one)
        state, note = decided(
            policy, one, approval=spec.schema_drift_approval, impossible=impossible
        )
        if one.key is not None:
            old, new = (", ".join(key) or "none" for key in one.key)
            note = f"The key was {old}, and is {new}. {note}".strip()
        acts = state in {SchemaChangeState.APPLIED, SchemaChangeState.PENDING}
        return SchemaChange(
            task_id=self._task.id,
            execution_id=self._execution_id,
            table=table,
            detected_at=utc_now(),
            detected_by=by,
            position=position,
            kind=one.kind,
            column=one.column,
            before=one.before,
            after=one.after,
            ddl=ddl if acts else (),
            policy=policy,
            state=state,
            backfill=spec.backfill_new_columns and one.kind in COLUMN_COMES,
            possible=not impossible,
            note=note,
        )

    def _planned(self, table: TableRef, one: Difference) -> tuple[tuple[str, ...], str]:
        """Return what the destination would do, and why it cannot, '' when it can."""
        spec = self._task.spec
        if spec.mode is TaskMode.FULL_LOAD:
            return (), ""  # a load makes its target anew
        if one.kind is SchemaChangeKind.KEY_CHANGED:
            return (), "Rows are told apart by another key than at the destination."
        if one.after is None or spec.shapes or not isinstance(self._destination, PlansEvolution):
            return (), ""
        if one.kind is SchemaChangeKind.NULLABILITY_CHANGED:
            return (), ""
        target = self._destination.target_of(table, spec.mapped_target(table))
        before = one.before if one.kind is SchemaChangeKind.TYPE_CHANGED else None
        try:
            return tuple(self._destination.evolution(target, before, one.after)), ""
        except SchemaChangedError as error:
            return (), error.detail

    async def _by_policy(self, change: SchemaChange) -> SchemaChange:
        """Return a change as the policy of today decides it, unless somebody decided."""
        policy = self._task.spec.drift_policy
        if change.decided_at is not None:
            return await self._taken_in(change)
        if change.policy is policy or not change.state.holds:
            return change
        state, note = decided(
            policy,
            _difference(change),
            approval=self._task.spec.schema_drift_approval,
            impossible="" if change.possible else change.note,
        )
        return await self._tell(replace(change, policy=policy, state=state, note=note))

    async def _taken_in(self, change: SchemaChange) -> SchemaChange:
        """Return a change with what is done about a column that was ignored at first."""
        applied = change.state is SchemaChangeState.APPLIED
        if not applied or change.ddl or change.kind not in COLUMN_COMES:
            return change
        ddl, impossible = self._planned(change.table, _difference(change))
        if impossible:
            failed = SchemaChangeState.FAILED
            return await self._tell(replace(change, state=failed, possible=False, note=impossible))
        return await self._tell(replace(change, ddl=ddl)) if ddl else change

    async def _hold(self, held: Sequence[SchemaChange]) -> None:
        first = held[0]
        what = f"{first.kind} {first.column or ''}".strip()
        detail = f"{first.table} changed at the source: {what} (schema change {first.id})."
        refused = [c for c in held if c.state is not SchemaChangeState.PENDING]
        if refused:
            raise SchemaChangeRefusedError(f"{detail} {refused[0].note}".strip(), hint=_REFUSED)
        error = SchemaChangePendingError(
            f"{detail} It waits for a decision.",
            hint="Decide: dtaas drift TASK --approve, --ignore or --reject.",
        )
        if waits(held):
            await self._pause(error)
        raise error

    async def _tell(self, change: SchemaChange) -> SchemaChange:
        change = await self._history.revise(change)
        self._bus.publish(SchemaChanged(at=utc_now(), change=change))
        return change

    def _announce(self, change: SchemaChange) -> None:
        log.warning(
            "schema_changed",
            table=str(change.table),
            kind=change.kind,
            column=change.column,
            state=change.state,
            change_id=change.id,
        )
        self._bus.publish(SchemaChanged(at=utc_now(), change=change))


_REFUSED = (
    "Approve or ignore it (dtaas drift), set another schema_drift_policy, or start the task with"
    " force and this table to load it anew."
)


def _difference(change: SchemaChange) -> Difference:
    return Difference(
        kind=change.kind, column=change.column, before=change.before, after=change.after
    )


def _verdict(changes: Sequence[SchemaChange]) -> Verdict:
    """Return how a table is read after changes, the oldest first."""
    ignored: set[str] = set()
    retained: dict[str, Column] = {}
    accepted: set[str] = set()
    filling: list[str] = []
    for change in changes:
        if change.kind in _GOES and change.before is not None:
            gone = change.before.name
            if gone not in ignored:
                retained[gone] = change.before
            ignored.discard(gone)
            accepted.discard(gone)
        if change.kind in COLUMN_COMES and change.column is not None:
            retained.pop(change.column, None)
            if change.state is not SchemaChangeState.APPLIED:
                ignored.add(change.column)
                continue
            accepted.add(change.column)
            if change.backfill and change.affected_rows is None:
                filling.append(change.column)
    nullable = tuple(replace(c, nullable=True) for c in retained.values())
    return Verdict(
        ignored=frozenset(ignored),
        accepted=frozenset(accepted),
        retained=nullable,
        filling=tuple(filling),
    )
