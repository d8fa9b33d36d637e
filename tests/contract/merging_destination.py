"""What destinations promise that apply changes to rows by key. Provide `destination`."""

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.model.change_ports import ChangeDestination
from dtaas.model.changes import (
    ChangeReceipt,
    ChangeWindow,
    TableStream,
    TrackedTable,
    TrackingMethod,
)
from dtaas.model.errors import (
    DestinationInUseError,
    FatalError,
    SchemaChangedError,
)
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import WriteOptions
from dtaas.model.ports import Destination
from dtaas.model.positions import Held, HoldsPositions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Decimal, Integer, String
from tests.contract.change_rows import Change, batch_of, place
from tests.contract.destination import load_of, owner, whole_load

SCHEMA = TableSchema(
    table=TableRef("dbo", "merged"),
    columns=(
        Column(name="id", type=Integer(64), nullable=False),
        Column(name='odd "name"', type=String(50), nullable=True),
        Column(name="body", type=String(), nullable=True),
        Column(name="price", type=Decimal(12, 3), nullable=True),
    ),
    key=("id",),
)
Row = tuple[Any, ...]


class Both(Destination, ChangeDestination):
    """A destination with both ports."""


def stream_of(
    destination: Both, schema: TableSchema = SCHEMA, generation: str = "g1"
) -> TableStream:
    return TableStream(
        task_id=TaskId(1),
        owner=owner(),
        target=destination.target_of(schema.table, None),
        options=WriteOptions(),
        tracked=TrackedTable(schema=schema, method=TrackingMethod.CAPTURE),
        generation=LoadId(generation),
        base=place(0),
    )


def window(after: int, to: int) -> ChangeWindow:
    return ChangeWindow(table=SCHEMA.table, after=place(after), to=place(to))


async def apply(
    destination: Both,
    stream: TableStream,
    change_window: ChangeWindow,
    *pieces: Sequence[Change],
) -> ChangeReceipt:
    async with destination.apply(stream, change_window) as writer:
        for piece in pieces:
            await writer.write(batch_of(stream.tracked.schema, piece))
        return await writer.finish()


async def rows_at(destination: Both, schema: TableSchema = SCHEMA) -> list[Row]:
    found: list[Row] = []
    target = destination.target_of(schema.table, None)
    await destination.scan(
        target, schema, lambda batch: found.extend(tuple(r.values()) for r in batch.to_pylist())
    )
    return sorted(found, key=lambda row: row[0])


async def loaded(destination: Both, ids: range, schema: TableSchema = SCHEMA) -> TableStream:
    """Load rows, and return the stream that follows."""
    load = load_of(destination, schema)
    await destination.claim(load.target, load.owner)
    arrow = schema.arrow_schema()
    columns = [list(ids), [f"n{i}" for i in ids], [f"b{i}" for i in ids], [None for _ in ids]]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, arrow, strict=True)], schema=arrow
    )
    await whole_load(destination, load, batch)
    return replace(stream_of(destination, schema), generation=load.load_id)


