"""The in-memory source of changes: the reference implementation of the port."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import pyarrow as pa
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from dtaas.connectors.memory.change_log import MemoryInstance
from dtaas.connectors.memory.datasets import Dataset, dataset
from dtaas.model.change_ports import ChangeSource
from dtaas.model.changes import ChangeWindow, SourceState, TrackedTable, TrackingMethod
from dtaas.model.connectors import MemorySourceConfig
from dtaas.model.errors import (
    CaptureGapError,
    CaptureLostError,
    CaptureNotEnabledError,
    CaptureStoppedError,
    TableNotFoundError,
)
from dtaas.model.execution import ReadBy
from dtaas.model.ports import BatchReader
from dtaas.model.schema import TableRef

EVERY_TABLE = TableRef("", "")
"""What the hook is told of a poll, which is about all tables."""


class MemoryChangeReader:
    """Hands out the change rows of a window, and checks at its end that all were kept."""

    def __init__(
        self,
        data: Dataset,
        tracked: TrackedTable,
        window: ChangeWindow,
        batches: list[pa.RecordBatch],
    ) -> None:
        self._data = data
        self._tracked = tracked
        self._window = window
        self._batches = iter(batches)

    @property
    def read_by(self) -> ReadBy | None:
        """None: there is one way only."""
        return None

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last."""
        await checkpoint()
        await self._data.hook("read changes", self._tracked.table)
        batch = next(self._batches, None)
        if batch is None:
            require_kept(self._data, self._tracked, self._window)
        return batch


class MemoryChangeSource:
    """Reads the changes of one dataset."""

    def __init__(self, config: MemorySourceConfig) -> None:
        self._data = dataset(config.dataset)

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Find, or with `enable` make, the instance of each table."""
        tracked = []
        for table in tables:
            await self._data.hook("track", table)
            tracked.append(self._track(table, keys.get(table, ()), enable=enable))
        return tracked

    def _track(self, table: TableRef, key: tuple[str, ...], *, enable: bool) -> TrackedTable:
        if table not in self._data.tables:
            raise TableNotFoundError(
                f"There is no table {table}.", hint="List the source's tables to see their names."
            )
        schema = self._data.tables[table].schema
        instance = self._data.log.instances.get(table)
        if instance is None:
            if not enable:
                raise CaptureNotEnabledError(
                    f"Table {table} is not captured.", hint=f"Enable it: log.enable({table})"
                )
            instance = self._data.log.enable(schema)
        return TrackedTable(
            schema=replace(instance.schema, key=key or schema.key),
            method=TrackingMethod.CAPTURE,
            instance=str(table),
            instance_id=instance.identity,
            start=instance.start,
            made_by_us=True,
        )

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop the instance if it is still this one."""
        await self._data.hook("untrack", tracked.table)
        instance = self._data.log.instances.get(tracked.table)
        if instance is not None and instance.identity == tracked.instance_id:
            self._data.log.disable(tracked.table)

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the captured position, once it has reached every instance."""
        await self._data.hook("anchor", EVERY_TABLE)
        log = self._data.log
        if any(log.captured < t.start for t in tracked):
            raise CaptureStoppedError(
                "The capture process stands still.", hint="Set log.capturing, call log.capture()."
            )
        return log.captured

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Say what is new."""
        await self._data.hook("poll", EVERY_TABLE)
        log = self._data.log
        log.polls += 1
        gone = tuple(t.table for t in tracked if _instance(self._data, t) is None)
        if gone:
            raise CaptureLostError(
                f"The capture of {', '.join(map(str, gone))} is gone or is another one.",
                hint="Load the tables anew.",
                tables=gone,
            )
        high: dict[TableRef, bytes] = {}
        for table in tracked:
            for commit, _ in log.of(table.table, b"", log.captured):
                high[table.table] = commit.position
        now = log.now()
        waiting = [c.at for c in log.commits if c.position > log.captured]
        return SourceState(
            position=log.captured,
            identity=log.identity,
            high=high,
            low={t.table: log.instances[t.table].low for t in tracked},
            committed_at=self._committed_at(log.captured),
            polled_at=now,
            capture_lag_s=max(0.0, (now - waiting[0]).total_seconds()) if waiting else 0.0,
            retention_s=log.retention_s,
            trouble="" if log.capturing else "The capture process stands still.",
            replica=log.replica,
        )

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return whole transactions of about `most_rows` rows."""
        await self._data.hook("cut", tracked.table)
        rows, end = 0, after
        for commit, changes in self._data.log.of(tracked.table, after, to):
            if rows and rows + len(changes) > most_rows:
                to = end
                break
            rows, end = rows + len(changes), commit.position
        return ChangeWindow(
            table=tracked.table,
            after=after,
            to=to,
            expected_rows=rows,
            commit_time=self._committed_at(end if rows else to),
        )

    @asynccontextmanager
    async def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Read a window as it is kept now."""
        await self._data.hook("open changes", tracked.table)
        require_kept(self._data, tracked, window)
        log = self._data.log
        tables = [
            log.rows(tracked.schema, commit, changes)
            for commit, changes in log.of(tracked.table, window.after, window.to)
        ]
        batches: list[pa.RecordBatch] = []
        if tables:
            rows = pa.concat_tables(tables).combine_chunks()
            most = max(1, min(batch_rows, batch_bytes * rows.num_rows // max(1, rows.nbytes)))
            batches = rows.to_batches(most)
        yield MemoryChangeReader(self._data, tracked, window, batches)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def _committed_at(self, position: bytes) -> datetime | None:
        found = [c.at for c in self._data.log.commits if c.position <= position]
        return found[-1] if found else None


def _instance(data: Dataset, tracked: TrackedTable) -> MemoryInstance | None:
    instance = data.log.instances.get(tracked.table)
    same = instance is not None and instance.identity == tracked.instance_id
    return instance if same else None


def require_kept(data: Dataset, tracked: TrackedTable, window: ChangeWindow) -> None:
    """Refuse a window of which changes may be gone.

    Raises:
        CaptureLostError: the instance is gone or is another one.
        CaptureGapError: what follows `window.after` is not kept any more.
    """
    instance = _instance(data, tracked)
    if instance is None:
        raise CaptureLostError(
            f"The capture of {tracked.table} is gone or is another one.",
            hint="Load the table anew.",
            tables=(tracked.table,),
        )
    if int.from_bytes(instance.low) > int.from_bytes(window.after) + 1:
        raise CaptureGapError(
            f"Changes of {tracked.table} after {window.after.hex()} are not kept any more.",
            hint="Load the table anew.",
        )


_: type[ChangeSource] = MemoryChangeSource
