"""What compiling a T-SQL statement gives, and what it needs to know."""

from collections.abc import Mapping

from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import Catalog
from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.types import SqlType


class Scope(Struct, frozen=True, kw_only=True):
    """What names mean where a statement stands.

    Attributes:
        catalog: the current database.
        catalogs: other databases a three-part name may name, by lower-case name.
        variables: types by lower-case name with its `@`; system values such as `@@rowcount`
            are variables too.
        identity_insert: name of the table that takes explicit identity values now, as the SET
            statement gave it.
    """

    catalog: Catalog
    variables: Mapping[str, SqlType]
    catalogs: Mapping[str, Catalog] = {}
    identity_insert: str | None = None


class Assignment(Struct, frozen=True, kw_only=True):
    """`SELECT @a = expr`: the result column at `index` goes into `variable`."""

    variable: str
    index: int


class NewTable(Struct, frozen=True, kw_only=True):
    """The table a SELECT INTO makes.

    Attributes:
        parts: its name, one to three parts.
        columns: its columns in order; none is computed, an identity column keeps its property.
    """

    parts: tuple[str, ...]
    columns: tuple[ResultColumn, ...]


class Compiled(Struct, frozen=True, kw_only=True):
    """A statement in the storage's SQL.

    Attributes:
        sql: text with `$1`, `$2` … for the variables.
        arguments: variable names in the order of the placeholders; values are bound in the
            storage form of the variable's type.
        columns: the result, whose values the text already gives in wire form; None when the
            statement returns no rows to the client.
        assignments: variables set from the result instead of returning it.
        command: CurCmd of its DONE token.
        creates: of SELECT INTO: the table to make first; `sql` then selects its rows in storage
            form, to stand behind `INSERT INTO it (its columns)`.
        sets_identity: table whose SCOPE_IDENTITY the statement moves, None for others.
    """

    sql: str
    arguments: tuple[str, ...] = ()
    columns: tuple[ResultColumn, ...] | None = None
    assignments: tuple[Assignment, ...] = ()
    command: int = 0xC1
    sets_identity: str | None = None
    creates: NewTable | None = None
