"""Changes merged into a Delta table: by key, once, with their position, whatever dies between."""

import random
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from msgspec.structs import replace

from dtaas.connectors.delta.destination import DeltaDestination
from dtaas.connectors.delta.table import Table
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.changes import (
    ChangeWindow,
    TableStream,
    TrackedTable,
    TrackingMethod,
)
from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.errors import (
    DestinationConflictError,
    DtaasError,
    OwnershipLostError,
    SchemaChangedError,
)
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import WriteOptions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Integer, String, Time
from tests.contract.change_rows import Change, batch_of, place
from tests.contract.destination import (
    expected,
    load_of,
    owner,
    rows_of,
    schema_of,
    whole_load,
)
from tests.contract.merging_destination import Both, MergingDestinationContract, apply

SCHEMA = TableSchema(
    table=TableRef("dbo", "t"),
    columns=(
        Column(name="id", type=Integer(64), nullable=False),
        Column(name='odd "name"]', type=String(50), nullable=True),
        Column(name="body", type=String(), nullable=True),
        Column(name="at", type=Time(7), nullable=True),
    ),
    key=("id",),
)


def stream_of(
    destination: DeltaDestination, schema: TableSchema = SCHEMA, generation: str = "g1"
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


def rows_at(destination_folder: Path) -> list[tuple[Any, ...]]:
    """Read as any user of Delta Lake would."""
    rows = DeltaTable(str(destination_folder / "dbo" / "t")).to_pyarrow_dataset().to_table()
    return sorted(tuple(row.values()) for row in rows.to_pylist())


def destination_at(folder: Path) -> DeltaDestination:
    return DeltaDestination(DeltaFileConfig(path=str(folder)), task_name="task", database="db")


@pytest.fixture
def destination(tmp_path: Path) -> DeltaDestination:
    return destination_at(tmp_path)


async def loaded(destination: DeltaDestination, ids: range) -> TableStream:
    """Load rows, and return the stream that follows."""
    load = load_of(destination, SCHEMA)
    arrow = SCHEMA.arrow_schema()
    columns = [list(ids), [f"n{i}" for i in ids], [f"b{i}" for i in ids], [i * 100 for i in ids]]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, arrow, strict=True)], schema=arrow
    )
    await whole_load(destination, load, batch)
    return replace(stream_of(destination), generation=load.load_id)


class TestDeltaChanges(MergingDestinationContract):
    @pytest.fixture
    async def destination(self, tmp_path: Path) -> DeltaDestination:
        self.folder = tmp_path
        return destination_at(tmp_path)

    def another(self, destination: Both) -> DeltaDestination:
        return destination_at(self.folder)


async def test_changes_follow_a_load(tmp_path: Path, destination: DeltaDestination) -> None:
    stream = await loaded(destination, range(4))
    assert await destination.open_stream(stream) is None
    receipt = await apply(
        destination,
        stream,
        window(0, 5),
        [
            ("U", 1, (0, "new", None, 7_000_000_100), '["body"]'),
            ("D", 2, (1, None, None, None), None),
        ],
        [("I", 3, (9, "nine", "body 9", None), None), ("U", 4, (2, None, None, None), None)],
    )
    assert (receipt.rows, receipt.inserts, receipt.updates, receipt.deletes) == (4, 1, 2, 1)
    assert (receipt.position, receipt.already_applied) == (place(5), False)
    assert rows_at(tmp_path) == [
        (0, "new", "b0", "00:00:07.000000100"),
        (2, None, None, None),
        (3, "n3", "b3", "00:00:00.000000300"),
        (9, "nine", "body 9", None),
    ]
    assert await destination.open_stream(stream) == place(5)
    assert await destination_at(tmp_path).open_stream(stream) == place(5)


async def test_columns_are_added_and_widened(tmp_path: Path, destination: DeltaDestination) -> None:
    narrow = replace(
        SCHEMA,
        columns=(SCHEMA.columns[0], Column(name="n", type=Integer(16), nullable=True)),
    )
    stream = stream_of(destination, narrow)
    await destination.open_stream(stream)
    await apply(destination, stream, window(0, 1), [("I", 1, (1, 5), None), ("I", 1, (2, 6), None)])
    wide = replace(
        narrow,
        columns=(
            narrow.columns[0],
            Column(name="n", type=Integer(64), nullable=True),
            Column(name="new", type=String(9), nullable=True),
        ),
    )
    wider = replace(stream, tracked=replace(stream.tracked, schema=wide))
    assert await destination.open_stream(wider) == place(1)
    await apply(destination, wider, window(1, 2), [("U", 2, (2, 2**40, "x"), None)])
    assert rows_at(tmp_path) == [(1, 5, None), (2, 2**40, "x")]
    assert await destination.open_stream(stream) == place(2)  # narrower rows still fit
    await apply(destination, stream, window(2, 3), [("U", 3, (1, 7), None)])
    assert rows_at(tmp_path) == [(1, 7, None), (2, 2**40, "x")]


async def test_a_column_of_another_kind_is_refused(destination: DeltaDestination) -> None:
    stream = stream_of(destination)
    await destination.open_stream(stream)
    columns = (*SCHEMA.columns[:2], Column(name="body", type=Integer(32), nullable=True))
    other = replace(SCHEMA, columns=columns)
    with pytest.raises(SchemaChangedError, match="body"):
        await destination.open_stream(
            replace(stream, tracked=replace(stream.tracked, schema=other))
        )


