"""A statement of SQL, from its text to its answer."""

import re
import threading
from collections.abc import Callable
from typing import Any, Final

import sqlglot

from dtaas.sandbox.snowflake.engine import (
    plain_insert,
    session_statements,
    stage_statements,
    tables,
)
from dtaas.sandbox.snowflake.engine.alter_table import alter_table
from dtaas.sandbox.snowflake.engine.answer import INSERT, Answer, counts
from dtaas.sandbox.snowflake.engine.copy_into import copy_into
from dtaas.sandbox.snowflake.engine.errors import (
    StatementError,
    compilation,
    is_conflict,
    translated,
)
from dtaas.sandbox.snowflake.engine.names import IDENTIFIER, QUALIFIED
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.translator import Binds, Translator

Handler = Callable[[Session, re.Match[str]], Answer]

_NAME: Final = rf"(?P<name>{QUALIFIED})"
_STAGE: Final = r"(?P<stage>'@(?:[^']|'')*'|@(?:\"(?:[^\"]|\"\")*\"|[^\s\"])+)"
_FILE: Final = r"(?P<file>'(?:[^']|'')*'|file://\S+)"
_REST: Final = r"(?:\s+(?P<options>.*))?"
_EXISTS: Final = r"(?:(?P<exists>IF\s+EXISTS)\s+)?"
_NOT_EXISTS: Final = r"(?:(?P<exists>IF\s+NOT\s+EXISTS)\s+)?"
_PATTERN: Final = r"(?:\s+PATTERN\s*=\s*(?P<pattern>'(?:[^']|'')*'))?"
_LIKE: Final = r"(?:\s+LIKE\s+(?P<like>'(?:[^']|'')*'))?"
_TEMPORARY: Final = r"(?:(?:LOCAL\s+|GLOBAL\s+)?(?P<temporary>TEMP|TEMPORARY|VOLATILE)\s+)?"
_BEGIN: Final = (
    r"(?:BEGIN|START\s+TRANSACTION)(?:\s+(?:WORK|TRANSACTION))?"
    rf"(?:\s+NAME\s+(?P<name>{IDENTIFIER}))?"
)
_ACCOUNT_ONLY: Final = (
    r"(?:GRANT|REVOKE|(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?"
    r"(?:WAREHOUSE|ROLE|RESOURCE\s+MONITOR))\s.+"
)
_COLUMN_COMMENT: Final = (
    rf"COMMENT\s+(?:IF\s+EXISTS\s+)?ON\s+COLUMN\s+"
    rf"(?P<name>{IDENTIFIER}(?:\.{IDENTIFIER}){{1,3}})\s+IS\s+(?P<text>'(?:[^']|'')*')"
)
_CREATE: Final = r"CREATE\s+(?P<replace>OR\s+REPLACE\s+)?"


def _patterns() -> list[tuple[str, Handler]]:
    return [
        (_BEGIN, session_statements.begin),
        (plain_insert.PATTERN, plain_insert.plain_insert),
        (r"COMMIT(?:\s+WORK)?", session_statements.commit),
        (r"ROLLBACK(?:\s+WORK)?", session_statements.rollback),
        (rf"PUT\s+{_FILE}\s+{_STAGE}{_REST}", stage_statements.put),
        (rf"GET\s+{_STAGE}\s+{_FILE}{_REST}", stage_statements.get),
        (rf"(?:LIST|LS)\s+{_STAGE}{_PATTERN}", stage_statements.list_files),
        (rf"(?:REMOVE|RM)\s+{_STAGE}{_PATTERN}", stage_statements.remove_files),
        (
            rf"COPY\s+INTO\s+{_NAME}\s*(?P<columns>\([^)]*\))?\s*FROM\s+(?P<rest>.+)",
            copy_into,
        ),
        (
            rf"{_CREATE}{_TEMPORARY}STAGE\s+{_NOT_EXISTS}{_NAME}{_REST}",
            stage_statements.create_stage,
        ),
        (
            rf"{_CREATE}{_TEMPORARY}FILE\s+FORMAT\s+{_NOT_EXISTS}{_NAME}{_REST}",
            stage_statements.create_file_format,
        ),
        (rf"DROP\s+(?P<kind>STAGE|FILE\s+FORMAT)\s+{_EXISTS}{_NAME}", stage_statements.drop_stage),
        (
            rf"SHOW\s+STAGES{_LIKE}(?:\s+IN\s+(?:SCHEMA\s+)?(?P<where>{QUALIFIED}))?",
            stage_statements.show_stages,
        ),
        (rf"{_CREATE}(?:[A-Z]+\s+){{0,2}}TABLE\s+(?!FUNCTION).+", tables.create_table),
        (_COLUMN_COMMENT, tables.comment_on_column),
        (rf"DROP\s+TABLE\s+{_EXISTS}{_NAME}(?:\s+(?:CASCADE|RESTRICT))?", tables.drop_table),
        (rf"TRUNCATE\s+(?:TABLE\s+)?{_EXISTS}{_NAME}", tables.truncate),
        (rf"(?:DESC|DESCRIBE)\s+TABLE\s+{_NAME}", tables.describe_table),
        (rf"ALTER\s+TABLE\s+{_EXISTS}{_NAME}\s+(?P<action>.+)", alter_table),
        (
            rf"{_CREATE}(?:TRANSIENT\s+)?DATABASE\s+{_NOT_EXISTS}{_NAME}{_REST}",
            session_statements.create_database,
        ),
        (
            rf"DROP\s+DATABASE\s+{_EXISTS}{_NAME}(?:\s+(?:CASCADE|RESTRICT))?",
            session_statements.drop_database,
        ),
        (
            rf"{_CREATE}(?:TRANSIENT\s+)?SCHEMA\s+{_NOT_EXISTS}{_NAME}{_REST}",
            session_statements.create_schema,
        ),
        (
            rf"DROP\s+SCHEMA\s+{_EXISTS}{_NAME}(?:\s+(?:CASCADE|RESTRICT))?",
            session_statements.drop_schema,
        ),
        (r"ALTER\s+SESSION\s+(?P<verb>SET|UNSET)\s+(?P<rest>.+)", session_statements.alter_session),
        (
            rf"USE\s+(?:(?P<kind>DATABASE|SCHEMA|WAREHOUSE|ROLE)\s+)?{_NAME}",
            session_statements.use,
        ),
        (rf"SHOW\s+PARAMETERS{_LIKE}(?:\s+IN\s+.+)?", session_statements.show_parameters),
        (rf"SHOW\s+WAREHOUSES{_LIKE}", session_statements.show_warehouses),
        (_ACCOUNT_ONLY, session_statements.accept),
        (r"SHOW\s+TRANSACTIONS(?:\s+IN\s+ACCOUNT)?", session_statements.show_transactions),
        (r"SHOW\s+LOCKS(?:\s+IN\s+ACCOUNT)?", session_statements.show_locks),
        (
            r"SELECT\s+SYSTEM\$ABORT_TRANSACTION\s*\(\s*'?(?P<id>\d+)'?\s*\)",
            session_statements.abort_transaction,
        ),
        (r"SELECT\s+SYSTEM\$(?P<name>\w+)\s*\(.*\)", session_statements.system_function),
    ]


