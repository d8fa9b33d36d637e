"""ALTER TABLE: columns, names and SWAP WITH."""

import re
from typing import Final
from uuid import uuid4

from fakesnow.dialect import parse_one
from sqlglot import exp

from dtaas.sandbox.snowflake.engine import answer
from dtaas.sandbox.snowflake.engine.answer import Answer
from dtaas.sandbox.snowflake.engine.column_types import Declared, read_type
from dtaas.sandbox.snowflake.engine.errors import compilation, exists, missing, unsupported
from dtaas.sandbox.snowflake.engine.load_history import rename_loads
from dtaas.sandbox.snowflake.engine.names import IDENTIFIER, QUALIFIED, Name, fold, quoted
from dtaas.sandbox.snowflake.engine.options import closing, split, unquoted
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.tables import (
    columns_of,
    declare,
    declare_columns,
    physical,
    table_exists,
)
from dtaas.sandbox.snowflake.engine.transactions import definition

_ADD: Final = re.compile(r"ADD\s+(?:COLUMN\s+)?(?P<columns>.+)", re.IGNORECASE | re.DOTALL)
_DROP: Final = re.compile(r"DROP\s+(?:COLUMN\s+)?(?P<columns>.+)", re.IGNORECASE | re.DOTALL)
_CHANGE: Final = re.compile(r"(?:ALTER|MODIFY)\s*(?P<columns>.+)", re.IGNORECASE | re.DOTALL)
_RENAME_COLUMN: Final = re.compile(
    rf"RENAME\s+COLUMN\s+(?P<old>{IDENTIFIER})\s+TO\s+(?P<new>{IDENTIFIER})", re.IGNORECASE
)
_RENAME: Final = re.compile(rf"RENAME\s+TO\s+(?P<new>{QUALIFIED})", re.IGNORECASE)
_SWAP: Final = re.compile(rf"SWAP\s+WITH\s+(?P<other>{QUALIFIED})", re.IGNORECASE)
_NOTHING: Final = re.compile(
    r"(CLUSTER\s+BY|DROP\s+CLUSTERING\s+KEY|(SUSPEND|RESUME)\s+RECLUSTER|SET\s|UNSET\s"
    r"|ADD\s+(CONSTRAINT|PRIMARY|UNIQUE|FOREIGN)|DROP\s+(CONSTRAINT|PRIMARY|UNIQUE|FOREIGN)).*",
    re.IGNORECASE | re.DOTALL,
)
_IF_NOT_EXISTS: Final = re.compile(r"IF\s+NOT\s+EXISTS\s+", re.IGNORECASE)
_IF_EXISTS: Final = re.compile(r"IF\s+EXISTS\s+", re.IGNORECASE)
_COLUMN: Final = re.compile(
    rf"(?:(?:ALTER|MODIFY)\s+)?(?:COLUMN\s+)?(?P<name>{IDENTIFIER})\s+(?P<change>.+)",
    re.IGNORECASE | re.DOTALL,
)
_TYPE: Final = re.compile(r"(?:SET\s+DATA\s+)?TYPE\s+(?P<type>.+)", re.IGNORECASE | re.DOTALL)
_NULLABLE: Final = re.compile(r"(?P<verb>SET|DROP)\s+NOT\s+NULL", re.IGNORECASE)
_COMMENT: Final = re.compile(r"(?:UNSET\s+)?COMMENT\s*(?P<text>'.*')?", re.IGNORECASE | re.DOTALL)
_NO_DEFAULT: Final = re.compile(r"DROP\s+DEFAULT", re.IGNORECASE)


def alter_table(session: Session, found: re.Match[str]) -> Answer:
    """ALTER TABLE [IF EXISTS] name action."""
    name = session.name(found["name"])
    if not table_exists(session, name):
        if found["exists"]:
            return answer.done(answer.DDL)
        raise missing("Table", str(name))
    action = found["action"].strip()
    # The open transaction ends first: its own locks must not stop its definition.
    session.commit()
    session.take_lock(name)
    try:
        with definition(session):
            _act(session, name, action)
    finally:
        session.store.locks.release(session.id)
    return answer.done(answer.DDL)


def _act(session: Session, name: Name, action: str) -> None:
    for pattern, act in _ACTIONS:
        match = pattern.fullmatch(action)
        if match is not None:
            act(session, name, match)
            return
    raise unsupported(f"ALTER TABLE {action[:60]}")


def _nothing(_session: Session, _name: Name, _match: re.Match[str]) -> None:
    """Accept what has no meaning here: clustering, retention, keys that are not enforced."""


def _add(session: Session, name: Name, match: re.Match[str]) -> None:
    there = {column["name"] for column in columns_of(session, name)}
    for text in split(match["columns"]):
        bare = re.sub(r"^COLUMN\s+", "", text, flags=re.IGNORECASE)
        if_not_exists = _IF_NOT_EXISTS.match(bare)
        definition_text = _IF_NOT_EXISTS.sub("", bare, count=1) if if_not_exists else bare
        statement = parse_one(f"CREATE TABLE T ({definition_text})")
        schema = statement.this
        declared = declare_columns(schema)
        column = schema.expressions[0]
        (exact,) = declared
        if exact in there:
            if if_not_exists:
                continue
            raise compilation(f"column '{exact}' already exists", 1430, "42601")
        _add_column(session, physical(session, name), exact, column)
        declare(session, physical(session, name), declared)


