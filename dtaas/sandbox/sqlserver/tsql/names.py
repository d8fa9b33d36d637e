"""What names mean inside one statement: tables and columns in reach, variables, placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import Catalog, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.storage.metadata_functions import METADATA_FUNCTIONS
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.compiled import Scope
from dtaas.sandbox.sqlserver.tsql.errors import (
    ambiguous_column,
    invalid_column,
    invalid_object,
    not_grouped,
    unbound_identifier,
    undeclared,
)
from dtaas.sandbox.sqlserver.tsql.type_rules import built_in_type
from dtaas.sandbox.sqlserver.tsql.value import Coercibility, Value
from dtaas.sandbox.sqlserver.types import SqlType

# no text of the storage holds this character: `forms.escape_text` moves it away
_MARK: Final = "\x00"
_VARIABLE: Final = re.compile(f"{_MARK}([^{_MARK}]+){_MARK}")


def place_variables(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return SQL with `$1`, `$2` … for the variables in it, and their names in that order."""
    names = list(dict.fromkeys(_VARIABLE.findall(sql)))
    return _VARIABLE.sub(lambda found: f"${names.index(found[1]) + 1}", sql), tuple(names)


class Field(Struct, frozen=True, kw_only=True):
    """A column of a relation.

    Attributes:
        sql: name in the storage, without the relation's alias.
        expandable: false for hidden columns, which `*` leaves out.
    """

    name: str
    sql: str
    type: SqlType
    nullable: bool = True
    identity: bool = False
    computed: bool = False
    expandable: bool = True


class Relation(Struct, frozen=True, kw_only=True):
    """A table, derived table or common table as a FROM clause shows it.

    Attributes:
        alias: in the storage's SQL; empty where columns stand for themselves (CHECK).
        names: how its columns may be qualified, longest first, in lower case.
        shown: how error messages name it.
        optional: true on the side of an outer join that may be missing.
    """

    alias: str
    names: tuple[tree.Parts, ...]
    shown: str
    fields: tuple[Field, ...]
    optional: bool = False


class CommonTable(Struct, frozen=True, kw_only=True):
    """A table of a WITH clause, already compiled."""

    sql_name: str
    fields: tuple[Field, ...]


class Compilation:
    """State of compiling one statement."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._aliases = count(1)

    @property
    def collation(self) -> str:
        """Collation of constants and expressions: the database's."""
        return self.scope.catalog.collation

    def alias(self) -> str:
        """Return a fresh name."""
        return f"t{next(self._aliases)}"

    def variable_type(self, name: str) -> SqlType:
        """Return a variable's type.

        Raises:
            SqlError: 137 it is not declared.
        """
        type_ = self.scope.variables.get(name)
        if type_ is None:
            raise undeclared(name)
        return type_

    def variable(self, name: str) -> Value:
        """Return a variable's value: a mark that `place_variables` makes a placeholder.

        Raises:
            SqlError: 137 it is not declared.
        """
        function = METADATA_FUNCTIONS.get(name.upper())
        if function is not None and name not in self.scope.variables:
            return Value(sql=f"{function.storage_name}()", type=function.result, constant=True)
        type_ = self.variable_type(name)
        mark = f"{_MARK}{name}{_MARK}"
        return Value(sql=f"{mark}::{storage_type(type_)}", type=type_, constant=True)

    def resolve_type(self, name: tree.TypeName) -> SqlType:
        """Return the type a name means.

        Raises:
            SqlError: 243 there is none.
        """
        schema = tree.owner(name.parts)
        if schema is None or schema.lower() in {"sys", "dbo"}:
            known = built_in_type(name.parts[-1], name.arguments, self.collation)
            if known is not None:
                return known
        alias = self.scope.catalog.user_type(schema, name.parts[-1])
        if alias is None:
            raise SqlError(243, f"Type {name.parts[-1]} is not a defined system type.")
        return alias

    def table(self, parts: tree.Parts) -> tuple[TableDef, Catalog]:
        """Return a table by its name of one to three parts, and the database it is in.

        Raises:
            SqlError: 208 there is none.
        """
        catalog: Catalog | None = self.scope.catalog
        *databases, _ = parts[:-1] or ("",)
        if len(databases) > 1:
            raise SqlError(7202, f"Could not find server '{databases[0]}' in sys.servers.")
        if databases and databases[0].lower() != self.scope.catalog.database.lower():
            catalog = self.scope.catalogs.get(databases[0].lower())
        table = catalog.table(tree.owner(parts), parts[-1]) if catalog else None
        if table is None or catalog is None:
            raise invalid_object(".".join(parts))
        return table, catalog


