"""One staged file into a table."""

import re
from typing import Any, ClassVar, Final

from fakesnow.dialect import parse_one
from msgspec import Struct

from dtaas.sandbox.snowflake.engine import file_readers
from dtaas.sandbox.snowflake.engine.column_types import MAX_TEXT, read_type
from dtaas.sandbox.snowflake.engine.copy_options import CopyOptions
from dtaas.sandbox.snowflake.engine.errors import StatementError, compilation, translated
from dtaas.sandbox.snowflake.engine.load_history import Load
from dtaas.sandbox.snowflake.engine.names import Name, literal, quoted
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.stage_files import StageFile
from dtaas.sandbox.snowflake.engine.tables import physical
from dtaas.sandbox.snowflake.engine.translator import Translator

_TOO_LONG: Final = "User character length limit"
_FIELD: Final = re.compile(r'(?:\b\w+\.)?\$1:("(?:[^"]|"")*"|\w+)')
_POSITION: Final = re.compile(r"(?:\b\w+\.)?\$(\d+)")
_FILE_NAME: Final = re.compile(r"METADATA\$FILENAME", re.IGNORECASE)


class FileLoad(Struct, frozen=True, kw_only=True):
    """What a COPY does with every file.

    Attributes:
        columns: of the table, as `tables.columns_of` returns them.
        wanted: the columns the statement names; none means all.
        select: the transformation, with `SOURCE` where the file is read.
    """

    SOURCE: ClassVar[str] = "_STAGED_FILE"

    table: Name
    columns: list[dict[str, Any]]
    wanted: list[str]
    select: str | None
    options: CopyOptions


class _Value(Struct, frozen=True):
    """What a column of the table gets: SQL, and SQL that is true where it cannot be had."""

    column: str
    sql: str
    fails: str


def load_file(session: Session, plan: FileLoad, name: str, file: StageFile) -> Load:
    """Load one file in the open transaction, as ON_ERROR says.

    Raises:
        StatementError: a row does not fit, and ON_ERROR is ABORT_STATEMENT.
    """
    source = file_readers.relation(file.path, plan.options)
    try:
        found = file_readers.columns(session.duck, source)
        file_readers.require_readable(found, plan.options)
        if plan.select is not None:
            return _load_selected(session, plan, name, file, source)
        values = _values(plan, found)
        if plan.options.on_error == "ABORT_STATEMENT":
            loaded = _insert(session, plan, values, source)
            return Load(file=name, etag=file.md5, status="LOADED", parsed=loaded, loaded=loaded)
        return _load_what_fits(session, plan, name, file, source=source, values=values)
    except Exception as error:
        raise _of_file(translated(error), name) from error


def _of_file(error: StatementError, name: str) -> StatementError:
    if _TOO_LONG in error.message:
        text = error.message[error.message.index(_TOO_LONG) :]
        error = StatementError(100074, "54000", text)
    return StatementError(error.code, error.sqlstate, f"{error.message}\n  File '{name}'")


def _values(plan: FileLoad, found: dict[str, str]) -> list[_Value]:
    targets = [c for c in plan.columns if not plan.wanted or c["name"] in plan.wanted]
    if plan.options.match != "NONE":
        sensitive = plan.options.match == "CASE_SENSITIVE"
        there = {name if sensitive else name.upper(): name for name in found}
        pairs = [
            (column, there[key])
            for column in targets
            if (key := column["name"] if sensitive else column["name"].upper()) in there
        ]
        if not pairs:
            raise compilation("no column of the file has the name of a column of the table", 904)
    elif plan.options.format_type == "CSV":
        pairs = list(zip(targets, found, strict=False))
    elif len(targets) == 1 and read_type(targets[0]["type"]).family == "VARIANT":
        whole = quoted("json") if plan.options.format_type == "JSON" else "to_json(t)"
        return [_Value(targets[0]["name"], whole, "false")]
    else:
        raise compilation(
            "JSON/XML/AVRO/PARQUET file format can produce one and only one column of type "
            "variant, object, or array. Load data into separate columns using the "
            "MATCH_BY_COLUMN_NAME copy option or copy with transformation.",
        )
    return [_value(plan.options, column, quoted(name), found[name]) for column, name in pairs]


