"""What a table at the target is altered by, and what takes a load anew."""

import pytest
from msgspec import convert

from dtaas.connectors.snowflake.evolution import alterations, evolution, normal, required
from dtaas.connectors.snowflake.layout import Places, Shape
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.errors import SchemaChangedError
from dtaas.model.load import TargetTable
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    String,
    Time,
    Timestamp,
    TimestampTz,
)

CONFIG = {"account": "a", "user": "u", "password": "p", "database": "DB", "identifiers": "preserve"}
PLACES = Places(convert(CONFIG, SnowflakeConfig), task_name="t", database="d")
TARGET = TargetTable(path=("S", "T"))


def altered(
    kind: ColumnType, present: str, *, nullable: bool = True, refuses_null: bool = False
) -> list[str]:
    column = Column(name="c", type=kind, nullable=nullable)
    columns = PLACES.columns(TableSchema(table=TableRef("dbo", "t"), columns=(column,)))
    refusing = {"c"} if refuses_null else set()
    found = alterations(PLACES, TARGET, columns, Shape.PLAIN, {"c": present}, required=refusing)
    prefix = 'ALTER TABLE "DB"."S"."T" ALTER COLUMN "c" '
    assert all(sql.startswith(prefix) for sql in found)
    return [sql.removeprefix(prefix) for sql in found]


@pytest.mark.parametrize(
    ("kind", "present", "wanted"),
    [
        (Integer(64), "NUMBER(10,0)", "NUMBER(19,0)"),
        (Decimal(12, 2), "NUMBER(10,2)", "NUMBER(12,2)"),
        (String(80), "VARCHAR(40)", "VARCHAR(80)"),
        (String(), "VARCHAR(40)", "VARCHAR"),
        (Binary(32), "BINARY(16)", "BINARY(32)"),
    ],
)
def test_what_holds_more_is_widened(kind: ColumnType, present: str, wanted: str) -> None:
    assert altered(kind, present) == [f"SET DATA TYPE {wanted}"]


@pytest.mark.parametrize(
    ("kind", "present"),
    [
        (Integer(32), "NUMBER(38,0)"),
        (String(40), "VARCHAR(16777216)"),
        (String(40), "TEXT"),
        (Timestamp(3), "TIMESTAMP_NTZ(3)"),
        (Timestamp(0), "TIMESTAMP_NTZ(0)"),
        (Timestamp(7), "TIMESTAMP_NTZ"),
        (Timestamp(3), "TIMESTAMP_NTZ(9)"),
        (TimestampTz(7), "TIMESTAMP_TZ(9)"),
        (Time(7), "TIME(9)"),
        (Float(32), "DOUBLE"),
    ],
)
def test_what_holds_all_stays(kind: ColumnType, present: str) -> None:
    assert altered(kind, present) == []


@pytest.mark.parametrize(
    ("kind", "present"),
    [
        (Timestamp(7), "TIMESTAMP_NTZ(3)"),
        (Timestamp(7), "TIMESTAMP_NTZ(0)"),
        (TimestampTz(7), "TIMESTAMP_TZ(6)"),
        (Time(7), "TIME(0)"),
        (Decimal(12, 4), "NUMBER(12,2)"),
        (Timestamp(3), "DATE"),
        (Date(), "TIMESTAMP_NTZ(9)"),
        (Boolean(), "NUMBER(1,0)"),
        (String(9), "NUMBER(10,0)"),
    ],
)
def test_what_alter_table_cannot_make_fit_is_refused(kind: ColumnType, present: str) -> None:
    with pytest.raises(SchemaChangedError, match="'c' of S/T is"):
        altered(kind, present)


def test_finer_times_take_a_load_anew() -> None:
    before, after = (Column(name="c", type=Timestamp(n), nullable=True) for n in (3, 7))
    with pytest.raises(SchemaChangedError, match=r"NTZ\(7\) now"):
        evolution(PLACES, TARGET, before, after)
    assert evolution(PLACES, TARGET, after, before) == ()


def test_a_column_that_may_be_null_now_takes_it() -> None:
    assert altered(Integer(32), "NUMBER(10,0)", refuses_null=True) == ["DROP NOT NULL"]
    assert altered(Integer(32), "NUMBER(10,0)", nullable=False, refuses_null=True) == []
    wide = altered(Integer(64), "NUMBER(10,0)", refuses_null=True)
    assert wide == ["SET DATA TYPE NUMBER(19,0)", "DROP NOT NULL"]


def test_what_refuses_null_is_read_from_the_description() -> None:
    described = [
        ("k", "NUMBER(10,0)", "COLUMN", "N", None, "Y", "N"),
        ("a", "NUMBER(10,0)", "COLUMN", "N", None, "N", "N", None),
        ("b", "NUMBER(10,0)", "COLUMN", "Y", None, "N", "N"),
    ]
    assert required(described) == {"a"}


def test_types_are_told_in_one_spelling() -> None:
    assert [normal(t) for t in ("TEXT", "decimal(9,2)", "TIMESTAMP_NTZ", "BOOLEAN")] == [
        "VARCHAR(16777216)",
        "NUMBER(9,2)",
        "TIMESTAMP_NTZ(9)",
        "BOOLEAN",
    ]
