"""What every ChangeDestination promises. Subclass; provide `destination` and `rows_of_stream`."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.model.change_ports import ChangeDestination
from dtaas.model.changes import (
    ORDER,
    ChangeReceipt,
    ChangeWindow,
    TableStream,
    TrackedTable,
    TrackingMethod,
    change_schema,
)
from dtaas.model.errors import DestinationConflictError
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import FileFormat, Owner, TargetTable, WriteOptions
from dtaas.model.positions import Held, HoldsPositions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Integer, String

RowsOfStream = Callable[[TableStream], Awaitable[list[dict[str, Any]]]]
"""Reads back every change that counts, in the order readers are told to use."""

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
Change = tuple[int, int, str, int, str | None]
"""(commit, command, operation, id, name)"""


def position(number: int) -> bytes:
    return number.to_bytes(10, "big")


def stream_of(
    *, base: int = 10, file_format: FileFormat = FileFormat.PARQUET, name: str | None = None
) -> TableStream:
    table = TableRef("dbo", name or uuid.uuid4().hex)
    schema = TableSchema(
        table=table,
        columns=(
            Column(name="id", type=Integer(32), nullable=False),
            Column(name="name", type=String(20), nullable=True),
        ),
        key=("id",),
    )
    return TableStream(
        task_id=TaskId(1),
        owner=Owner(installation="a" * 32, task_id=TaskId(1), task_name="t"),
        target=TargetTable(path=(table.schema, table.name)),
        options=WriteOptions(format=file_format),
        tracked=TrackedTable(schema=schema, method=TrackingMethod.CAPTURE),
        generation=LoadId(uuid.uuid4().hex),
        base=position(base),
    )


def window_of(stream: TableStream, after: int, to: int) -> ChangeWindow:
    return ChangeWindow(
        table=stream.tracked.table, after=position(after), to=position(to), commit_time=AT
    )


def batch_of(stream: TableStream, *changes: Change) -> pa.RecordBatch:
    rows = [
        {
            "_op": op,
            "_lsn": position(commit).hex(),
            "_command_id": command,
            "_seqval": position(command).hex(),
            "_commit_time": AT,
            "_unchanged": None,
            "id": number,
            "name": name,
        }
        for commit, command, op, number, name in changes
    ]
    return pa.RecordBatch.from_pylist(rows, schema=change_schema(stream.tracked.schema))


async def apply(
    destination: ChangeDestination, stream: TableStream, window: ChangeWindow, *changes: Change
) -> ChangeReceipt:
    async with destination.apply(stream, window) as writer:
        if changes:
            await writer.write(batch_of(stream, *changes))
        return await writer.finish()


class ChangeDestinationContract:
    async def test_windows_arrive_whole_and_in_order(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        stream = stream_of()
        assert await destination.open_stream(stream) is None
        receipt = await apply(
            destination,
            stream,
            window_of(stream, 10, 12),
            (11, 1, "I", 1, "a"),
            (11, 2, "I", 2, "b"),
            (12, 1, "U", 1, 'ä, "q"\n'),
        )
        assert (receipt.rows, receipt.inserts, receipt.updates, receipt.deletes) == (3, 2, 1, 0)
        assert receipt.position == position(12)
        assert not receipt.already_applied
        await apply(destination, stream, window_of(stream, 12, 15), (14, 1, "D", 2, None))
        rows = await rows_of_stream(stream)
        assert [(r["_op"], int(r["id"])) for r in rows] == [("I", 1), ("I", 2), ("U", 1), ("D", 2)]
        assert rows[2]["name"] == 'ä, "q"\n'
        places = [tuple(str(r[name]) for name in ORDER) for r in rows]
        assert places == sorted(places)
        assert await destination.open_stream(stream) == position(15)

    async def test_a_window_applied_twice_counts_once(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        stream = stream_of()
        await destination.open_stream(stream)
        changes: tuple[Change, ...] = ((11, 1, "I", 1, "a"), (12, 1, "I", 2, "b"))
        await apply(destination, stream, window_of(stream, 10, 12), *changes)
        again = await apply(destination, stream, window_of(stream, 10, 12), *changes)
        assert again.already_applied
        assert again.position == position(12)
        assert len(await rows_of_stream(stream)) == 2

    async def test_a_window_that_was_not_finished_leaves_nothing(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        stream = stream_of()
        await destination.open_stream(stream)
        with pytest.raises(ZeroDivisionError):
            async with destination.apply(stream, window_of(stream, 10, 12)) as writer:
                await writer.write(batch_of(stream, (11, 1, "I", 1, "a")))
                raise ZeroDivisionError
        assert await rows_of_stream(stream) == []
        assert await destination.open_stream(stream) in {None, position(10)}

    async def test_an_empty_window_moves_the_position(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        stream = stream_of()
        await destination.open_stream(stream)
        receipt = await apply(destination, stream, window_of(stream, 10, 20))
        assert (receipt.rows, receipt.position) == (0, position(20))
        assert await rows_of_stream(stream) == []
        assert await destination.open_stream(stream) == position(20)

    async def test_a_new_generation_begins_at_its_base(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        old = stream_of()
        await destination.open_stream(old)
        await apply(destination, old, window_of(old, 10, 12), (11, 1, "I", 1, "a"))
        new = replace(old, generation=LoadId(uuid.uuid4().hex), base=position(11), epoch=1)
        assert await destination.open_stream(new) is None
        assert await rows_of_stream(new) == []
        await apply(destination, new, window_of(new, 11, 13), (13, 1, "I", 3, "c"))
        assert [int(r["id"]) for r in await rows_of_stream(new)] == [3]

    async def test_targets_are_independent(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        one, two = stream_of(), stream_of()
        for stream in (one, two):
            await destination.open_stream(stream)
        await apply(destination, one, window_of(one, 10, 12), (11, 1, "I", 1, "a"))
        assert await rows_of_stream(two) == []
        assert await destination.open_stream(two) in {None, position(10)}

    async def test_the_target_tells_where_it_stands_and_can_be_set_back(
        self, destination: ChangeDestination, rows_of_stream: RowsOfStream
    ) -> None:
        assert isinstance(destination, HoldsPositions)
        stream = stream_of()
        assert await destination.held(stream.target, stream.owner) == Held()
        await destination.open_stream(stream)
        for to in (12, 14, 16):
            window = window_of(stream, to - 2, to)
            await apply(destination, stream, window, (to, 1, "I", to, "a"))
        held = await destination.held(stream.target, stream.owner)
        assert (held.generation, held.position) == (stream.generation, position(16).hex())
        for _ in range(2):
            await destination.place(stream, position(12))
            assert await destination.open_stream(stream) == position(12)
            assert [int(r["id"]) for r in await rows_of_stream(stream)] == [12]
        await apply(destination, stream, window_of(stream, 12, 16), (16, 1, "I", 16, "b"))
        assert [int(r["id"]) for r in await rows_of_stream(stream)] == [12, 16]
        await destination.place(stream, position(20))
        assert (await destination.held(stream.target, stream.owner)).position == position(20).hex()
        assert [int(r["id"]) for r in await rows_of_stream(stream)] == [12, 16]


class FencedDestinationContract(ChangeDestinationContract):
    """Two lives of one task at one target: provide `newer_life` as well."""

    async def test_an_older_life_can_move_nothing_any_more(
        self,
        destination: ChangeDestination,
        newer_life: ChangeDestination,
        rows_of_stream: RowsOfStream,
    ) -> None:
        stream = stream_of()
        await destination.open_stream(stream)
        await apply(destination, stream, window_of(stream, 10, 12), (11, 1, "I", 1, "a"))
        newer = replace(stream, epoch=stream.epoch + 1)
        assert await newer_life.open_stream(newer) == position(12)
        with pytest.raises(DestinationConflictError):
            await apply(destination, stream, window_of(stream, 12, 14), (13, 1, "I", 9, "old"))
        with pytest.raises(DestinationConflictError):
            await destination.open_stream(stream)
        await apply(newer_life, newer, window_of(newer, 12, 13), (13, 1, "I", 2, "new"))
        assert [int(r["id"]) for r in await rows_of_stream(newer)] == [1, 2]