async def test_a_reply_lost_is_found_again(
    tmp_path: Path, destination: DeltaDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await loaded(destination, range(2))
    await destination.open_stream(stream)
    real = Table.merge

    def merge_then_fail(self: Table, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        raise DestinationConflictError("the reply was lost")

    monkeypatch.setattr(Table, "merge", merge_then_fail)
    await apply(destination, stream, window(0, 3), [("I", 1, (7, "seven", None, None), None)])
    assert [row[0] for row in rows_at(tmp_path)] == [0, 1, 7]


async def test_two_lives_cannot_both_apply(tmp_path: Path, destination: DeltaDestination) -> None:
    """A life that was thought dead merges on a state of the table that is not the newest."""
    stream = await loaded(destination, range(2))
    table = Table(str(tmp_path / "dbo" / "t"), {})
    old = table.open()
    assert old is not None
    await destination.open_stream(stream)
    await apply(destination, stream, window(0, 3), [("I", 1, (7, "seven", None, None), None)])
    with pytest.raises(DtaasError):
        table.merge(
            old,
            pa.Table.from_batches([batch_of(SCHEMA, [("I", 1, (7, "dead", None, None), None)])]),
            key=("id",),
            schema=pa.schema(old.schema().to_arrow()),
            generation=stream.generation,
            position=place(2),
        )
    assert [row[:2] for row in rows_at(tmp_path)] == [(0, "n0"), (1, "n1"), (7, "seven")]
    assert await destination.open_stream(stream) == place(3)


async def test_a_later_daemon_fences_an_earlier_one(
    tmp_path: Path, destination: DeltaDestination
) -> None:
    loaded_stream = await loaded(destination, range(2))
    first = replace(loaded_stream, owner=replace(owner(), epoch=1))
    second = replace(loaded_stream, owner=replace(owner(), epoch=2))
    await destination.claim(first.target, first.owner)
    await destination.open_stream(first)
    later = destination_at(tmp_path)
    await later.claim(second.target, second.owner)
    with pytest.raises(OwnershipLostError, match="epoch 2"):
        await apply(destination, first, window(0, 3), [("I", 1, (7, "old", None, None), None)])
    await later.open_stream(second)
    await apply(later, second, window(0, 3), [("I", 1, (8, "new", None, None), None)])
    assert [row[:2] for row in rows_at(tmp_path)] == [(0, "n0"), (1, "n1"), (8, "new")]


async def test_tidying_changes_nothing(tmp_path: Path, destination: DeltaDestination) -> None:
    stream = await loaded(destination, range(2))
    await destination.open_stream(stream)
    for n in range(1, 6):
        await apply(
            destination, stream, window(n - 1, n), [("I", n, (10 + n, "x", None, None), None)]
        )
    table = Table(str(tmp_path / "dbo" / "t"), {})
    opened = table.open()
    assert opened is not None
    before = rows_at(tmp_path)
    files = len(opened.file_uris())
    table.tidy(opened, every=1)
    assert rows_at(tmp_path) == before
    again = table.open()
    assert again is not None
    assert len(again.file_uris()) < files
    assert await destination.open_stream(stream) == place(5)
    await destination.claim(stream.target, owner())  # the owner's marker is still there


@pytest.mark.parametrize("seed", range(3))
async def test_any_history_ends_in_the_sources_state(
    tmp_path: Path, destination: DeltaDestination, seed: int
) -> None:
    """Random changes, cut into windows anywhere, some of them applied twice."""
    dice = random.Random(seed)
    stream = await loaded(destination, range(5))
    await destination.open_stream(stream)
    state: dict[int, list[Any]] = {i: [f"n{i}", f"b{i}"] for i in range(5)}
    applied: list[tuple[ChangeWindow, list[Change]]] = []
    lsn = 0
    for _ in range(6):
        after, changes = lsn, []
        for _ in range(dice.randint(1, 12)):
            lsn += 1
            changes.append(random_change(dice, state, lsn))
        applied.append((window(after, lsn), changes))
        cut = dice.randint(0, len(changes))
        pieces = [piece for piece in (changes[:cut], changes[cut:]) if piece]
        await apply(destination, stream, applied[-1][0], *pieces)
        if dice.random() < 0.5:
            await apply(destination, stream, *dice.choice(applied))
    assert [row[:3] for row in rows_at(tmp_path)] == [(k, *state[k]) for k in sorted(state)]


def random_change(dice: random.Random, state: dict[int, list[Any]], lsn: int) -> Change:
    """Change `state`, and return the change row that says so."""
    key = dice.randint(0, 8)
    if key not in state:
        state[key] = [f"i{lsn}", f"body {lsn}"]
        return "I", lsn, (key, *state[key], None), None
    if dice.random() < 0.3:
        del state[key]
        return "D", lsn, (key, None, None, None), None
    state[key][0] = f"u{lsn}"
    if dice.random() < 0.5:
        return "U", lsn, (key, state[key][0], None, None), '["body"]'
    state[key][1] = dice.choice([None, f"body {lsn}"])
    return "U", lsn, (key, *state[key], None), None


async def test_an_append_fits_the_table_or_is_refused(destination: DeltaDestination) -> None:
    schema = schema_of(f"t{uuid.uuid4().hex[:4]}")
    load = load_of(destination, schema)
    await whole_load(destination, load, rows_of(schema, 0, 3))
    assert await fingerprint_of(destination, load.target, schema) == expected(
        schema, rows_of(schema, 0, 3)
    )
