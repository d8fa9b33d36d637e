"""Where an expression stands: its names, and what grouping allows there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.names import Compilation, Names
from dtaas.sandbox.sqlserver.tsql.value import Value


class Bound(Struct, frozen=True):
    """A compiled query: its SQL, and its columns in storage form, named c1, c2 and so on."""

    sql: str
    columns: tuple[tuple[str | None, Value], ...]


class Block(Struct, frozen=True, kw_only=True):
    """The place of an expression.

    Attributes:
        groups: by ungrouped SQL, what a grouped expression becomes; None where rows are not
            grouped.
        clause: 'select list', 'HAVING', 'ORDER BY' … for error messages.
        in_aggregate: inside the argument of an aggregate: columns are free, aggregates are not.
        allows_windows: OVER may be used.
        query: compiles a subquery against these names.
    """

    names: Names
    query: Callable[[tree.Query, Names], Bound]
    groups: Mapping[str, Value] | None = None
    clause: str = "select list"
    in_aggregate: bool = False
    allows_aggregates: bool = False
    allows_windows: bool = False

    @property
    def compilation(self) -> Compilation:
        """The statement's state."""
        return self.names.compilation
