"""What every ChangeSource promises. Subclass; provide `source` and `world`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from dtaas.model.change_ports import ChangeSource
from dtaas.model.changes import LSN, OP, ORDER, ChangeWindow, TrackedTable, change_schema
from dtaas.model.errors import (
    CaptureGapError,
    CaptureLostError,
    CaptureNotEnabledError,
    TableNotFoundError,
)
from dtaas.model.schema import TableRef

Row = Mapping[str, Any]


class ChangingWorld(ABC):
    """A database with two tables `(id int key, name text)` that a suite changes.

    Every method returns once the source has captured what it did.
    """

    table: TableRef
    other: TableRef

    @abstractmethod
    async def commit(self, *changes: tuple[str, int, str | None]) -> None:
        """Commit one transaction of ('I' | 'U' | 'D', id, name) on `table`."""

    @abstractmethod
    async def touch_other(self) -> None:
        """Commit one change of `other`."""

    @abstractmethod
    async def forget_history(self, tracked: TrackedTable) -> None:
        """Clean away all changes of a table that are captured so far."""

    @abstractmethod
    async def recapture(self, tracked: TrackedTable) -> None:
        """Drop what captures a table and make it again under the same name."""


async def read(
    source: ChangeSource, tracked: TrackedTable, window: ChangeWindow, batch_rows: int = 1_000
) -> list[dict[str, Any]]:
    batches: list[pa.RecordBatch] = []
    async with source.changes(
        tracked, window, batch_rows=batch_rows, batch_bytes=1 << 20
    ) as reader:
        while (batch := await reader.next()) is not None:
            assert batch.schema == change_schema(tracked.schema)
            assert 0 < batch.num_rows <= batch_rows
            batches.append(batch)
    return [row for batch in batches for row in batch.to_pylist()]


class ChangeSourceContract:
    async def test_changes_come_once_in_order_in_windows_of_whole_transactions(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        base = await source.anchor([tracked])
        await world.commit(("I", 1, "a"), ("I", 2, "b"), ("I", 3, "c"))
        await world.commit(("U", 1, "A"), ("D", 2, None))
        await world.commit(("I", 4, "d"))
        to = (await source.poll([tracked])).position
        seen: list[dict[str, Any]] = []
        windows = []
        after = base
        while after < to:
            window = await source.cut(tracked, after=after, to=to, most_rows=2)
            assert window.after == after < window.to <= to
            seen += await read(source, tracked, window, batch_rows=2)
            windows.append(window)
            after = window.to
        assert [(c[OP], c["id"]) for c in seen] == [
            ("I", 1), ("I", 2), ("I", 3), ("U", 1), ("D", 2), ("I", 4),
        ]  # fmt: skip
        assert [c["name"] for c in seen if c[OP] != "D"] == ["a", "b", "c", "A", "d"]
        places = [tuple(c[name] for name in ORDER) for c in seen]
        assert places == sorted(set(places))
        assert len({c[LSN] for c in seen}) == 3
        assert len(windows) >= 2
        assert await read(source, tracked, windows[0]) == seen[:3]  # a window can be redone

    async def test_one_poll_tells_of_all_tables(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        tracked = await source.track([world.table, world.other], keys={}, enable=True)
        base = await source.anchor(tracked)
        await world.touch_other()
        state = await source.poll(tracked)
        assert state.position > base
        assert state.identity
        assert state.high[world.other] > base
        assert state.high.get(world.table, b"") <= base
        assert all(state.low[t.table] <= base for t in tracked)
        assert state.polled_at.tzinfo is not None

    async def test_a_window_without_changes_ends_where_it_was_asked_to(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        tracked, _ = await source.track([world.table, world.other], keys={}, enable=True)
        base = await source.anchor([tracked])
        await world.touch_other()
        to = (await source.poll([tracked])).position
        window = await source.cut(tracked, after=base, to=to, most_rows=10)
        assert (window.to, window.expected_rows) == (to, 0)
        assert await read(source, tracked, window) == []

    async def test_tracking_again_finds_the_same_instance(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        first = await source.track([world.table], keys={}, enable=True)
        assert await source.track([world.table], keys={}, enable=False) == first
        assert first[0].schema.key == ("id",)

    async def test_a_declared_key_is_the_key(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        keys = {world.table: ("name",)}
        (tracked,) = await source.track([world.table], keys=keys, enable=True)
        assert tracked.schema.key == ("name",)

    async def test_nothing_is_enabled_without_being_asked(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        with pytest.raises(CaptureNotEnabledError) as caught:
            await source.track([world.table], keys={}, enable=False)
        assert caught.value.hint

    async def test_a_table_that_is_not_there(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        with pytest.raises(TableNotFoundError):
            await source.track([TableRef(world.table.schema, "nowhere")], keys={}, enable=True)

    async def test_changes_that_were_cleaned_away_are_a_gap(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        base = await source.anchor([tracked])
        await world.commit(("I", 1, "a"))
        await world.commit(("I", 2, "b"))
        to = (await source.poll([tracked])).position
        window = await source.cut(tracked, after=base, to=to, most_rows=10)
        await world.forget_history(tracked)
        with pytest.raises(CaptureGapError):
            await read(source, tracked, window)

    async def test_another_instance_of_the_same_name_is_noticed(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        """RisingWave 25828: capture switched off and on must not look like "no changes"."""
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        await source.anchor([tracked])
        await world.recapture(tracked)
        with pytest.raises(CaptureLostError) as caught:
            await source.poll([tracked])
        assert caught.value.tables == (world.table,)

    async def test_untracking_is_idempotent(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        for _ in range(2):
            await source.untrack(tracked)
        with pytest.raises(CaptureNotEnabledError):
            await source.track([world.table], keys={}, enable=False)
