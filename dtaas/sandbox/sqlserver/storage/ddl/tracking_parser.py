"""The grammar of change tracking in ALTER DATABASE and ALTER TABLE."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.tree import Parts

_UNITS: Final = ("MINUTES", "HOURS", "DAYS")


def parse_database_tracking(cursor: Cursor, name: str) -> ddl.TrackDatabase:
    """Read what follows SET CHANGE_TRACKING.

    Raises:
        SqlError: 102 and its kin, 155 an unknown unit, 22114 other options beside.
    """
    enabled: bool | None = None
    if cursor.accept("="):
        enabled = _switch(cursor)
    auto_cleanup: bool | None = None
    retention: tuple[int, str] | None = None
    if cursor.accept("("):
        while True:
            if cursor.accept("AUTO_CLEANUP", "="):
                auto_cleanup = _switch(cursor)
            else:
                cursor.expect("CHANGE_RETENTION", "=")
                retention = _retention(cursor)
            if not cursor.accept(","):
                break
        cursor.expect(")")
    if cursor.at(","):
        raise SqlError(
            22114,
            "Change tracking options for ALTER DATABASE cannot be combined with other ALTER "
            "DATABASE options.",
        )
    return ddl.TrackDatabase(
        name=name, enabled=enabled, auto_cleanup=auto_cleanup, retention=retention
    )


def parse_table_tracking(cursor: Cursor, table: Parts) -> ddl.TrackTable:
    """Read ENABLE or DISABLE CHANGE_TRACKING."""
    enabled = cursor.take().word == "ENABLE"
    cursor.expect("CHANGE_TRACKING")
    columns = False
    if enabled and cursor.accept("WITH"):
        cursor.expect("(", "TRACK_COLUMNS_UPDATED", "=")
        columns = _switch(cursor)
        cursor.expect(")")
    return ddl.TrackTable(table=table, enabled=enabled, columns=columns)


def _switch(cursor: Cursor) -> bool:
    word = cursor.accept_any("ON", "OFF")
    if word is None:
        raise cursor.error()
    return word == "ON"


def _retention(cursor: Cursor) -> tuple[int, str]:
    if cursor.token.kind is not Kind.INTEGER:
        raise cursor.error()
    number = int(cursor.take().text)
    unit = cursor.name()
    if unit.upper() not in _UNITS:
        raise SqlError(
            155,
            f"'{unit}' is not a recognized CHANGE RETENTION UNIT option.",
            severity=15,
            state=2,
        )
    return number, unit.upper()