def _add_column(session: Session, table: str, name: str, column: exp.ColumnDef) -> None:
    kinds = [c.args.get("kind") for c in column.args.get("constraints") or []]
    default = next((k for k in kinds if isinstance(k, exp.DefaultColumnConstraint)), None)
    value = f" DEFAULT {default.this.sql(dialect='duckdb')}" if default is not None else ""
    kind = column.args["kind"].sql(dialect="duckdb")
    session.duck.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind}{value}")
    if any(
        isinstance(k, exp.NotNullColumnConstraint) and not k.args.get("allow_null") for k in kinds
    ):
        session.duck.execute(f"ALTER TABLE {table} ALTER COLUMN {quoted(name)} SET NOT NULL")


def _drop(session: Session, name: Name, match: re.Match[str]) -> None:
    there = {column["name"] for column in columns_of(session, name)}
    for text in split(match["columns"]):
        bare = re.sub(r"^COLUMN\s+", "", text, flags=re.IGNORECASE)
        if_exists = _IF_EXISTS.match(bare)
        column = fold(_IF_EXISTS.sub("", bare, count=1).strip())
        if column not in there:
            if if_exists:
                continue
            raise compilation(f"invalid identifier '{column}'", 904, "42000")
        session.duck.execute(f"ALTER TABLE {physical(session, name)} DROP COLUMN {quoted(column)}")


def _rename_column(session: Session, name: Name, match: re.Match[str]) -> None:
    old, new = fold(match["old"]), fold(match["new"])
    there = {column["name"] for column in columns_of(session, name)}
    if old not in there:
        raise compilation(f"invalid identifier '{old}'", 904, "42000")
    if new in there:
        raise compilation(f"column '{new}' already exists", 1430, "42601")
    session.duck.execute(
        f"ALTER TABLE {physical(session, name)} RENAME COLUMN {quoted(old)} TO {quoted(new)}"
    )


def _change(session: Session, name: Name, match: re.Match[str]) -> None:
    columns = {column["name"]: column for column in columns_of(session, name)}
    text = match["columns"]
    if text.startswith("("):
        text = text[1 : closing(text, 1)]
    for change in split(text):
        part = _COLUMN.fullmatch(change)
        if part is None:
            raise compilation(f"syntax error near '{change[:60]}'")
        column = columns.get(fold(part["name"]))
        if column is None:
            raise compilation(f"invalid identifier '{fold(part['name'])}'", 904, "42000")
        _change_column(session, physical(session, name), column, part["change"].strip())


def _change_column(session: Session, table: str, column: dict[str, str], change: str) -> None:
    target = f"ALTER TABLE {table} ALTER COLUMN {quoted(column['name'])}"
    if kind := _TYPE.fullmatch(change):
        _change_type(session, table, column, kind["type"])
    elif nullable := _NULLABLE.fullmatch(change):
        session.duck.execute(f"{target} {nullable['verb']} NOT NULL")
    elif _NO_DEFAULT.fullmatch(change):
        session.duck.execute(f"{target} DROP DEFAULT")
    elif comment := _COMMENT.fullmatch(change):
        text = unquoted(comment["text"] or "")
        declare(session, table, {column["name"]: Declared(type=column["type"], comment=text)})
    else:
        raise unsupported(f"ALTER TABLE … ALTER COLUMN {change[:60]}")


def _change_type(session: Session, table: str, column: dict[str, str], text: str) -> None:
    old, new = read_type(column["type"]), read_type(text)
    if not new.widens(old):
        raise compilation(
            f"cannot change column {column['name']} from type {old.sql} to {new.sql}", 2108, "22000"
        )
    if new.duck != old.duck:
        session.duck.execute(
            f"ALTER TABLE {table} ALTER COLUMN {quoted(column['name'])} TYPE {new.duck}"
        )
    declared = Declared(type=new.sql, comment=column["comment"] or "")
    declare(session, table, {column["name"]: declared})


def _rename(session: Session, name: Name, match: re.Match[str]) -> None:
    new = session.name(match["new"])
    if table_exists(session, new):
        raise exists(str(new))
    if name in session.temporary:
        raise unsupported("ALTER TABLE … RENAME of a temporary table")
    if new[:2] != name[:2]:
        raise unsupported("ALTER TABLE … RENAME into another schema")
    session.duck.execute(f"ALTER TABLE {name.sql} RENAME TO {quoted(new.name)}")
    rename_loads(session, name, new)


def _swap(session: Session, name: Name, match: re.Match[str]) -> None:
    other = session.name(match["other"])
    if not table_exists(session, other):
        raise missing("Table", str(other))
    if {name, other} & set(session.temporary) or name[:2] != other[:2]:
        raise unsupported("SWAP WITH of temporary tables or across schemas")
    between = Name(name.database, name.schema, f"SWAP {uuid4().hex}")
    for old, new in ((name, between), (other, name), (between, other)):
        session.duck.execute(f"ALTER TABLE {old.sql} RENAME TO {quoted(new.name)}")
        rename_loads(session, old, new)


_ACTIONS: Final = (
    (_NOTHING, _nothing),
    (_SWAP, _swap),
    (_RENAME_COLUMN, _rename_column),
    (_RENAME, _rename),
    (_ADD, _add),
    (_DROP, _drop),
    (_CHANGE, _change),
)
