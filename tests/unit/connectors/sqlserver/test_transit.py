"""From fetched batches to promised ones."""

import struct
import uuid

import pyarrow as pa
import pytest

from dtaas.connectors.sqlserver.isolation import Isolation, choose_isolation, in_isolation
from dtaas.connectors.sqlserver.surrogates import first_invalid
from dtaas.connectors.sqlserver.transit import Transit, holds_replacement
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.errors import SchemaChangedError
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Binary, Integer, Time, Timestamp, Uuid

SCHEMA = TableSchema(
    table=TableRef("dbo", "t"),
    columns=(
        Column(name="id", type=Integer(16), nullable=False, native_type="tinyint"),
        Column(name="guid", type=Uuid(), nullable=True, native_type="uniqueidentifier"),
        Column(name="at", type=Timestamp(7), nullable=True, native_type="datetime2(7)"),
        Column(name="t", type=Time(0), nullable=True, native_type="time(0)"),
        Column(name="b", type=Binary(4), nullable=True, native_type="binary(4)"),
    ),
)


def column(name: str, kind: str, scale: int = 0) -> SqlColumn:
    return SqlColumn(
        name=name,
        base_type=kind,
        max_length=4,
        precision=0,
        scale=scale,
        collation=None,
        nullable=True,
    )


TRANSIT = Transit(
    [
        column("id", "tinyint"),
        column("guid", "uniqueidentifier"),
        column("at", "datetime2", 7),
        column("t", "time"),
        column("b", "binary"),
    ],
    SCHEMA,
)


def found(**types: pa.DataType) -> pa.Schema:
    own = {
        "id": pa.uint8(),
        "guid": pa.string(),
        "at": pa.timestamp("ns"),
        "t": pa.time32("s"),
        "b": pa.binary(4),
    }
    return pa.schema((own | types).items())


def test_result_of_the_described_types_is_fetched_as_promised() -> None:
    wanted = TRANSIT.require_fetchable(found())
    final = SCHEMA.arrow_schema()
    assert wanted.names == final.names
    assert [n for n in final.names if wanted.field(n).type != final.field(n).type] == ["guid", "at"]
    assert all(field.nullable for field in wanted)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("id", pa.string()),
        ("guid", pa.int64()),
        ("t", pa.timestamp("s")),
        ("b", pa.string()),
    ],
)
def test_result_of_another_type_is_a_changed_schema(name: str, kind: pa.DataType) -> None:
    with pytest.raises(SchemaChangedError, match=f"Column {name} of dbo.t"):
        TRANSIT.require_fetchable(found(**{name: kind}))


def rows(ids: list[int | None]) -> pa.RecordBatch:
    guid = uuid.UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF").bytes_le
    moment = struct.pack("<hHHHHHI", 9999, 12, 31, 23, 59, 59, 999_999_900)
    values = [ids, [guid] * len(ids), [moment] * len(ids), [None] * len(ids), [b"abcd"] * len(ids)]
    types = TRANSIT.require_fetchable(found()).types
    columns = [pa.array(v, t) for v, t in zip(values, types, strict=True)]
    return pa.record_batch(columns, list("abcde"))


def test_batch_has_exactly_the_schema_and_small_ids() -> None:
    batch = TRANSIT.to_batch(rows([1, 255]))
    assert batch.schema == SCHEMA.arrow_schema()
    assert batch.column("guid").to_pylist() == ["6f9619ff-8b86-d011-b42d-00c04fc964ff"] * 2
    assert batch.column("at").to_pylist() == ["9999-12-31 23:59:59.9999999"] * 2


def test_null_where_none_may_be_is_a_changed_schema() -> None:
    with pytest.raises(SchemaChangedError, match="was NOT NULL"):
        TRANSIT.to_batch(rows([1, None]))


def test_replacement_characters_are_seen() -> None:
    assert holds_replacement(pa.array(["a", None, "b\N{REPLACEMENT CHARACTER}"]))
    assert not holds_replacement(pa.array(["a", "é", "😀", None]))
    assert not holds_replacement(pa.array([None, None], pa.string()))


def test_lone_surrogate_is_told_from_a_pair() -> None:
    good = ["😀", "", "a\N{REPLACEMENT CHARACTER}"]
    assert first_invalid([v.encode("utf-16-le") for v in good]) is None
    bad = b"a\0\x3d\xd8b\0"
    assert first_invalid([good[0].encode("utf-16-le"), bad]) == "a\ud83db"


def test_isolation_is_the_best_there_is_and_never_dirty() -> None:
    assert choose_isolation(rcsi=True, snapshot_state=1) is Isolation.ROW_VERSIONS
    assert choose_isolation(rcsi=False, snapshot_state=1) is Isolation.SNAPSHOT
    assert choose_isolation(rcsi=False, snapshot_state=2) is Isolation.LOCKING
    batch = in_isolation(Isolation.SNAPSHOT, "SELECT 1")
    assert batch == (
        "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT 1; "
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
    )
