"""The table that keeps which files were loaded, one in every database."""

from typing import Final

from dtaas.sandbox.snowflake.engine.names import quoted

TABLE: Final = "_fs_information_schema._fs_load_history"


def extend_history(database: str) -> str:
    """Return the SQL that adds what fakesnow's own table of a database lacks."""
    return f"ALTER TABLE {quoted(database)}.{TABLE} ADD COLUMN IF NOT EXISTS ETAG VARCHAR"


def create_temporary_history() -> str:
    """Return the SQL that makes the table for a session's temporary tables."""
    return (
        "CREATE TEMPORARY TABLE IF NOT EXISTS _loads (SCHEMA_NAME VARCHAR, FILE_NAME VARCHAR, "
        "TABLE_NAME VARCHAR, LAST_LOAD_TIME TIMESTAMPTZ, STATUS VARCHAR, ROW_COUNT INTEGER, "
        "ROW_PARSED INTEGER, FIRST_ERROR_MESSAGE VARCHAR, FIRST_ERROR_COL_NAME VARCHAR, "
        "ERROR_COUNT INTEGER, ERROR_LIMIT INTEGER, ETAG VARCHAR)"
    )
