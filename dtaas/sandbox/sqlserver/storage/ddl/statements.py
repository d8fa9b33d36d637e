"""DDL statements as data: what the parser gives and the storage carries out."""

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql.tree import Parts, TypeName


class KeyColumn(Struct, frozen=True):
    """A column of a key."""

    name: str
    descending: bool = False


class Key(Struct, frozen=True, kw_only=True):
    """PRIMARY KEY or UNIQUE; `clustered` is None when not said, `name` empty for a made-up one."""

    name: str = ""
    primary: bool
    clustered: bool | None = None
    columns: tuple[KeyColumn, ...] = ()
    space: Parts = ()


class ForeignKey(Struct, frozen=True, kw_only=True):
    """FOREIGN KEY; actions as sys.foreign_keys numbers them; no `referenced` columns: the key's."""

    name: str = ""
    columns: tuple[str, ...] = ()
    table: Parts
    referenced: tuple[str, ...] = ()
    delete_action: int = 0
    update_action: int = 0
    untrusted: bool = False


class Check(Struct, frozen=True, kw_only=True):
    """CHECK; `column` when written at a column."""

    name: str = ""
    condition: str
    column: str = ""
    untrusted: bool = False


class Default(Struct, frozen=True, kw_only=True):
    """DEFAULT; `column` is filled in at the table level (ALTER TABLE … ADD … FOR column)."""

    name: str = ""
    expression: str
    column: str = ""
    with_values: bool = False


Constraint = Key | ForeignKey | Check | Default


class Column(Struct, frozen=True, kw_only=True):
    """A column of a table; `computed` or `type` is given. `nullable` None: not said."""

    name: str
    type: TypeName | None = None
    computed: str | None = None
    persisted: bool = False
    nullable: bool | None = None
    identity: tuple[int, int] | None = None
    collation: str | None = None
    rowguidcol: bool = False
    sparse: bool = False
    constraints: tuple[Constraint, ...] = ()


class Index(Struct, frozen=True, kw_only=True):
    """CREATE INDEX, or an index written in CREATE TABLE (then `table` is empty)."""

    name: str
    table: Parts = ()
    unique: bool = False
    clustered: bool = False
    columns: tuple[KeyColumn, ...]
    included: tuple[str, ...] = ()
    filter: str | None = None
    space: Parts = ()


class CreateTable(Struct, frozen=True, kw_only=True):
    """CREATE TABLE; `space` is the partition scheme and its column, () for a filegroup."""

    table: Parts
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    space: Parts = ()


class AddToTable(Struct, frozen=True, kw_only=True):
    """ALTER TABLE … ADD."""

    table: Parts
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()


class AlterColumn(Struct, frozen=True):
    """ALTER TABLE … ALTER COLUMN."""

    table: Parts
    column: Column


class DropFromTable(Struct, frozen=True, kw_only=True):
    """ALTER TABLE … DROP; `if_exists` holds for all of them."""

    table: Parts
    columns: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    if_exists: bool = False


class CheckConstraints(Struct, frozen=True, kw_only=True):
    """ALTER TABLE … [WITH CHECK] CHECK|NOCHECK CONSTRAINT; no names: ALL."""

    table: Parts
    names: tuple[str, ...]
    enabled: bool
    validate: bool


class DropObjects(Struct, frozen=True, kw_only=True):
    """DROP TABLE or DROP VIEW; `word` is TABLE or VIEW."""

    word: str
    names: tuple[Parts, ...]
    if_exists: bool


class DropIndex(Struct, frozen=True, kw_only=True):
    """DROP INDEX name ON table."""

    name: str
    table: Parts
    if_exists: bool


class Truncate(Struct, frozen=True):
    """TRUNCATE TABLE."""

    table: Parts


class CreateSchema(Struct, frozen=True):
    """CREATE SCHEMA."""

    name: str


class DropSchema(Struct, frozen=True):
    """DROP SCHEMA."""

    name: str
    if_exists: bool


