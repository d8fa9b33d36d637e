"""Rows go to the folders Hive readers expect, and come back exactly."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal as Dec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.connectors.lake import chunk_writer
from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.manifest import Manifest
from dtaas.connectors.lake.partitions import Partitioner, decode_value, encode_value, folder
from dtaas.connectors.lake.publication import Published
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.connectors import FileConfig
from dtaas.model.errors import ValidationFailedError, ValueTooLargeError
from dtaas.model.load import FileFormat, PartitionField, TableLoad, WriteOptions
from dtaas.model.schema import TableSchema
from dtaas.model.types import (
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    String,
    Timestamp,
    TimestampTz,
)
from tests.contract.destination import expected, load_of, schema_of, whole_load, write_chunk

TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def destination_in(folder: Path) -> LakeDestination:
    return LakeDestination.file(FileConfig(path=str(folder)), task_name="task", database="db")


def batch_of(schema: TableSchema, values: Sequence[Any]) -> pa.RecordBatch:
    arrow = schema.arrow_schema()
    return pa.RecordBatch.from_arrays(
        [pa.array(range(len(values)), pa.int64()), pa.array(values, arrow.field(1).type)],
        schema=arrow,
    )


def value_load(
    destination: LakeDestination, schema: TableSchema, file_format: FileFormat, *parts: str
) -> TableLoad:
    fields = tuple(PartitionField(column=schema.columns[1].name, part=p) for p in parts)
    options = WriteOptions(format=file_format, partition_by=fields)
    return load_of(destination, schema, options=options)


async def manifest_of(destination: LakeDestination, load: TableLoad) -> Manifest:
    manifest = await Published(destination._store, load.target).current()
    assert manifest is not None
    return manifest


@given(TEXT)
def test_values_come_back(value: str | None) -> None:
    assert decode_value(encode_value(value)) == value


@pytest.mark.parametrize("file_format", list(FileFormat))
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (String(20), ["a/b", "", None, "__HIVE_DEFAULT_PARTITION__", "é 😀", "%41", "..", "a=b", "A", "a"]),
        (Integer(64), [-(2**63), 2**63 - 1, None, 0]),
        (Decimal(38, 12), [Dec("-1E-12"), Dec(0), None]),
        (Boolean(), [True, False, None]),
        (Date(), [date.min, date.max, None]),
        (Timestamp(6), [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), None]),
        (TimestampTz(7), ["2024-02-29 23:59:59.1234567 +14:00", None]),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, ColumnType) else "",
)  # fmt: skip
async def test_partition_columns_read_back_exactly(
    tmp_path: Path, kind: ColumnType, values: list[Any], file_format: FileFormat
) -> None:
    destination = destination_in(tmp_path)
    schema = schema_of("t", [("value", kind)])
    load = value_load(destination, schema, file_format, "value")
    rows = batch_of(schema, values * 3)
    await whole_load(destination, load, rows)
    found = await fingerprint_of(destination, load.target, schema)
    assert found.differences(expected(schema, rows)) == ()


async def test_a_hive_reader_sees_the_partitions(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    schema = schema_of("t", [("city", String(20))])
    load = value_load(destination, schema, FileFormat.PARQUET, "value")
    await whole_load(destination, load, batch_of(schema, ["Köln", "a/b", None, "Köln"]))
    dataset = ds.dataset(tmp_path / "dbo/t/data" / load.load_id, partitioning="hive")
    table = dataset.to_table().sort_by("id")
    assert table.to_pydict() == {"id": [0, 1, 2, 3], "city": ["Köln", "a/b", None, "Köln"]}


async def test_date_parts_make_levels_and_the_column_stays(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    schema = schema_of("t", [("at", Timestamp(3))])
    load = value_load(destination, schema, FileFormat.PARQUET, "year", "month", "day", "hour")
    rows = batch_of(schema, [datetime(2024, 2, 9, 7), datetime(7, 12, 31, 23), None])
    await whole_load(destination, load, rows)
    found = await fingerprint_of(destination, load.target, schema)
    assert found.differences(expected(schema, rows)) == ()
    files = (await manifest_of(destination, load)).files
    assert {folder(file.partition) for file in files} == {
        "at_year=2024/at_month=02/at_day=09/at_hour=07/",
        "at_year=0007/at_month=12/at_day=31/at_hour=23/",
        "at_year={0}/at_month={0}/at_day={0}/at_hour={0}/".format("__HIVE_DEFAULT_PARTITION__"),
    }


async def test_each_partition_has_its_own_list_for_hive(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    schema = schema_of("t", [("city", String(20))])
    load = value_load(destination, schema, FileFormat.PARQUET, "value")
    await whole_load(destination, load, batch_of(schema, ["a", "b"]))
    links = tmp_path / "dbo/t/_symlink_format_manifest"
    found = {path.parent.name: path.read_text() for path in links.rglob("manifest")}
    assert set(found) == {"city=a", "city=b"}
    for name, lines in found.items():
        assert f"/{name}/part-" in lines
        assert Path(lines.strip().removeprefix("file://")).is_file()


async def test_many_partitions_keep_few_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for three files and little memory, forty partitions still arrive whole."""
    monkeypatch.setattr(chunk_writer, "MAX_OPEN_FILES", 3)
    monkeypatch.setattr(chunk_writer, "MAX_WAITING_BYTES", 4096)
    destination = destination_in(tmp_path)
    schema = schema_of("t", [("n", Integer(32))])
    load = value_load(destination, schema, FileFormat.PARQUET, "value")
    batches = [batch_of(schema, [(i * 7 + k) % 40 for i in range(300)]) for k in range(3)]
    await destination.begin(load)
    most = 0
    async with destination.write(load, load.chunks[0]) as writer:
        assert isinstance(writer, chunk_writer.LakeChunkWriter)
        for batch in batches:
            await writer.write(batch)
            most = max(most, len(writer._open))
            assert writer._waiting_bytes <= 4096
        receipt = await writer.finish()
    assert most == 3
    await destination.commit(load, [receipt])
    assert await fingerprint_of(destination, load.target, schema) == expected(schema, *batches)


