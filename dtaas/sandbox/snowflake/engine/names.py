"""Names as Snowflake reads them: unquoted ones fold to upper case, quoted ones are exact."""

import re
from typing import Final, NamedTuple

from dtaas.sandbox.snowflake.engine.errors import StatementError, compilation

IDENTIFIER: Final = r'(?:"(?:[^"]|"")*"|[A-Za-z_][\w$]*)'
QUALIFIED: Final = rf"{IDENTIFIER}(?:\.{IDENTIFIER}){{0,2}}"
_PART: Final = re.compile(IDENTIFIER)


class Name(NamedTuple):
    """The full name of a table, a stage or a file format."""

    database: str
    schema: str
    name: str

    @property
    def sql(self) -> str:
        """Return it quoted, as DuckDB reads it."""
        return ".".join(map(quoted, self))

    def __str__(self) -> str:
        return ".".join(self)


def fold(part: str) -> str:
    """Return the name an identifier stands for."""
    return part[1:-1].replace('""', '"') if part.startswith('"') else part.upper()


def quoted(name: str) -> str:
    """Return a name as an identifier that stands for exactly it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def parts(text: str) -> list[str]:
    """Return the names of a qualified identifier.

    Raises:
        StatementError: 1003, it is none.
    """
    if not re.fullmatch(QUALIFIED, text.strip()):
        raise compilation(f"invalid identifier '{text}'")
    return [fold(part) for part in _PART.findall(text)]


def resolve(text: str, database: str | None, schema: str | None) -> Name:
    """Return the full name an identifier stands for in a session.

    Raises:
        StatementError: 90105 or 90106, it is not qualified and the session has no default.
    """
    return complete(parts(text), database, schema)


def complete(found: list[str], database: str | None, schema: str | None) -> Name:
    """Return the full name made of 1 to 3 parts and a session's defaults."""
    given_database = found[-3] if len(found) > 2 else database  # noqa: PLR2004
    given_schema = found[-2] if len(found) > 1 else schema
    if not given_database:
        raise StatementError(
            90105,
            "22000",
            f"Cannot resolve {found[-1]}. This session does not have a current database. "
            "Call 'USE DATABASE', or use a qualified name.",
        )
    if not given_schema:
        raise StatementError(
            90106,
            "22000",
            f"Cannot resolve {found[-1]}. This session does not have a current schema. "
            "Call 'USE SCHEMA', or use a qualified name.",
        )
    return Name(given_database, given_schema, found[-1])
