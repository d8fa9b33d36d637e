"""What destinations promise that keep every version of rows.

Subclass; provide `destination`, and a fixture `versions` that reads them back.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.model.changes import ChangeReceipt, TableStream
from dtaas.model.errors import FatalError, SchemaChangedError
from dtaas.model.load import TableLoad, WriteOptions
from tests.contract.change_rows import place
from tests.contract.destination import load_of, whole_load
from tests.contract.history_model import (
    BEGAN,
    UNLOGGED,
    History,
    Transaction,
    Values,
    Version,
    batches_of,
    random_transaction,
)
from tests.contract.merging_destination import SCHEMA, Both, rows_at, stream_of, window

Versions = Callable[[], Awaitable[list[Version]]]
"""Reads all versions back, as SQL finds them, in order."""
LOADED: Sequence[Values] = tuple((i, f"n{i}", f"b{i}", None) for i in range(6))
OPTIONS = WriteOptions(history=True)


async def load_history(
    destination: Both, rows: Sequence[Values], number: int = 0, at: datetime = BEGAN
) -> TableStream:
    """Load rows as of a position, and return the stream that follows."""
    load = history_load(destination, number, at)
    await destination.claim(load.target, load.owner)
    await whole_load(destination, load, loaded_batch(rows))
    return stream_after(destination, load)


def history_load(destination: Both, number: int = 0, at: datetime = BEGAN) -> TableLoad:
    load = load_of(destination, SCHEMA, options=OPTIONS)
    return replace(load, source_position=place(number).hex(), planned_at=at.replace(tzinfo=UTC))


def loaded_batch(rows: Sequence[Values]) -> pa.RecordBatch:
    arrow = SCHEMA.arrow_schema()
    arrays = [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(arrow)]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)


def stream_after(destination: Both, load: TableLoad) -> TableStream:
    return replace(stream_of(destination, SCHEMA), generation=load.load_id, options=OPTIONS)


async def apply_transactions(
    destination: Both, stream: TableStream, after: int, transactions: Sequence[Transaction], to: int
) -> ChangeReceipt:
    async with destination.apply(stream, window(after, to)) as writer:
        if transactions:
            await writer.write(batches_of(SCHEMA, transactions))
        return await writer.finish()


class HistoryDestinationContract:
    """The promises of `WriteOptions.history`."""

    @pytest.fixture
    async def destination(self) -> Any:
        raise NotImplementedError

    def another(self, destination: Both) -> Both:
        """Return a destination of another life, with the same connector."""
        raise NotImplementedError

    async def test_a_version_ends_where_the_next_begins(
        self, destination: Both, versions: Versions
    ) -> None:
        stream = await load_history(destination, LOADED[:2])
        await destination.open_stream(stream)
        changes = [
            Transaction(4, [("U", (0, "new", None, None), UNLOGGED)]),
            Transaction(6, [("D", (1, None, None, None), None)]),
        ]
        await apply_transactions(destination, stream, 0, changes, 7)
        second, third = BEGAN + timedelta(seconds=2), BEGAN + timedelta(seconds=3)
        assert await versions() == [
            Version(0, place(0).hex(), LOADED[0], BEGAN, second),
            Version(0, place(4).hex(), (0, "new", "b0", None), second, None),
            Version(1, place(0).hex(), LOADED[1], BEGAN, third),
        ]
        assert await rows_at(destination) == [(0, "new", "b0", None)]

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_the_history_is_the_one_plain_python_makes(
        self, destination: Both, versions: Versions, seed: int
    ) -> None:
        """Also after windows that came twice, and lives that ended between them."""
        dice = random.Random(seed)
        stream = await load_history(destination, LOADED)
        await destination.open_stream(stream)
        history, state = History(LOADED, place(0).hex()), {row[0]: row for row in LOADED}
        number = 0
        for _ in range(5):
            after, transactions = number, []
            for _ in range(dice.randint(0, 9)):
                number += 1
                transactions.append(random_transaction(dice, number, state))
                history.commit(transactions[-1])
            number += 1
            await apply_transactions(destination, stream, after, transactions, number)
            if dice.random() < 0.5:
                destination = self.another(destination)
                assert await destination.open_stream(stream) == place(number)
            if dice.random() < 0.5:
                again = await apply_transactions(destination, stream, after, transactions, number)
                assert again.already_applied
        assert await versions() == history.versions()
        assert await rows_at(destination) == [state[key] for key in sorted(state)]

    async def test_a_load_continues_the_history(
        self, destination: Both, versions: Versions
    ) -> None:
        stream = await load_history(destination, LOADED[:4])
        await destination.open_stream(stream)
        history = History(LOADED[:4], place(0).hex())
        change = Transaction(2, [("U", (0, "two", "b", None), None)])
        history.commit(change)
        await apply_transactions(destination, stream, 0, [change], 2)
        rows = [(0, "two", "b", None), (1, "other", "b1", None), (2, "n2", None, None), LOADED[5]]
        later = BEGAN + timedelta(hours=1)
        load = history_load(destination, 9, later)
        history.reload({row[0]: row for row in rows}, place(9).hex(), later)
        await destination.begin(load)
        async with destination.write(load, load.chunks[0]) as writer:
            await writer.write(loaded_batch(rows))
            receipt = await writer.finish()
        for again in (False, True):
            assert (await destination.commit(load, [receipt])).already_committed is again
        assert await versions() == history.versions()
        assert await rows_at(destination) == rows
        stream = stream_after(destination, load)
        assert await destination.open_stream(stream) is None
        last = Transaction(9000, [("D", (5, None, None, None), None)])
        history.commit(last)
        await apply_transactions(destination, stream, 9, [last], 9000)
        assert await versions() == history.versions()

    async def test_no_version_ends_before_it_began(
        self, destination: Both, versions: Versions
    ) -> None:
        """The clock of the source may be behind ours."""
        late = BEGAN + timedelta(minutes=5)
        stream = await load_history(destination, LOADED[:1], at=late)
        await destination.open_stream(stream)
        change = Transaction(2, [("U", (0, "two", "b", None), None)])
        await apply_transactions(destination, stream, 0, [change], 2)
        assert [(v.valid_from, v.valid_to) for v in await versions()] == [
            (late, late),
            (late, None),
        ]

    async def test_a_stream_without_a_load_makes_the_table(
        self, destination: Both, versions: Versions
    ) -> None:
        stream = replace(stream_of(destination), options=OPTIONS)
        await destination.claim(stream.target, stream.owner)
        assert await destination.open_stream(stream) is None
        change = Transaction(2, [("U", (1, "one", "b", None), None)])
        await apply_transactions(destination, stream, 0, [change], 2)
        assert [(v.key, v.current) for v in await versions()] == [(1, True)]

    async def test_a_history_is_not_taken_for_rows_nor_rows_for_a_history(
        self, destination: Both
    ) -> None:
        stream = await load_history(destination, LOADED[:1])
        plain = replace(stream, options=WriteOptions())
        with pytest.raises(SchemaChangedError, match="history"):
            await self.another(destination).open_stream(plain)
        load = load_of(destination, SCHEMA)
        await destination.begin(load)
        async with destination.write(load, load.chunks[0]) as writer:
            await writer.write(loaded_batch(LOADED))
            receipt = await writer.finish()
        with pytest.raises(SchemaChangedError, match="history"):
            await destination.commit(load, [receipt])
        assert await rows_at(destination) == [LOADED[0]]

    async def test_a_load_makes_a_history_of_a_table_of_rows(
        self, destination: Both, versions: Versions
    ) -> None:
        load = load_of(destination, SCHEMA)
        await destination.claim(load.target, load.owner)
        await whole_load(destination, load, loaded_batch(LOADED[:2]))
        stream = replace(stream_of(destination), generation=load.load_id, options=OPTIONS)
        with pytest.raises(SchemaChangedError, match="history"):
            await self.another(destination).open_stream(stream)
        stream = await load_history(destination, LOADED[:3])
        assert await self.another(destination).open_stream(stream) is None
        assert [(v.key, v.current) for v in await versions()] == [(i, True) for i in range(3)]

    async def test_a_load_of_a_table_without_a_key_is_refused(self, destination: Both) -> None:
        load = history_load(destination)
        keyless = replace(load, schema=replace(SCHEMA, key=()))
        with pytest.raises(FatalError, match="no key"):
            await destination.begin(keyless)
