"""T-SQL text of one DDL statement to data."""

from collections.abc import Callable, Mapping
from typing import Final

from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.column_parser import skip_options, value_text
from dtaas.sandbox.sqlserver.storage.ddl.table_parser import (
    parse_alter_table,
    parse_create_index,
    parse_create_table,
)
from dtaas.sandbox.sqlserver.storage.ddl.tracking_parser import parse_database_tracking
from dtaas.sandbox.sqlserver.tsql.call_parser import parse_type
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.query_parser import parse_query
from dtaas.sandbox.sqlserver.tsql.tree import Parts

_UNCHANGING: Final = ("UPDATE", "DBCC", "CHECKPOINT")


def parse_ddl(sql: str) -> ddl.Statement:
    """Return the statement in `sql`.

    Raises:
        SqlError: 102, 156 and their kin; 343 an object type the storage does not have.
    """
    cursor = Cursor(sql, parse_query)
    statement = _statement(cursor)
    cursor.accept(";")
    if cursor.token.kind is not Kind.END:
        raise cursor.error()
    return statement


def _statement(cursor: Cursor) -> ddl.Statement:
    word = cursor.take().word
    match word:
        case "CREATE":
            return _create(cursor)
        case "ALTER":
            return _alter(cursor)
        case "DROP":
            return _drop(cursor)
        case "TRUNCATE":
            cursor.expect("TABLE")
            return ddl.Truncate(cursor.parts())
        case "GRANT" | "DENY" | "REVOKE":
            return _rights(cursor, word)
        case "EXEC":
            return _rename(cursor)
        case _ if word in _UNCHANGING:
            return _rest(cursor, word)
        case _:
            raise cursor.error()


def _create(cursor: Cursor) -> ddl.Statement:
    if cursor.at_any("UNIQUE", "CLUSTERED", "NONCLUSTERED", "INDEX"):
        return parse_create_index(cursor)
    if cursor.accept("OR"):
        cursor.expect("ALTER", "VIEW")
        return _view(cursor, replace=True, must_exist=False)
    word = cursor.token.word
    if word not in _CREATE:
        raise cursor.error()
    cursor.take()
    return _CREATE[word](cursor)


def _alter(cursor: Cursor) -> ddl.Statement:
    if cursor.accept("TABLE"):
        return parse_alter_table(cursor)
    if cursor.accept("DATABASE"):
        return _alter_database(cursor)
    if cursor.accept("VIEW"):
        return _view(cursor, replace=True, must_exist=True)
    if cursor.accept("INDEX"):
        return _rest(cursor, "ALTER INDEX")
    if cursor.accept("ROLE"):
        return _alter_role(cursor)
    raise cursor.error()


_DROPPED: Final = (
    "TABLE", "VIEW", "INDEX", "SCHEMA", "TYPE", "ROLE", "DATABASE", "PARTITION",
)  # fmt: skip


def _drop(cursor: Cursor) -> ddl.Statement:
    word = cursor.accept_any(*_DROPPED)
    if word is None:
        raise cursor.error()
    if word == "PARTITION":
        kind = cursor.accept_any("FUNCTION", "SCHEME")
        if kind is None:
            raise cursor.error()
        return ddl.DropPartitioning(kind, cursor.name())
    if_exists = cursor.accept("IF", "EXISTS")
    match word:
        case "TABLE" | "VIEW":
            return ddl.DropObjects(word=word, names=_parts_list(cursor), if_exists=if_exists)
        case "INDEX":
            return _drop_index(cursor, if_exists)
        case "SCHEMA":
            return ddl.DropSchema(cursor.name(), if_exists)
        case "TYPE":
            return ddl.DropType(cursor.parts(), if_exists)
        case "ROLE":
            return ddl.ChangeRole(word="DROP", name=cursor.name(), if_exists=if_exists)
        case _:
            names = [cursor.name()]
            while cursor.accept(","):
                names.append(cursor.name())
            return ddl.DropDatabases(tuple(names), if_exists)


def _drop_index(cursor: Cursor, if_exists: bool) -> ddl.DropIndex:
    *table, name = cursor.parts()  # DROP INDEX table.index, or index ON table
    if not table:
        cursor.expect("ON")
        table = [*cursor.parts()]
        skip_options(cursor)
    return ddl.DropIndex(name=name, table=tuple(table), if_exists=if_exists)


def _view(cursor: Cursor, *, replace: bool = False, must_exist: bool = False) -> ddl.CreateView:
    view = cursor.parts()
    columns = cursor.names() if cursor.at("(") else ()
    if cursor.accept("WITH"):
        cursor.name()
    cursor.expect("AS")
    start = cursor.token.start
    while cursor.token.kind is not Kind.END:
        cursor.take()
    return ddl.CreateView(
        view=view,
        columns=columns,
        query=cursor.sql[start:].rstrip().rstrip(";"),
        text=cursor.sql,
        replace=replace,
        must_exist=must_exist,
    )


def _create_schema(cursor: Cursor) -> ddl.CreateSchema:
    name = cursor.name()
    if cursor.accept("AUTHORIZATION"):
        cursor.name()
    return ddl.CreateSchema(name)


def _create_type(cursor: Cursor) -> ddl.CreateType:
    name = cursor.parts()
    cursor.expect("FROM")
    type_ = parse_type(cursor)
    nullable = not cursor.accept("NOT", "NULL")
    cursor.accept("NULL")
    return ddl.CreateType(name=name, type=type_, nullable=nullable)


