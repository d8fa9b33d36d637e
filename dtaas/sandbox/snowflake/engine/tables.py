"""CREATE TABLE, DROP TABLE, TRUNCATE and DESCRIBE TABLE."""

import re
from typing import Any, Final

import pyarrow as pa
from fakesnow.dialect import parse_one
from sqlglot import exp

from dtaas.sandbox.snowflake.engine import answer
from dtaas.sandbox.snowflake.engine.answer import Answer
from dtaas.sandbox.snowflake.engine.column_types import (
    Declared,
    of_duck,
    of_expression,
    read_declared,
)
from dtaas.sandbox.snowflake.engine.errors import compilation, missing
from dtaas.sandbox.snowflake.engine.load_history import forget_loads
from dtaas.sandbox.snowflake.engine.names import Name, fold, literal, quoted
from dtaas.sandbox.snowflake.engine.options import unquoted
from dtaas.sandbox.snowflake.engine.preparation import table_name, wide_integer
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.transactions import definition, transaction
from dtaas.sandbox.snowflake.engine.translator import Translator

_NOT_ENFORCED: Final = (
    exp.PrimaryKey,
    exp.ForeignKey,
    exp.UniqueColumnConstraint,
    exp.Constraint,
)
_NOT_ENFORCED_OF_COLUMN: Final = (
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.CollateColumnConstraint,
    exp.Reference,
)


_COMMENT_SQL: Final = (
    "INSERT OR REPLACE INTO _fs_global._fs_information_schema._fs_tables_ext VALUES (?, ?, ?, ?)"
)


def physical(session: Session, name: Name) -> str:
    """Return how DuckDB names a table, temporary or not, quoted."""
    return quoted(session.temporary[name]) if name in session.temporary else name.sql


def table_exists(session: Session, name: Name) -> bool:
    """Whether there is such a table."""
    if name in session.temporary:
        return True
    found = session.duck.execute(
        "SELECT 1 FROM duckdb_tables() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ? AND NOT temporary",
        list(name),
    )
    return found.fetchone() is not None


def columns_of(session: Session, name: Name) -> list[dict[str, Any]]:
    """Return a table's columns in order: name, type, duck_type, nullable, default, comment.

    Raises:
        StatementError: 2003, there is no such table.
    """
    temporary = session.temporary.get(name)
    where = (
        "table_name = ? AND temporary"
        if temporary
        else ("table_name = ? AND database_name = ? AND schema_name = ?")
    )
    values = [temporary] if temporary else [name.name, name.database, name.schema]
    source = (
        "(SELECT c.*, t.temporary FROM duckdb_columns() c "
        "JOIN duckdb_tables() t USING (table_oid, database_name))"
    )
    rows = session.duck.execute(
        "SELECT column_name, data_type, is_nullable, column_default, comment "
        f"FROM {source if temporary else 'duckdb_columns()'} WHERE {where} ORDER BY column_index",
        values,
    ).fetchall()
    if not rows:
        raise missing("Table", str(name))
    found = []
    for column, duck_type, nullable, default, comment in rows:
        declared = read_declared(comment)
        kind = declared.type or of_duck(duck_type).sql
        found.append(
            {
                "name": column,
                "type": kind,
                "duck_type": duck_type,
                "nullable": nullable,
                "default": default,
                "comment": declared.comment or None,
            }
        )
    return found


def declare(session: Session, table: str, columns: dict[str, Declared]) -> None:
    """Keep what DuckDB cannot tell of columns in their comments."""
    for column, declared in columns.items():
        session.duck.execute(
            f"COMMENT ON COLUMN {table}.{quoted(column)} IS {literal(declared.written())}"
        )


def create_table(session: Session, found: re.Match[str]) -> Answer:
    """CREATE TABLE in all its forms."""
    statement = parse_one(found.string)
    assert isinstance(statement, exp.Create)  # noqa: S101 - the pattern says so
    target = statement.this
    table = target.this if isinstance(target, exp.Schema) else target
    name = table_name(table, session)
    if statement.args.get("exists") and table_exists(session, name):
        return answer.done(answer.DDL, f"{name.name} already exists, statement succeeded.")
    comment = statement.find(exp.SchemaCommentProperty)
    declared = declare_columns(target) if isinstance(target, exp.Schema) else {}
    source = statement.find(exp.LikeProperty, exp.Clone)
    if source is not None and isinstance(source.this, exp.Table):
        declared = _declared_by(session, table_name(source.this, session))
    temporary = statement.find(exp.TemporaryProperty) is not None
    replaces = name in session.temporary and statement.args.get("replace")
    if temporary:
        if replaces:
            session.temporary.pop(name)
        table.set("this", exp.to_identifier(str(name), quoted=True))
        table.set("db", None)
        table.set("catalog", None)
    with definition(session):
        Translator(session).define(statement)
        if not temporary:
            forget_loads(session, name)
        own = quoted(str(name)) if temporary else name.sql
        declare(session, own, declared)
        if isinstance(source, exp.LikeProperty):
            _require_like(session, own, table_name(source.this, session))
    if temporary:
        session.temporary[name] = str(name)
        forget_loads(session, name)
    elif comment is not None:
        session.duck.execute(_COMMENT_SQL, [*name, comment.this.name])
    return answer.done(answer.DDL, f"Table {name.name} successfully created.")


