"""The pure parts of planning."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.sqlserver.catalog import SqlIndex, SqlTable, usable_key
from dtaas.connectors.sqlserver.planner import (
    chunks_between,
    cut_columns,
    merge_partitions,
    split_evenly,
)
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.schema import TableRef


def column(name: str, kind: str = "int", *, nullable: bool = False) -> SqlColumn:
    return SqlColumn(
        name=name,
        base_type=kind,
        max_length=4,
        precision=10,
        scale=0,
        collation=None,
        nullable=nullable,
    )


def index(*names: str, down: tuple[str, ...] = (), **flags: bool) -> SqlIndex:
    values = {
        "is_clustered": False,
        "is_primary_key": False,
        "is_unique": True,
        "is_filtered": False,
        "is_disabled": False,
        **flags,
    }
    descending = tuple(n in down for n in names)
    return SqlIndex(name="i", columns=names, descending=descending, **values)


def table(*indexes: SqlIndex, **kinds: str) -> SqlTable:
    columns = tuple(column(n, k) for n, k in kinds.items())
    return SqlTable(ref=TableRef("dbo", "t"), object_id=1, columns=columns, indexes=indexes)


@given(st.integers(-1000, 1000), st.integers(0, 5000), st.integers(1, 500), st.data())
def test_arithmetic_ranges_hold_at_most_the_rows_asked_for(lowest, span, chunk_rows, data) -> None:
    highest = lowest + span
    rows = data.draw(st.integers((span + 2) // 2, span + 1))
    bounds = [int(b) for (b,) in split_evenly(lowest, highest, rows=rows, chunk_rows=chunk_rows)]
    edges = [lowest - 1, *bounds, highest]
    assert edges == sorted(edges)
    assert all(upper - lower <= 2 * chunk_rows for lower, upper in pairwise(edges))
    assert all(lower < upper for lower, upper in pairwise(edges))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 100))
def test_partitions_merge_without_losing_rows(sizes: list[int], chunk_rows: int) -> None:
    parts = [(rows, str(i)) for i, rows in enumerate(sizes[:-1])] + [(sizes[-1], None)]
    bounds, counts = merge_partitions(parts, chunk_rows=chunk_rows)
    assert sum(counts) == sum(sizes)
    assert len(counts) == len(bounds) + 1
    assert all(count <= max(chunk_rows, *sizes) for count in counts)


def test_chunks_are_numbered_and_open_at_both_ends() -> None:
    chunks = chunks_between([column("a")], [("1",), ("5",)], [3, 4, 5])
    assert [(c.index, c.lower, c.upper, c.expected_rows) for c in chunks] == [
        (0, None, ("1",), 3),
        (1, ("1",), ("5",), 4),
        (2, ("5",), None, 5),
    ]
    (whole,) = chunks_between([column("a")], [], [7])
    assert (whole.columns, whole.expected_rows) == ((), 7)


def test_table_is_cut_by_its_clustered_index_even_when_it_is_not_unique() -> None:
    cut = cut_columns(
        table(
            index("id", is_primary_key=True),
            index("day", is_clustered=True, is_unique=False),
            id="int",
            day="date",
        )
    )
    assert [c.name for c in cut] == ["day"]


def test_heap_is_not_cut() -> None:
    assert cut_columns(table(index("id", is_primary_key=True), id="int")) == []


def test_cut_stops_where_the_direction_turns_or_the_type_has_no_text() -> None:
    mixed = index("a", "b", down=("b",), is_clustered=True)
    assert [c.name for c in cut_columns(table(mixed, a="int", b="int"))] == ["a"]
    down = index("a", "b", down=("a", "b"), is_clustered=True)
    assert [c.name for c in cut_columns(table(down, a="int", b="int"))] == ["a", "b"]
    floating = index("a", "f", is_clustered=True)
    assert [c.name for c in cut_columns(table(floating, a="int", f="float"))] == ["a"]


def test_key_is_the_primary_key_else_a_unique_index_without_null() -> None:
    columns = [column("id"), column("code", nullable=True), column("other")]
    unique_null, unique, filtered = index("code"), index("other"), index("id", is_filtered=True)
    assert usable_key(columns, [index("id", is_primary_key=True), unique]) == ("id",)
    assert usable_key(columns, [unique_null, filtered, unique]) == ("other",)
    assert usable_key(columns, [unique_null, index("other", is_disabled=True)]) == ()
    assert usable_key(columns, [index("other", is_clustered=True, is_unique=False)]) == ()