def _create_database(cursor: Cursor) -> ddl.CreateDatabase:
    name = cursor.name()
    collation = None
    while cursor.token.kind is not Kind.END and not cursor.at(";"):
        # files, sizes and containment say nothing here
        if cursor.accept("COLLATE"):
            collation = cursor.name()
        else:
            cursor.take()
    return ddl.CreateDatabase(name, collation)


def _create_partition(cursor: Cursor) -> ddl.Statement:
    if cursor.accept("SCHEME"):
        name = cursor.name()
        cursor.expect("AS", "PARTITION")
        function = cursor.name()
        _rest(cursor, "")  # all partitions lie in one place
        return ddl.CreatePartitionScheme(name, function)
    cursor.expect("FUNCTION")
    name = cursor.name()
    cursor.expect("(")
    type_ = parse_type(cursor)
    cursor.expect(")", "AS", "RANGE")
    right = cursor.accept_any("LEFT", "RIGHT") == "RIGHT"
    cursor.expect("FOR", "VALUES", "(")
    values: list[str] = []
    while not cursor.accept(")"):
        values.append(value_text(cursor))
        cursor.accept(",")
    return ddl.CreatePartitionFunction(name=name, type=type_, right=right, values=tuple(values))


def _alter_database(cursor: Cursor) -> ddl.AlterDatabase | ddl.TrackDatabase:
    name = "" if cursor.accept("CURRENT") else cursor.name()
    if cursor.accept("MODIFY", "NAME"):
        cursor.expect("=")
        return ddl.AlterDatabase(name=name, rename=cursor.name())
    if cursor.accept("COLLATE"):
        return ddl.AlterDatabase(name=name, collation=cursor.name())
    cursor.expect("SET")
    if cursor.accept("CHANGE_TRACKING"):
        return parse_database_tracking(cursor, name)
    options: list[tuple[str, str]] = []
    while cursor.token.kind is not Kind.END and not cursor.at(";"):
        if cursor.accept("WITH"):  # termination: ROLLBACK IMMEDIATE, NO_WAIT
            _rest(cursor, "")
            break
        option = cursor.take().word
        cursor.accept("=")
        options.append((option, "" if cursor.at_any(",", "WITH", ";") else cursor.take().word))
        if cursor.at("("):
            _rest(cursor, "")
        cursor.accept(",")
    return ddl.AlterDatabase(name=name, options=tuple(options))


def _rights(cursor: Cursor, word: str) -> ddl.ChangeRights:
    permissions = []
    while not cursor.at_any("ON", "TO", "FROM") and cursor.token.kind is not Kind.END:
        token = cursor.take()
        if token.word != ",":
            permissions.append(token.word)
    table: Parts = ()
    schema = ""
    if cursor.accept("ON", "SCHEMA", "::"):
        schema = cursor.name()
    elif cursor.accept("ON"):
        cursor.accept("OBJECT", "::")
        table = cursor.parts()
        if cursor.accept("::"):  # DATABASE::name
            cursor.parts()
            table = ()
    cursor.accept_any("TO", "FROM")
    principals = [cursor.name()]
    while cursor.accept(","):
        principals.append(cursor.name())
    _rest(cursor, "")
    return ddl.ChangeRights(
        word=word,
        permissions=tuple(permissions),
        table=table,
        principals=tuple(principals),
        schema=schema,
    )


def _create_role(cursor: Cursor) -> ddl.ChangeRole:
    role = ddl.ChangeRole(word="CREATE", name=cursor.name())
    _rest(cursor, "")  # AUTHORIZATION owner
    return role


def _alter_role(cursor: Cursor) -> ddl.ChangeRole:
    name = cursor.name()
    word = cursor.accept_any("ADD", "DROP")
    cursor.expect("MEMBER")
    return ddl.ChangeRole(
        word="ADD" if word == "ADD" else "REMOVE", name=name, member=cursor.name()
    )


def _rename(cursor: Cursor) -> ddl.Rename:
    """Read `sp_rename N'name', N'new name', N'kind'`: constants only."""
    cursor.expect("SP_RENAME")
    values: list[str | None] = []
    while not values or cursor.accept(","):
        token = cursor.take()
        if token.kind not in {Kind.STRING, Kind.NATIONAL} and token.word != "NULL":
            raise cursor.error()
        values.append(None if token.word == "NULL" else token.text)
    name, new_name, kind = (*values, None)[:3]
    return ddl.Rename(name=name or "", new_name=new_name or "", kind=kind)


def _parts_list(cursor: Cursor) -> tuple[Parts, ...]:
    names = [cursor.parts()]
    while cursor.accept(","):
        names.append(cursor.parts())
    return tuple(names)


def _rest(cursor: Cursor, word: str) -> ddl.Nothing:
    while cursor.token.kind is not Kind.END:
        cursor.take()
    return ddl.Nothing(word)


_CREATE: Final[Mapping[str, Callable[[Cursor], ddl.Statement]]] = {
    "TABLE": parse_create_table,
    "VIEW": _view,
    "ROLE": _create_role,
    "SCHEMA": _create_schema,
    "TYPE": _create_type,
    "DATABASE": _create_database,
    "PARTITION": _create_partition,
}