class Names:
    """Relations in reach of an expression, those of outer queries behind.

    Attributes:
        groups: what grouped columns are once the rows are grouped, None before and without.
    """

    def __init__(
        self,
        compilation: Compilation,
        *,
        parent: Names | None = None,
        common: Mapping[str, CommonTable] | None = None,
    ) -> None:
        self.compilation = compilation
        self.parent = parent
        self.relations: list[Relation] = []
        self.groups: Mapping[str, Value] | None = None
        self.common: dict[str, CommonTable] = dict(common or (parent.common if parent else {}))

    def add(self, relation: Relation) -> None:
        """Put a relation in reach.

        Raises:
            SqlError: 1011 its name is taken.
        """
        exposed = relation.names[-1] if relation.names else None
        for other in self.relations:
            if (
                exposed
                and other.names
                and other.names[-1] == exposed
                and other.names[0] == relation.names[0]
            ):
                raise SqlError(
                    1011,
                    f"The correlation name '{relation.shown}' is specified multiple times in a "
                    "FROM clause.",
                )
        self.relations.append(relation)

    def column(self, parts: tree.Parts) -> Value:
        """Return what a column's name means.

        Raises:
            SqlError: 207 no such column, 209 several, 4104 no such table.
        """
        scope: Names | None = self
        while scope is not None:
            found = scope.find(parts)
            if found is not None:
                return found if scope is self else scope.seen_from_inside(found)
            scope = scope.parent
        if parts[:-1]:
            raise unbound_identifier(".".join(parts))
        raise invalid_column(parts[-1])

    def seen_from_inside(self, value: Value) -> Value:
        """Return what a column is for a subquery: its group where rows are grouped.

        Raises:
            SqlError: 8120 it is not grouped by.
        """
        if self.groups is None:
            return value
        grouped = self.groups.get(value.sql)
        if grouped is None:
            raise not_grouped(value.column or "", "select list")
        return grouped

    def find(self, parts: tree.Parts) -> Value | None:
        """Return a column of this level, None when there is none.

        Raises:
            SqlError: 207, 209.
        """
        qualifier = tuple(part.lower() for part in parts[:-1])
        name = parts[-1].lower()
        candidates = [r for r in self.relations if not qualifier or qualifier in r.names]
        found = [
            (relation, field)
            for relation in candidates
            for field in relation.fields
            if field.name.lower() == name
        ]
        if len(found) > 1:
            raise ambiguous_column(parts[-1])
        if found:
            return column_value(*found[0])
        if qualifier and candidates:
            raise invalid_column(parts[-1])
        return None

    def expand(self, qualifier: tree.Parts) -> Iterator[tuple[Field, Value]]:
        """Yield the columns `*` or `t.*` stands for.

        Raises:
            SqlError: 107 the qualifier names no table, 263 there is no table at all.
        """
        wanted = tuple(part.lower() for part in qualifier)
        relations = [r for r in self.relations if not wanted or wanted in r.names]
        if not relations and wanted:
            raise SqlError(
                107,
                f"The column prefix '{'.'.join(qualifier)}' does not match with a table name or "
                "alias name used in the query.",
                severity=15,
            )
        if not relations:
            raise SqlError(263, "Must specify table to select from.")
        for relation in relations:
            for field in relation.fields:
                if field.expandable:
                    yield field, column_value(relation, field)


def column_value(relation: Relation, field: Field) -> Value:
    """Return a relation's column as an expression."""
    return Value(
        sql=f"{relation.alias}.{field.sql}" if relation.alias else field.sql,
        type=field.type,
        nullable=field.nullable or relation.optional,
        identity=field.identity,
        computed=field.computed,
        column=f"{relation.shown}.{field.name}",
        coercibility=Coercibility.IMPLICIT,
    )