def _value(options: CopyOptions, column: dict[str, Any], field: str, kind: str) -> _Value:
    target = read_type(column["type"])
    duck = target.duck
    if duck == "JSON" and kind == "VARCHAR" and options.format_type == "PARQUET":
        sql = f"to_json({field})"  # a string stays a string, no PARSE_JSON happens
    elif kind == "TIMESTAMP_NS" and duck.startswith("TIMESTAMP"):
        below = f"((epoch_ns({field}) % 1000) + 1000) % 1000"  # cut, where DuckDB would round
        sql = f"CAST(make_timestamp((epoch_ns({field}) - {below}) // 1000) AS {duck})"
    elif kind == "TIME_NS" and duck == "TIME":
        sql = f"CAST(left(CAST({field} AS VARCHAR), 15) AS TIME)"
    elif kind == duck:
        sql = field
    else:
        sql = f"CAST({field} AS {duck})"
    fails = f"({field} IS NOT NULL AND TRY({sql}) IS NULL)" if sql != field else "false"
    if not column["nullable"]:
        fails = f"({fails} OR {field} IS NULL)"
    limit = target.parameters[0] if target.family == "VARCHAR" else MAX_TEXT
    if limit < MAX_TEXT:
        if options.truncate:
            sql = f"left({sql}, {limit})"
        else:
            fails = f"({fails} OR coalesce(length(TRY({sql})) > {limit}, false))"
            message = literal(f"{_TOO_LONG} ({limit}) exceeded by a string in {column['name']}")
            sql = f"CASE WHEN length({sql}) > {limit} THEN error({message}) ELSE {sql} END"
    return _Value(column["name"], sql, fails)


def _insert(
    session: Session, plan: FileLoad, values: list[_Value], source: str, where: str = ""
) -> int:
    names = ", ".join(quoted(value.column) for value in values)
    found = ", ".join(value.sql for value in values)
    inserted = session.duck.execute(
        f"INSERT INTO {physical(session, plan.table)} ({names}) "
        f"SELECT {found} FROM {source} AS t{where}"
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def _load_what_fits(
    session: Session,
    plan: FileLoad,
    name: str,
    file: StageFile,
    *,
    source: str,
    values: list[_Value],
) -> Load:
    fails = " OR ".join(value.fails for value in values)
    firsts = ", ".join(f"count(*) FILTER ({value.fails})" for value in values)
    row = session.duck.execute(
        f"SELECT count(*), count(*) FILTER ({fails}), {firsts} FROM {source} AS t"
    ).fetchone()
    rows, errors, *by_column = row or (0, 0)
    bad = next((v.column for v, n in zip(values, by_column, strict=True) if n), None)
    first = f"A value of the file does not fit column {bad}" if bad else None
    limit = plan.options.skip_from if plan.options.on_error == "SKIP_FILE" else rows
    if plan.options.on_error == "SKIP_FILE" and plan.options.rejects(errors, rows):
        status, loaded = "LOAD_FAILED", 0
    else:
        loaded = _insert(session, plan, values, source, f" WHERE NOT ({fails})")
        status = "PARTIALLY_LOADED" if errors else "LOADED"
    return Load(
        file=name,
        etag=file.md5,
        status=status,
        parsed=rows,
        loaded=loaded,
        errors=errors,
        limit=limit,
        first_error=first,
        first_column=bad,
    )


def _load_selected(
    session: Session, plan: FileLoad, name: str, file: StageFile, source: str
) -> Load:
    if plan.options.on_error != "ABORT_STATEMENT":
        raise compilation("the emulator transforms with ON_ERROR = ABORT_STATEMENT only")
    text = _FILE_NAME.sub(lambda _: literal(name), plan.select or "")
    if plan.options.format_type == "CSV":
        text = _POSITION.sub(lambda found: f'"column{int(found[1]) - 1}"', text)
    else:
        text = _FIELD.sub(lambda found: _exact(found[1]), text)
    translated_select = Translator(session).translated(parse_one(text)).sql(dialect="duckdb")
    select = re.sub(rf'"?{FileLoad.SOURCE}"?', lambda _: source, translated_select)
    names = ", ".join(map(quoted, plan.wanted))
    inserted = session.duck.execute(
        f"INSERT INTO {physical(session, plan.table)} {f'({names})' if names else ''} {select}"
    ).fetchone()
    loaded = int(inserted[0]) if inserted else 0
    return Load(file=name, etag=file.md5, status="LOADED", parsed=loaded, loaded=loaded)


def _exact(field: str) -> str:
    return field if field.startswith('"') else quoted(field)
