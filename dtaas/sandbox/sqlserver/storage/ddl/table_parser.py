"""The grammar of CREATE TABLE, ALTER TABLE and CREATE INDEX."""

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.column_parser import (
    at_constraint,
    expression_text,
    parse_column,
    parse_constraint,
    parse_key_columns,
    parse_space,
)
from dtaas.sandbox.sqlserver.storage.ddl.tracking_parser import parse_table_tracking
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.tree import Parts


def parse_create_table(cursor: Cursor) -> ddl.CreateTable:
    """Read what follows CREATE TABLE."""
    table = cursor.parts()
    cursor.expect("(")
    columns: list[ddl.Column] = []
    constraints: list[ddl.Constraint] = []
    indexes: list[ddl.Index] = []
    while not cursor.accept(")"):
        if at_constraint(cursor):
            constraints.append(parse_constraint(cursor))
        elif cursor.accept("INDEX"):
            indexes.append(parse_inline_index(cursor))
        else:
            columns.append(parse_column(cursor))
        if not cursor.accept(","):
            cursor.expect(")")
            break
    return ddl.CreateTable(
        table=table,
        columns=tuple(columns),
        constraints=tuple(constraints),
        indexes=tuple(indexes),
        space=parse_space(cursor),
    )


def parse_inline_index(cursor: Cursor) -> ddl.Index:
    """Read what follows INDEX in CREATE TABLE."""
    name = cursor.name()
    unique = cursor.accept("UNIQUE")
    clustered = cursor.accept_any("CLUSTERED", "NONCLUSTERED") == "CLUSTERED"
    return _index_rest(cursor, ddl.Index(name=name, unique=unique, clustered=clustered, columns=()))


def parse_create_index(cursor: Cursor) -> ddl.Index:
    """Read what follows CREATE, from UNIQUE or CLUSTERED on."""
    unique = cursor.accept("UNIQUE")
    clustered = cursor.accept_any("CLUSTERED", "NONCLUSTERED") == "CLUSTERED"
    cursor.expect("INDEX")
    name = cursor.name()
    cursor.expect("ON")
    table = cursor.parts()
    return _index_rest(
        cursor, ddl.Index(name=name, table=table, unique=unique, clustered=clustered, columns=())
    )


def parse_alter_table(cursor: Cursor) -> ddl.Statement:
    """Read what follows ALTER TABLE."""
    table = cursor.parts()
    validate = True
    if cursor.accept("WITH"):
        word = cursor.accept_any("CHECK", "NOCHECK")
        if word is None:
            raise cursor.error()
        validate = word == "CHECK"
    if cursor.accept("ADD"):
        return _add(cursor, table, validate)
    if cursor.accept("ALTER", "COLUMN"):
        return ddl.AlterColumn(table, parse_column(cursor))
    if cursor.accept("DROP"):
        return _drop(cursor, table)
    if word := cursor.accept_any("CHECK", "NOCHECK"):
        cursor.expect("CONSTRAINT")
        names = () if cursor.accept("ALL") else _name_list(cursor)
        return ddl.CheckConstraints(
            table=table, names=names, enabled=word == "CHECK", validate=validate
        )
    if cursor.at_any("ENABLE", "DISABLE") and cursor.ahead().word == "CHANGE_TRACKING":
        return parse_table_tracking(cursor, table)
    if cursor.accept("SET") or cursor.accept("REBUILD"):
        while cursor.token.word != ";" and cursor.token.start < len(cursor.sql):
            cursor.take()
        return ddl.Nothing("ALTER TABLE")
    raise cursor.error()


def _index_rest(cursor: Cursor, index: ddl.Index) -> ddl.Index:
    columns = parse_key_columns(cursor)
    included = cursor.names() if cursor.accept("INCLUDE") else ()
    condition = expression_text(cursor) if cursor.accept("WHERE") else None
    space = parse_space(cursor)
    return replace(index, columns=columns, included=included, filter=condition, space=space)


def _add(cursor: Cursor, table: Parts, validate: bool) -> ddl.AddToTable:
    columns: list[ddl.Column] = []
    constraints: list[ddl.Constraint] = []
    cursor.accept("COLUMN")
    while True:
        if at_constraint(cursor):
            constraint = parse_constraint(cursor)
            if isinstance(constraint, ddl.Check | ddl.ForeignKey) and not validate:
                constraint = replace(constraint, untrusted=True)
            constraints.append(constraint)
        else:
            columns.append(parse_column(cursor))
        if not cursor.accept(","):
            return ddl.AddToTable(
                table=table, columns=tuple(columns), constraints=tuple(constraints)
            )


def _drop(cursor: Cursor, table: Parts) -> ddl.DropFromTable:
    columns: list[str] = []
    constraints: list[str] = []
    if_exists = False
    target = constraints
    while True:
        if cursor.accept("COLUMN"):
            target = columns
        elif cursor.accept("CONSTRAINT"):
            target = constraints
        if cursor.accept("IF", "EXISTS"):
            if_exists = True
        target.append(cursor.name())
        if not cursor.accept(","):
            break
    return ddl.DropFromTable(
        table=table,
        columns=tuple(columns),
        constraints=tuple(constraints),
        if_exists=if_exists,
    )


def _name_list(cursor: Cursor) -> tuple[str, ...]:
    names = [cursor.name()]
    while cursor.accept(","):
        names.append(cursor.name())
    return tuple(names)
