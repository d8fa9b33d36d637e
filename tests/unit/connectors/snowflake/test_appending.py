"""Which windows could go by COPY, whatever their target holds: unsure ones are merged."""

from collections.abc import Sequence

import pytest
from msgspec import convert
from pyarrow import Table

from dtaas.connectors.snowflake.appending import is_direct, may_append
from dtaas.connectors.snowflake.layout import Places, Shape, TargetColumn
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import (
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    String,
    Timestamp,
    TimestampTz,
    Uuid,
)
from tests.contract.change_rows import Change, batch_of

PLACES = Places(
    convert({"account": "a", "user": "u", "password": "p", "database": "D"}, SnowflakeConfig),
    task_name="task",
    database="db",
)


def may(
    changes: Sequence[Change],
    key: ColumnType | None = None,
    value: ColumnType | None = None,
    shape: Shape = Shape.PLAIN,
) -> bool:
    schema = schema_of(key or Integer(64), value or String(10))
    rows = Table.from_batches([batch_of(schema, changes)])
    return may_append(rows, PLACES.columns(schema), "id", shape)


def schema_of(key: ColumnType, value: ColumnType) -> TableSchema:
    return TableSchema(
        table=TableRef("dbo", "t"),
        columns=(
            Column(name="id", type=key, nullable=False),
            Column(name="v", type=value, nullable=True),
        ),
        key=("id",),
    )


def columns_of(key: ColumnType, value: ColumnType) -> list[TargetColumn]:
    return PLACES.columns(schema_of(key, value))


NEW: list[Change] = [("I", 1, (1, None), None), ("I", 2, (2, None), None)]


@pytest.mark.parametrize("shape", [Shape.PLAIN, Shape.SOFT])
def test_inserts_may(shape: Shape) -> None:
    assert may(NEW, shape=shape)


def test_versions_may_not() -> None:
    assert not may(NEW, shape=Shape.HISTORY)


def test_a_delete_may_not() -> None:
    assert not may([*NEW, ("D", 3, (3, None), None)])


def test_an_update_may_if_it_brings_the_whole_row() -> None:
    assert may([*NEW, ("U", 3, (3, "y"), None)])
    assert not may([*NEW, ("U", 3, (3, None), '["v"]')])


@pytest.mark.parametrize(
    ("key", "rises"),
    [
        (Integer(16), True),
        (Decimal(38, 2), True),
        (Date(), True),
        (Timestamp(6), True),
        (Timestamp(7), False),  # staged as text
        (TimestampTz(3), False),
        (Decimal(38, 38), False),  # kept as text
        (Uuid(), False),
        (String(20), False),
        (Float(64), False),
    ],
)
def test_only_keys_that_both_order_alike_may(key: ColumnType, *, rises: bool) -> None:
    assert may([], key=key) == rises


@pytest.mark.parametrize("kind", [TimestampTz(7), TimestampTz(0), Timestamp(7)])
def test_values_that_are_staged_in_another_form_may_and_are_inserted(kind: ColumnType) -> None:
    assert may(NEW, value=kind)
    assert not is_direct(columns_of(Integer(64), kind))


def test_values_that_are_staged_as_they_are_stored_are_copied() -> None:
    assert is_direct(columns_of(Integer(64), Timestamp(6)))
    assert is_direct(columns_of(Integer(64), Decimal(38, 38)))
