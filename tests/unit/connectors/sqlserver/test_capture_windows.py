"""Which rows of a change table a window selects, and what DDL made an instance miss."""

import pytest

from dtaas.connectors.sqlserver.capture.described import Added, missed
from dtaas.connectors.sqlserver.capture.windows import WindowQuery, spelled_ordinals
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.changes import ChangeWindow
from dtaas.model.schema import TableRef, TableSchema

T = TableRef("dbo", "t")
WINDOW = ChangeWindow(table=T, after=b"\1" * 10, to=b"\2" * 10)


def text_column(name: str, collation: str | None) -> SqlColumn:
    return SqlColumn(
        name=name, base_type="varchar", max_length=9, precision=0, scale=0,
        collation=collation, nullable=False,
    )  # fmt: skip


def query(*, before: bool, spelled: list[int]) -> str:
    return WindowQuery(
        instance="ci", window=WINDOW, schema=TableSchema(table=T, columns=()), columns=(),
        before=before, spelled=spelled,
    ).sql  # fmt: skip


def test_images_before_updates_come_where_the_spelling_of_a_key_changed() -> None:
    assert "AND (ct.[__$operation] <> 3)" in query(before=False, spelled=[])
    found = query(before=False, spelled=[2])
    assert "(ct.[__$operation] <> 3 OR sys.fn_cdc_is_bit_set(2, ct.[__$update_mask]) = 1)" in found
    assert "<> 3" not in query(before=True, spelled=[2])


@pytest.mark.parametrize(
    ("collation", "expected"),
    [
        ("Latin1_General_CI_AS", [4]),
        ("Latin1_General_CS_AS", [4]),  # full and half width, for one, are the same there
        ("Latin1_General_BIN2", []),
        ("Latin1_General_100_BIN2_UTF8", []),
        (None, []),
    ],
)
def test_only_text_keys_without_a_binary_collation_have_spellings(
    collation: str | None, expected: list[int]
) -> None:
    columns = [text_column("x", "Latin1_General_CI_AS"), text_column("k", collation)]
    assert spelled_ordinals(("k",), columns, [3, 4]) == expected


def added(name: str, *, nullable: bool = True) -> Added:
    return Added(name=name, column_id=9, nullable=nullable)


def test_what_was_missed_begins_with_the_ddl_that_names_the_columns() -> None:
    history = {b"1": "alter table t drop column z", b"2": "alter table t add extra int null"}
    found = missed(history, b"0", [added("Extra")])
    assert (found.columns, found.since, found.filled) == (("Extra",), b"2", False)
    assert missed(history, b"0", [added("Extra"), added("unnamed")]).since == b"1"


@pytest.mark.parametrize(
    ("history", "column"),
    [
        ({b"2": "alter table t add a int null default 5 with values"}, added("a")),
        ({b"2": "alter table t add a int not null"}, added("a", nullable=False)),
        ({}, added("a")),  # the capture process has not come to the DDL yet
    ],
)
def test_every_row_is_looked_at_where_a_default_may_have_filled_it(
    history: dict[bytes, str], column: Added
) -> None:
    found = missed(history, b"0", [column])
    assert found.filled
    assert found.since == min(history, default=b"0")