class CreateView(Struct, frozen=True, kw_only=True):
    """CREATE, ALTER or CREATE OR ALTER VIEW; `text` is the whole statement."""

    view: Parts
    columns: tuple[str, ...]
    query: str
    text: str
    replace: bool
    must_exist: bool


class CreateType(Struct, frozen=True, kw_only=True):
    """CREATE TYPE … FROM: an alias."""

    name: Parts
    type: TypeName
    nullable: bool


class DropType(Struct, frozen=True):
    """DROP TYPE."""

    name: Parts
    if_exists: bool


class CreateDatabase(Struct, frozen=True):
    """CREATE DATABASE."""

    name: str
    collation: str | None = None


class DropDatabases(Struct, frozen=True):
    """DROP DATABASE."""

    names: tuple[str, ...]
    if_exists: bool


class AlterDatabase(Struct, frozen=True, kw_only=True):
    """ALTER DATABASE … SET: options in upper case with their values; `name` empty: CURRENT.

    Attributes:
        rename: MODIFY NAME.
        collation: COLLATE.
    """

    name: str
    options: tuple[tuple[str, str], ...] = ()
    rename: str | None = None
    collation: str | None = None


class TrackDatabase(Struct, frozen=True, kw_only=True):
    """ALTER DATABASE … SET CHANGE_TRACKING; `name` empty: CURRENT.

    Attributes:
        enabled: None where only options are changed.
        auto_cleanup: None when not said.
        retention: a number and MINUTES, HOURS or DAYS; None when not said.
    """

    name: str
    enabled: bool | None
    auto_cleanup: bool | None = None
    retention: tuple[int, str] | None = None


class TrackTable(Struct, frozen=True, kw_only=True):
    """ALTER TABLE … ENABLE | DISABLE CHANGE_TRACKING; columns: TRACK_COLUMNS_UPDATED."""

    table: Parts
    enabled: bool
    columns: bool = False


class CreatePartitionFunction(Struct, frozen=True, kw_only=True):
    """CREATE PARTITION FUNCTION; `values` are T-SQL texts."""

    name: str
    type: TypeName
    right: bool
    values: tuple[str, ...]


class CreatePartitionScheme(Struct, frozen=True):
    """CREATE PARTITION SCHEME."""

    name: str
    function: str


class DropPartitioning(Struct, frozen=True):
    """DROP PARTITION FUNCTION or SCHEME; `word` says which."""

    word: str
    name: str


class ChangeRights(Struct, frozen=True, kw_only=True):
    """GRANT, DENY or REVOKE of rights on an object; `table` empty for other securables.

    Attributes:
        schema: the securable is a schema, of this name.
    """

    word: str
    permissions: tuple[str, ...]
    table: Parts
    principals: tuple[str, ...]
    schema: str = ""


class ChangeRole(Struct, frozen=True, kw_only=True):
    """CREATE, DROP or ALTER ROLE; `word` is CREATE, DROP, or ADD or REMOVE for a member."""

    word: str
    name: str
    member: str = ""
    if_exists: bool = False


class Rename(Struct, frozen=True, kw_only=True):
    """EXEC sp_rename; `kind` as written: OBJECT, COLUMN, INDEX or None."""

    name: str
    new_name: str
    kind: str | None


class Nothing(Struct, frozen=True):
    """A statement that changes nothing here: UPDATE STATISTICS, ALTER INDEX … REBUILD, DBCC."""

    word: str


Statement = (
    CreateTable
    | AddToTable
    | AlterColumn
    | DropFromTable
    | CheckConstraints
    | DropObjects
    | ChangeRole
    | Index
    | DropIndex
    | Truncate
    | CreateSchema
    | DropSchema
    | CreateView
    | CreateType
    | DropType
    | CreateDatabase
    | DropDatabases
    | AlterDatabase
    | TrackDatabase
    | TrackTable
    | CreatePartitionFunction
    | CreatePartitionScheme
    | DropPartitioning
    | ChangeRights
    | Rename
    | Nothing
)