async def test_files_roll_at_their_target_size(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    schema = schema_of("t", [("text", String(50))])
    options = WriteOptions(format=FileFormat.CSV, target_file_bytes=100_000)
    load = load_of(destination, schema, options=options)
    rows = [batch_of(schema, [f"{n} {i} " + "x" * 500 for i in range(1000)]) for n in range(25)]
    await destination.begin(load)
    receipt = await write_chunk(destination, load, 0, *rows)
    assert len(receipt.files) > 1
    await destination.commit(load, [receipt])
    assert await fingerprint_of(destination, load.target, schema) == expected(schema, *rows)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TEXT, st.none() | st.integers(-3, 3)), min_size=1, max_size=30))
def test_split_moves_every_row_once(rows: list[tuple[str | None, int | None]]) -> None:
    schema = schema_of("t", [("a", String(8)), ("b", Integer(32))])
    arrow = schema.arrow_schema()
    ids = pa.array(range(len(rows)), pa.int64())
    columns = [pa.array([r[i] for r in rows], arrow.field(i + 1).type) for i in range(2)]
    batch = pa.RecordBatch.from_arrays([ids, *columns], schema=arrow)
    fields = (PartitionField(column="a"), PartitionField(column="b"))
    found = list(Partitioner(schema, fields).split(batch))
    assert len({values for values, _ in found}) == len(found) == len(set(rows))
    back = {}
    for values, piece in found:
        texts = tuple(decode_value(value) for _, value in values)
        back.update(dict.fromkeys(piece.column("id").to_pylist(), texts))
    assert back == {i: (a, None if b is None else str(b)) for i, (a, b) in enumerate(rows)}


@pytest.mark.parametrize(
    ("column", "part", "kind"),
    [
        ("missing", "value", String(5)),
        ("value", "value", Float(64)),
        ("value", "year", String(5)),
        ("value", "hour", Date()),
        ("value", "week", Date()),
    ],
)
def test_wrong_fields_are_refused(column: str, part: str, kind: ColumnType) -> None:
    schema = schema_of("t", [("value", kind)])
    with pytest.raises(ValidationFailedError):
        Partitioner(schema, (PartitionField(column=column, part=part),))


def test_partitions_may_not_take_every_column() -> None:
    fields = (PartitionField(column="id"), PartitionField(column="name"))
    with pytest.raises(ValidationFailedError, match="nothing would be left"):
        Partitioner(schema_of(), fields)


def test_a_part_never_takes_the_name_of_a_column() -> None:
    schema = schema_of("t", [("at", Date()), ("AT_year", Integer(32))])
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1]), pa.array([date(2024, 1, 1)]), pa.array([5], pa.int32())],
        schema=schema.arrow_schema(),
    )
    [(values, _)] = Partitioner(schema, (PartitionField(column="at", part="year"),)).split(batch)
    assert values == (("at_year_", "2024"),)


def test_a_value_too_long_for_a_folder_is_refused() -> None:
    with pytest.raises(ValueTooLargeError, match="255"):
        folder((("city", "x" * 300),))
