"""The syntax tree of the statements that change a table, and of any statement."""

from collections.abc import Sequence

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql import tree


class Assign(Struct, frozen=True):
    """`column = value`, `@v = value` or `@v = column = value` of an UPDATE."""

    column: tree.Parts | None
    value: tree.Expression
    variable: str | None = None


class Insert(Struct, frozen=True):
    """INSERT; `query` is None for DEFAULT VALUES."""

    table: tree.Parts
    columns: tuple[str, ...]
    query: tree.Query | None
    output: tuple[tree.SelectItem, ...] = ()
    with_tables: tuple[tree.CommonTable, ...] = ()
    max_recursion: int = 100


class Update(Struct, frozen=True):
    """UPDATE."""

    table: tree.Parts
    assignments: tuple[Assign, ...]
    source: tree.Source | None = None
    where: tree.Expression | None = None
    top: tree.Top | None = None
    output: tuple[tree.SelectItem, ...] = ()
    with_tables: tuple[tree.CommonTable, ...] = ()
    max_recursion: int = 100


class Delete(Struct, frozen=True):
    """DELETE."""

    table: tree.Parts
    source: tree.Source | None = None
    where: tree.Expression | None = None
    top: tree.Top | None = None
    output: tuple[tree.SelectItem, ...] = ()
    with_tables: tuple[tree.CommonTable, ...] = ()
    max_recursion: int = 100


class MergeAction(Struct, frozen=True):
    """One WHEN clause; `match` is MATCHED, TARGET (not matched by target) or SOURCE."""

    match: str
    condition: tree.Expression | None
    verb: str
    assignments: tuple[Assign, ...] = ()
    columns: tuple[str, ...] = ()
    values: tuple[tree.Expression, ...] = ()


class Merge(Struct, frozen=True):
    """MERGE."""

    table: tree.Parts
    alias: str | None
    source: tree.Source
    condition: tree.Expression
    actions: Sequence[MergeAction]
    output: tuple[tree.SelectItem, ...] = ()
    with_tables: tuple[tree.CommonTable, ...] = ()
    max_recursion: int = 100


Statement = tree.Query | Insert | Update | Delete | Merge
"""What the parser reads and the compiler compiles."""
