"""What a database of the simulated server holds: the shapes the binder and the storage share."""

from typing import Protocol

from msgspec import Struct

from dtaas.sandbox.sqlserver.types import SqlType


class ColumnDef(Struct, frozen=True, kw_only=True):
    """A column of a table or view.

    Attributes:
        storage_name: the column's name in the storage.
        default: T-SQL text of its DEFAULT, None without one.
        computed: T-SQL text of its expression, None for an ordinary column.
    """

    name: str
    storage_name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False
    default: str | None = None
    computed: str | None = None
    is_hidden: bool = False


class TableDef(Struct, frozen=True, kw_only=True):
    """A table, view or system view, as a FROM clause can name it.

    Attributes:
        storage_name: quoted and qualified name in the storage's SQL.
        key: names of the primary key's columns in key order.
        read_only: true for views and system views: DML is refused.
        is_tracked: change tracking is enabled.
    """

    object_id: int
    schema: str
    name: str
    storage_name: str
    columns: tuple[ColumnDef, ...]
    key: tuple[str, ...] = ()
    read_only: bool = False
    is_tracked: bool = False


class Catalog(Protocol):
    """Names of one database, resolved as its collation says (case-insensitively)."""

    @property
    def database(self) -> str:
        """Its name."""
        ...

    @property
    def collation(self) -> str:
        """Name of its default collation."""
        ...

    def table(self, schema: str | None, name: str) -> TableDef | None:
        """Return a table or view; without a schema look in dbo. Temporary tables begin with #."""
        ...

    def user_type(self, schema: str | None, name: str) -> SqlType | None:
        """Return the base type of an alias type, such as sysname."""
        ...