_HANDLERS: Final = [
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), handler) for pattern, handler in _patterns()
]
_COMMENT: Final = re.compile(r"\s*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)\s*", re.DOTALL)
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"((?:[^\"]|\"\")*)\"", re.DOTALL)
_LONGEST: Final = 255
_CONFLICT_LIMIT_S: Final = 10.0
_CONFLICT_PAUSE_S: Final = 0.02


def run(
    session: Session, sql: str, binds: Binds = None, cancelled: threading.Event | None = None
) -> Answer:
    """Run one statement of a session, in a thread.

    Args:
        cancelled: set by whoever wants the statement to end.

    Raises:
        StatementError: Snowflake's refusal.
    """
    with session.lock:
        session.start_statement(cancelled or threading.Event())
        _require_one(sql)
        _require_short_names(sql)
        try:
            return _until_no_conflict(session, bare(sql), binds)
        except Exception as error:
            raise translated(error) from error
        finally:
            if session.transaction is None:
                session.store.locks.release(session.id)


def _require_one(sql: str) -> None:
    """Refuse a text of several statements, as Snowflake does unless it is told how many.

    Raises:
        StatementError: 8, there are several.
    """
    if ";" not in sql.rstrip("; \t\r\n"):
        return
    kinds = [token.token_type.name for token in sqlglot.tokenize(sql, read="snowflake")]
    while kinds and kinds[-1] == "SEMICOLON":
        kinds.pop()
    several = 1 + kinds.count("SEMICOLON")
    if several > 1:
        raise StatementError(
            8,
            "0A000",
            f"Actual statement count {several} did not match the desired statement count 1.",
        )


def _require_short_names(sql: str) -> None:
    """Refuse quoted identifiers of more than 255 characters, as Snowflake does.

    Raises:
        StatementError: 1003, one is longer.
    """
    for found in _QUOTED.finditer(sql):
        name = (found[1] or "").replace('""', '"')
        if len(name) > _LONGEST:
            raise compilation(
                f"invalid identifier '{name[:40]}…': it has {len(name)} characters, more than"
                f" {_LONGEST}"
            )


def bare(sql: str) -> str:
    """Return a statement without the comments before it and the semicolon after it."""
    text = sql.strip()
    while (comment := _COMMENT.match(text)) is not None:
        text = text[comment.end() :]
    return text.rstrip("; \t\r\n")


def _until_no_conflict(session: Session, text: str, binds: Binds) -> Answer:
    """Try again what DuckDB refuses at once: Snowflake would let it wait for a lock."""
    waited_s = 0.0
    while True:
        open_before = session.transaction is not None
        try:
            return _run_once(session, text, binds)
        except Exception as error:
            limit_s = min(_CONFLICT_LIMIT_S, session.lock_timeout_s)
            if not is_conflict(error) or open_before or waited_s >= limit_s:
                raise
        session.wait_or_cancelled(_CONFLICT_PAUSE_S)
        waited_s += _CONFLICT_PAUSE_S


def _run_once(session: Session, text: str, binds: Binds) -> Answer:
    for pattern, handler in _HANDLERS:
        found = pattern.fullmatch(text)
        if found is not None:
            return handler(session, found)
    return Translator(session).run(text, binds)


def run_many(session: Session, sql: str, rows: list[list[Any]]) -> Answer:
    """Run an INSERT once for each row of bound values, as one statement."""
    with session.lock:
        session.start_statement(threading.Event())
        try:
            return Translator(session).run_many(bare(sql), rows)
        except Exception as error:
            raise translated(error) from error


def describe(session: Session, sql: str) -> Answer:
    """Return the columns a query would have, without rows; nothing is run."""
    text = bare(sql)
    if not re.match(r"(SELECT|WITH)\b", text, re.IGNORECASE):
        return counts(INSERT, number_of_rows_inserted=0)
    return run(session, f"SELECT * FROM ({text}) LIMIT 0")