def _require_like(session: Session, table: str, source: Name) -> None:
    """Give a table made LIKE another one its NOT NULLs and defaults."""
    for column in columns_of(session, source):
        change = f"ALTER TABLE {table} ALTER COLUMN {quoted(column['name'])} SET"
        if not column["nullable"]:
            session.duck.execute(f"{change} NOT NULL")
        if column["default"]:
            session.duck.execute(f"{change} DEFAULT {column['default']}")


def _declared_by(session: Session, source: Name) -> dict[str, Declared]:
    return {
        column["name"]: Declared(type=column["type"], comment=column["comment"] or "")
        for column in columns_of(session, source)
    }


def declare_columns(schema: exp.Schema) -> dict[str, Declared]:
    """Give every column DuckDB's type and drop what Snowflake does not enforce."""
    keys = {
        identifier.name if identifier.args.get("quoted") else identifier.name.upper()
        for key in schema.find_all(exp.PrimaryKey)
        for identifier in key.find_all(exp.Identifier)
    }
    declared = {}
    kept = [part for part in schema.expressions if not isinstance(part, _NOT_ENFORCED)]
    for column in kept:
        if isinstance(column, exp.ColumnDef):
            name = column.this
            exact = name.name if name.args.get("quoted") else name.name.upper()
            declared[exact] = _declare_column(column, is_key=exact in keys)
    schema.set("expressions", kept)
    return declared


def _declare_column(column: exp.ColumnDef, *, is_key: bool) -> Declared:
    kind = column.args.get("kind")
    constraints = column.args.get("constraints") or []
    comment = ""
    kept = []
    for constraint in constraints:
        what = constraint.args.get("kind")
        if isinstance(what, exp.CommentColumnConstraint):
            comment = what.this.name
        elif isinstance(what, exp.PrimaryKeyColumnConstraint):
            is_key = True
        elif not isinstance(what, _NOT_ENFORCED_OF_COLUMN):
            kept.append(constraint)
    not_null = any(isinstance(c.args.get("kind"), exp.NotNullColumnConstraint) for c in kept)
    if is_key and not not_null:
        kept.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
    column.set("constraints", kept)
    if not isinstance(kind, exp.DataType):
        return Declared(comment=comment)
    declared = of_expression(kind)
    column.set("kind", _duck_type(declared.duck))
    return Declared(type=declared.sql, comment=comment)


def _duck_type(text: str) -> exp.DataType:
    if text == "DECIMAL(38,0)":
        return wide_integer()
    return exp.DataType.build(text, dialect="duckdb")


def drop_table(session: Session, found: re.Match[str]) -> Answer:
    """DROP TABLE [IF EXISTS] name [CASCADE | RESTRICT]."""
    name = session.name(found["name"])
    if not table_exists(session, name):
        if found["exists"]:
            return answer.done(
                answer.DDL,
                f"Drop statement executed successfully ({name.name} already dropped).",
            )
        raise missing("Table", str(name))
    temporary = session.temporary.pop(name, None)
    if temporary is None:
        session.take_lock(name)
    with definition(session):
        session.duck.execute(f"DROP TABLE {quoted(temporary) if temporary else name.sql}")
        if temporary is None:
            forget_loads(session, name)
    if temporary is None:
        session.store.stages.drop_table(name)
    return answer.done(answer.DDL, f"{name.name} successfully dropped.")


def truncate(session: Session, found: re.Match[str]) -> Answer:
    """TRUNCATE [TABLE] [IF EXISTS] name: rolls back like DML, and forgets what was loaded."""
    name = session.name(found["name"])
    if not table_exists(session, name):
        if found["exists"]:
            return answer.done(answer.DDL)
        raise missing("Table", str(name))
    session.take_lock(name)
    with transaction(session):
        session.duck.execute(f"DELETE FROM {physical(session, name)}")
        forget_loads(session, name)
    return answer.done(answer.DDL)


def comment_on_column(session: Session, found: re.Match[str]) -> Answer:
    """COMMENT [IF EXISTS] ON COLUMN table.column IS 'text'."""
    path, _, last = found["name"].rpartition(".")
    name, column = session.name(path), fold(last)
    columns = {known["name"]: known for known in columns_of(session, name)}
    if column not in columns:
        raise compilation(f"invalid identifier '{column}'", 904, "42000")
    declared = Declared(type=columns[column]["type"], comment=unquoted(found["text"]))
    with definition(session):
        declare(session, physical(session, name), {column: declared})
    return answer.done(answer.DDL)


_DESCRIBED: Final = (
    "name",
    "type",
    "kind",
    "null?",
    "default",
    "primary key",
    "unique key",
    "check",
    "expression",
    "comment",
    "policy name",
    "privacy domain",
)


def describe_table(session: Session, found: re.Match[str]) -> Answer:
    """DESCRIBE TABLE name."""
    rows = []
    for column in columns_of(session, session.name(found["name"])):
        null = "Y" if column["nullable"] else "N"
        known = (column["name"], column["type"], "COLUMN", null, column["default"], "N", "N")
        rows.append((*known, None, None, column["comment"], None, None))
    values = list(zip(*rows, strict=True))
    table = pa.Table.from_arrays([pa.array(v, pa.string()) for v in values], list(_DESCRIBED))
    return Answer(rows=table, types=("VARCHAR",) * len(_DESCRIBED), kind=answer.DESCRIBE)