class MergingDestinationContract:
    """The promises of `ChangeDestination` where changes are applied to rows."""

    @pytest.fixture
    async def destination(self) -> Any:
        raise NotImplementedError

    def another(self, destination: Both) -> Both:
        """Return a destination of another life, with the same connector."""
        raise NotImplementedError

    async def test_changes_follow_a_load(self, destination: Both) -> None:
        stream = await loaded(destination, range(4))
        assert await destination.open_stream(stream) is None
        receipt = await apply(
            destination,
            stream,
            window(0, 3),
            [
                ("I", 1, (10, "x", "long", None), None),
                ("U", 2, (1, "new", None, None), '["body"]'),
                ("D", 3, (2, None, None, None), None),
            ],
        )
        assert (receipt.rows, receipt.inserts, receipt.updates, receipt.deletes) == (3, 1, 1, 1)
        assert receipt.position == place(3)
        assert await rows_at(destination) == [
            (0, "n0", "b0", None),
            (1, "new", "b1", None),
            (3, "n3", "b3", None),
            (10, "x", "long", None),
        ]
        assert await self.another(destination).open_stream(stream) == place(3)

    async def test_the_target_tells_where_it_stands_and_can_be_set_back(
        self, destination: Both
    ) -> None:
        assert isinstance(destination, HoldsPositions)
        target = destination.target_of(SCHEMA.table, None)
        assert await destination.held(target, owner()) == Held()
        stream = await loaded(destination, range(2))
        held = await destination.held(target, owner())
        assert held.load == stream.generation
        await destination.open_stream(stream)
        await apply(destination, stream, window(0, 3), [("I", 1, (10, "x", "y", None), None)])
        await apply(destination, stream, window(3, 5), [("D", 4, (10, None, None, None), None)])
        held = await destination.held(target, stream.owner)
        assert held == Held(
            load=stream.generation, generation=stream.generation, position=place(5).hex()
        )
        stranger = replace(stream.owner, task_id=TaskId(7))
        assert await destination.held(target, stranger) == Held()
        for _ in range(2):
            await destination.place(stream, place(3))
        assert (await destination.held(target, stream.owner)).position == place(3).hex()
        again = await apply(
            destination, stream, window(3, 5), [("D", 4, (10, None, None, None), None)]
        )
        assert not again.already_applied
        assert await destination.open_stream(stream) == place(5)
        await destination.place(stream, place(9))
        assert (await destination.held(target, stream.owner)).position == place(9).hex()
        newer = await loaded(destination, range(3))
        assert (await destination.held(target, stream.owner)).load == newer.generation

    async def test_a_window_that_touches_no_row_moves_the_position(self, destination: Both) -> None:
        stream = await loaded(destination, range(2))
        await destination.open_stream(stream)
        gone: list[Change] = [("D", 2, (77, None, None, None), None)]
        assert not (await apply(destination, stream, window(0, 3), gone)).already_applied
        assert await self.another(destination).open_stream(stream) == place(3)

    async def test_the_last_change_of_a_key_counts(self, destination: Both) -> None:
        stream = await loaded(destination, range(2))
        await destination.open_stream(stream)
        await apply(
            destination,
            stream,
            window(0, 9),
            [
                ("U", 1, (0, "a", "first", None), None),
                ("U", 2, (0, "b", None, None), '["body"]'),
                ("D", 3, (1, None, None, None), None),
                ("I", 4, (1, "again", "new body", None), None),
            ],
            [
                ("I", 5, (7, "seven", "s", None), None),
                ("D", 6, (7, None, None, None), None),
                ("U", 7, (0, "c", None, None), '["body"]'),
            ],
        )
        assert await rows_at(destination) == [
            (0, "c", "first", None),
            (1, "again", "new body", None),
        ]

    async def test_a_window_applied_twice_counts_once(self, destination: Both) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        changes: list[Change] = [("I", 1, (5, "five", "b", None), None)]
        assert not (await apply(destination, stream, window(0, 1), changes)).already_applied
        await apply(destination, stream, window(1, 2), [("D", 2, (5, None, None, None), None)])
        assert (await apply(destination, stream, window(0, 1), changes)).already_applied
        assert await rows_at(destination) == [(0, "n0", "b0", None)]

    async def test_rows_behind_all_others_come_once_and_so_do_those_that_come_again(
        self, destination: Both
    ) -> None:
        stream = await loaded(destination, range(3))
        await destination.open_stream(stream)
        came: list[Change] = []
        for number, ids in enumerate([(5, 6), (6, 7), (2, 8), (9,)]):
            some: list[Change] = [("I", number + 1, (i, f"n{i}", "b", None), None) for i in ids]
            came += some
            await apply(destination, stream, window(number, number + 1), some)
        later = self.another(destination)
        assert await later.open_stream(stream) == place(4)
        await apply(later, stream, window(4, 5), came)  # all of it, as after a new position
        await apply(later, stream, window(5, 6), [("I", 6, (10, "n10", "b", None), None)])
        assert [row[0] for row in await rows_at(later)] == [0, 1, 2, 5, 6, 7, 8, 9, 10]

    async def test_a_window_that_is_not_finished_leaves_nothing(self, destination: Both) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        async with destination.apply(stream, window(0, 1)) as writer:
            await writer.write(batch_of(SCHEMA, [("D", 1, (0, None, None, None), None)]))
        assert await rows_at(destination) == [(0, "n0", "b0", None)]
        assert await self.another(destination).open_stream(stream) in {None, place(0)}

    async def test_an_empty_window_moves_the_position(self, destination: Both) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        assert (await apply(destination, stream, window(0, 8))).rows == 0
        assert await self.another(destination).open_stream(stream) == place(8)

    async def test_a_new_load_begins_a_new_generation(self, destination: Both) -> None:
        old = await loaded(destination, range(3))
        await destination.open_stream(old)
        await apply(destination, old, window(0, 5), [("D", 5, (0, None, None, None), None)])
        new = await loaded(destination, range(2))
        assert await destination.open_stream(new) is None
        assert [row[0] for row in await rows_at(destination)] == [0, 1]
        await apply(destination, new, window(0, 6), [("D", 6, (1, None, None, None), None)])
        assert [row[0] for row in await rows_at(destination)] == [0]

    async def test_a_stream_without_a_load_makes_the_table(self, destination: Both) -> None:
        stream = stream_of(destination)
        await destination.claim(stream.target, stream.owner)
        assert await destination.open_stream(stream) is None
        await apply(destination, stream, window(0, 1), [("U", 1, (1, "one", "b", None), None)])
        assert await rows_at(destination) == [(1, "one", "b", None)]

    async def test_columns_are_added_and_widened(self, destination: Both) -> None:
        stream = await loaded(destination, range(2))
        await destination.open_stream(stream)
        wider = replace(
            SCHEMA,
            columns=(
                *SCHEMA.columns[:1],
                Column(name='odd "name"', type=String(90), nullable=True),
                *SCHEMA.columns[2:3],
                Column(name="price", type=Decimal(20, 3), nullable=True),
                Column(name="added", type=Integer(32), nullable=True),
            ),
        )
        later = replace(stream, tracked=replace(stream.tracked, schema=wider))
        other = self.another(destination)
        await other.open_stream(later)
        await apply(other, later, window(0, 1), [("I", 1, (9, "n" * 80, "b", None, 4), None)])
        assert await rows_at(other, wider) == [
            (0, "n0", "b0", None, None),
            (1, "n1", "b1", None, None),
            (9, "n" * 80, "b", None, 4),
        ]

    async def test_columns_may_join_within_one_life(self, destination: Both) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        await apply(destination, stream, window(0, 1), [("I", 1, (5, "n", "b", None), None)])
        added = Column(name="added", type=Integer(32), nullable=True)
        wider = replace(SCHEMA, columns=(*SCHEMA.columns, added))
        later = replace(stream, tracked=replace(stream.tracked, schema=wider))
        assert await destination.open_stream(later) == place(1)
        await apply(destination, later, window(1, 2), [("I", 2, (9, "n", "b", None, 4), None)])
        assert [(row[0], row[4]) for row in await rows_at(destination, wider)] == [
            (0, None),
            (5, None),
            (9, 4),
        ]

    async def test_a_column_of_another_kind_is_refused(self, destination: Both) -> None:
        stream = await loaded(destination, range(1))
        other = replace(
            SCHEMA,
            columns=(
                *SCHEMA.columns[:3],
                Column(name="price", type=String(5), nullable=True),
            ),
        )
        with pytest.raises(SchemaChangedError, match="price"):
            await self.another(destination).open_stream(
                replace(stream, tracked=replace(stream.tracked, schema=other))
            )

    async def test_tables_without_a_key_are_refused(self, destination: Both) -> None:
        tracked = TrackedTable(schema=SCHEMA, method=TrackingMethod.CAPTURE)
        destination.check_tracked(tracked)
        with pytest.raises(FatalError, match="no key"):
            destination.check_tracked(replace(tracked, schema=replace(SCHEMA, key=())))
        with pytest.raises(FatalError, match="NULL"):
            destination.check_tracked(replace(tracked, schema=replace(SCHEMA, key=("body",))))

    async def test_another_task_cannot_stream_into_the_table(self, destination: Both) -> None:
        stream = await loaded(destination, range(1))
        with pytest.raises(DestinationInUseError):
            await self.another(destination).open_stream(replace(stream, owner=owner(2)))

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_any_history_ends_in_the_sources_state(
        self, destination: Both, seed: int
    ) -> None:
        dice = random.Random(seed)
        stream = await loaded(destination, range(20))
        await destination.open_stream(stream)
        state = {i: [i, f"n{i}", f"b{i}", None] for i in range(20)}
        lsn = 0
        for _ in range(6):
            after, changes = lsn, []
            for _ in range(dice.randint(0, 30)):
                lsn += 1
                changes.append(random_change(dice, state, lsn))
            lsn += 1
            cut = dice.randint(0, len(changes))
            pieces = [p for p in (changes[:cut], changes[cut:]) if p]
            await apply(destination, stream, window(after, lsn), *pieces)
            if dice.random() < 0.4:
                destination = self.another(destination)
                assert await destination.open_stream(stream) == place(lsn)
        assert await rows_at(destination) == [tuple(state[key]) for key in sorted(state)]


def random_change(dice: random.Random, state: dict[int, list[Any]], lsn: int) -> Change:
    """Change `state` and return the row that says so."""
    key = dice.randrange(40)
    if key in state and dice.random() < 0.3:
        del state[key]
        return ("D", lsn, (key, None, None, None), None)
    text = f"t{dice.randrange(1000)}"
    if key in state and dice.random() < 0.5:
        state[key][1] = text
        return ("U", lsn, (key, text, None, state[key][3]), '["body"]')
    op = "U" if key in state else "I"
    state[key] = [key, text, f"body {lsn}", None]
    return (op, lsn, tuple(state[key]), None)
