"""Proving that what was moved arrived, in the background, and repairing what did not."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog
from anyio import (
    CapacityLimiter,
    Event,
    create_task_group,
    fail_after,
)
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.failures import explain
from dtaas.engine.shaping.task import TaskShaping
from dtaas.engine.verification.fence import Fence
from dtaas.engine.verification.table import Ends, verify_table
from dtaas.model.change_ports import ChangeRegistry, ChangeSource, StreamStore
from dtaas.model.changes import TrackingMethod, capture_of
from dtaas.model.connectors import Connector
from dtaas.model.errors import ActionNotAllowedError, ValidationFailedError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import WriteMode
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import Task, TaskAction, TaskMode
from dtaas.model.verification import (
    Difference,
    TableVerification,
    Verdict,
    Verification,
    VerificationId,
    VerificationStatus,
)
from dtaas.services.control import TaskControl
from dtaas.services.ports import TaskRunner
from dtaas.store.page import Page, Window
from dtaas.store.verifications import Verifications

log = structlog.get_logger()
_AT_ONCE: Final = 2
_WAITING: Final = 100
_HASHERS: Final = 2
_LIMIT_S: Final = 24 * 3600.0
_NEWEST_FIRST: Final = Window(sort="-id")


class _Sides(Struct, frozen=True):
    """The connectors of one task, opened for a verification."""

    task: Task
    source: Source
    destination: Destination
    changes: ChangeSource | None
    shaping: TaskShaping


class VerificationService:
    """Orders, runs and keeps verifications. `serve` runs them; the other methods are quick."""

    def __init__(
        self,
        *,
        verifications: Verifications,
        states: ExecutionStore,
        streams: StreamStore,
        registry: ChangeRegistry,
        control: TaskControl,
        runner: TaskRunner,
        now: Callable[[], datetime],
    ) -> None:
        self._verifications = verifications
        self._states = states
        self._streams = streams
        self._registry = registry
        self._control = control
        self._runner = runner
        self._now = now
        self._orders: deque[Verification] = deque()
        self._ordered = Event()

    async def order(self, task_id: TaskId, tables: Sequence[TableRef] = ()) -> Verification:
        """Ask for a verification of some tables, all when empty. It is made in the background.

        Raises:
            NotFoundError: no such task.
            ValidationFailedError: the task has no such table.
            ActionNotAllowedError: one is under way.
        """
        task = await self._states.task(task_id)
        for index, table in enumerate(tables):
            if table not in task.spec.source_tables:
                raise ValidationFailedError(
                    f"Task {task.spec.name!r} has no table {table}.",
                    hint="Name tables of its source_tables.",
                    field=f"$.tables[{index}]",
                )
        running = await self._verifications.open_of(task_id)
        if running is not None:
            raise ActionNotAllowedError(
                f"Task {task.spec.name!r} is being verified already (verification {running.id}).",
                hint="Wait for it to end.",
            )
        if len(self._orders) >= _WAITING:
            raise ActionNotAllowedError(
                "Too many verifications wait already.", hint="Try again once some have ended."
            )
        wanted = [TableVerification(table=t) for t in tables or task.spec.source_tables]
        verification = await self._verifications.create(task_id, wanted)
        self._orders.append(verification)
        self._ordered.set()
        return verification

    async def get(self, task_id: TaskId, verification_id: VerificationId) -> Verification:
        """Return a verification of a task.

        Raises:
            NotFoundError: the task has none of that id.
        """
        return await self._verifications.get(task_id, verification_id)

    async def list(self, task_id: TaskId, window: Window = _NEWEST_FIRST) -> Page[Verification]:
        """Return a page of a task's verifications.

        Raises:
            NotFoundError: no such task.
        """
        return await self._verifications.list(task_id, window)

    async def repair(self, task_id: TaskId, verification_id: VerificationId) -> Verification:
        """Make the destination right where a verification found it differs.

        Rows whose keys are known are read again and written into the table's stream with its next
        changes. A table without a stream, with more rows than keys are told of, or with doubled
        rows is loaded anew.

        Raises:
            NotFoundError: the task has none of that id.
            ActionNotAllowedError: it has not ended, found nothing, or the task cannot do it now.
        """
        found = await self.get(task_id, verification_id)
        wrong = [t for t in found.tables if t.verdict is Verdict.DIFFERENT]
        if found.status is not VerificationStatus.COMPLETED or not wrong:
            raise ActionNotAllowedError(
                f"Verification {verification_id} is {found.status} and names nothing to repair.",
                hint="Verify the task first.",
            )
        task = await self._states.task(task_id)
        anew = [t.table for t in wrong if not self._repaired_by_key(task_id, t)]
        if anew:
            doubled = [t for t in anew if task.spec.write_mode(t) is WriteMode.APPEND]
            if doubled:
                raise ActionNotAllowedError(
                    f"A load would double the rows of {', '.join(map(str, doubled))}.",
                    hint="Set write_mode to overwrite, or mend the target by hand.",
                )
            await self._control.act(task_id, TaskAction.START, tables=anew)
        await self._verifications.note_repair(verification_id)
        return await self.get(task_id, verification_id)

    async def serve(self, *, leftovers_after: timedelta = timedelta()) -> None:
        """Make what is ordered, until cancelled.

        Args:
            leftovers_after: age at which a verification that has not ended is another daemon's
                no more.
        """
        await self._verifications.fail_open(
            before=self._now() - leftovers_after,
            code="interrupted",
            error="The daemon ended before the verification did.",
        )
        places = CapacityLimiter(_AT_ONCE)

        async def run(order: Verification) -> None:
            try:
                await self._run(order)
            finally:
                places.release_on_behalf_of(order.id)

        async with create_task_group() as group:
            while True:
                await self._ordered.wait()
                self._ordered = Event()
                while self._orders:
                    await places.acquire_on_behalf_of(self._orders[0].id)
                    order = self._orders.popleft()
                    group.start_soon(run, order, name=f"verification {order.id}")

    def _repaired_by_key(self, task_id: TaskId, table: TableVerification) -> bool:
        doubled = any(k.difference is Difference.DOUBLED for k in table.keys)
        if not table.keys or doubled or table.different_rows != len(table.keys):
            return False
        keys = [tuple(text or "" for text in k.key.values()) for k in table.keys]
        return self._runner.repair(task_id, table.table, keys)

    async def _run(self, order: Verification) -> None:
        tables = list(order.tables)
        began = self._now()
        try:
            with fail_after(_LIMIT_S):
                async with self._opened(order.task_id) as sides:
                    for i, table in enumerate(tables):
                        tables[i] = replace(table, verdict=Verdict.RUNNING)
                        await self._record(order, VerificationStatus.RUNNING, tables)
                        tables[i] = await self._verify(sides, table.table)
        except Exception as exc:  # noqa: BLE001 - told in the verification
            error = explain(exc)
            log.warning("verification_failed", verification=order.id, code=error.code)
            await self._close(replace(order, tables=tuple(tables)), error.code, error.detail)
            return
        await self._record(order, VerificationStatus.COMPLETED, tables)
        log.info(
            "verification_ended",
            verification=order.id,
            task_id=order.task_id,
            tables=len(tables),
            equal=sum(t.verdict is Verdict.EQUAL for t in tables),
            duration_s=(self._now() - began).total_seconds(),
        )

    async def _verify(self, sides: _Sides, table: TableRef) -> TableVerification:
        try:
            ends = await self._ends(sides, table)
        except Exception as exc:  # noqa: BLE001 - told in the result
            error = explain(exc)
            return TableVerification(
                table=table,
                verdict=Verdict.FAILED,
                error_code=error.code,
                error=error.detail,
                hint=error.hint,
            )
        result = await verify_table(ends)
        if result.verified_through is not None:
            position = bytes.fromhex(result.verified_through)
            await self._streams.verified(sides.task.id, table, position)
        return result

    async def _ends(self, sides: _Sides, table: TableRef) -> Ends:
        task = sides.task
        mapping = task.spec.mapping(table)
        state = await self._streams.stream(task.id, table) if sides.changes is not None else None
        blocking = Blocking(_HASHERS)
        if state is not None and sides.changes is not None:
            tracked, target = state.stream.tracked, state.stream.target
            sides.shaping.adopt(tracked)
            schema, key = tracked.schema, tracked.schema.key
            watermark = tracked.method is TrackingMethod.WATERMARK
        else:
            schema = task.spec.taken(await sides.source.describe(table))
            key = sides.shaping.arriving(schema, mapping.key) or schema.key
            target = sides.destination.target_of(table, task.spec.mapped_target(table))
            watermark = True
        fence = None
        if not watermark and sides.changes is not None:
            fence = Fence(
                task_id=task.id,
                table=table,
                source=sides.changes,
                streams=self._streams,
                blocking=blocking,
            )
        return Ends(
            source=sides.source,
            destination=sides.destination,
            target=target,
            read=schema,
            schema=schema,
            key=key,
            fence=fence,
            blocking=blocking,
        )

    @asynccontextmanager
    async def _opened(self, task_id: TaskId) -> AsyncIterator[_Sides]:
        """Open connectors of our own, so that a verification takes nothing from the transfer."""
        task = await self._states.task(task_id)
        connector = await self._connector(task.spec.source_connector_id)
        async with AsyncExitStack() as stack:
            shaping = await TaskShaping.for_reading(task.spec)
            source = shaping.source(self._registry.source(connector))
            await stack.enter_async_context(aclosing(source))
            destination = self._registry.destination(
                await self._connector(task.spec.destination_connector_id),
                task_name=task.spec.name,
                database=getattr(connector.config, "database", ""),
            )
            await stack.enter_async_context(aclosing(destination))
            changes = None
            if task.spec.mode in {TaskMode.CDC, TaskMode.FULL_LOAD_THEN_CDC}:
                streams = await self._streams.streams(task.id)
                capture = capture_of(task.spec.options.capture, streams)
                changes = shaping.changes(self._registry.change_source(connector, capture))
                await stack.enter_async_context(aclosing(changes))
            yield _Sides(task, source, destination, changes, shaping)

    async def _connector(self, connector_id: ConnectorId) -> Connector:
        return await self._registry.resolved(await self._states.connector(connector_id))

    async def _record(
        self, order: Verification, status: VerificationStatus, tables: Sequence[TableVerification]
    ) -> None:
        await self._verifications.record(order.id, status, tables)

    async def _close(self, order: Verification, code: str, error: str) -> None:
        await self._verifications.record(
            order.id, VerificationStatus.FAILED, order.tables, error_code=code, error=error
        )
