"""Which files a table was loaded from: in its own database, so that it rolls back with the load."""

from msgspec import Struct

from dtaas.sandbox.snowflake.engine.load_history_table import TABLE, create_temporary_history
from dtaas.sandbox.snowflake.engine.names import Name, quoted
from dtaas.sandbox.snowflake.engine.session import Session


class Load(Struct, frozen=True, kw_only=True):
    """One file of a COPY, as its result shows it."""

    file: str
    etag: str
    status: str
    parsed: int
    loaded: int
    errors: int = 0
    limit: int = 1
    first_error: str | None = None
    first_column: str | None = None


def known(session: Session, table: Name) -> dict[str, str]:
    """Return the files a table was loaded from, by name, and what they were."""
    found = session.duck.execute(
        f"SELECT FILE_NAME, ETAG FROM {_history(session, table)} "
        "WHERE SCHEMA_NAME = ? AND TABLE_NAME = ? AND STATUS != 'LOAD_FAILED'",
        [table.schema, table.name],
    )
    return dict(found.fetchall())


def remember(session: Session, table: Name, load: Load) -> None:
    """Note a file, in the open transaction."""
    history = _history(session, table)
    session.duck.execute(
        f"DELETE FROM {history} WHERE SCHEMA_NAME = ? AND TABLE_NAME = ? AND FILE_NAME = ?",
        [table.schema, table.name, load.file],
    )
    values = {
        "SCHEMA_NAME": table.schema,
        "FILE_NAME": load.file,
        "TABLE_NAME": table.name,
        "STATUS": load.status,
        "ROW_COUNT": load.loaded,
        "ROW_PARSED": load.parsed,
        "FIRST_ERROR_MESSAGE": load.first_error,
        "FIRST_ERROR_COL_NAME": load.first_column,
        "ERROR_COUNT": load.errors,
        "ERROR_LIMIT": load.limit,
        "ETAG": load.etag,
    }
    marks = ", ".join("?" for _ in values)
    session.duck.execute(
        f"INSERT INTO {history} ({', '.join(values)}, LAST_LOAD_TIME) VALUES ({marks}, now())",
        list(values.values()),
    )


def forget_loads(session: Session, table: Name) -> None:
    """Forget what a table was loaded from."""
    session.duck.execute(
        f"DELETE FROM {_history(session, table)} WHERE SCHEMA_NAME = ? AND TABLE_NAME = ?",
        [table.schema, table.name],
    )


def rename_loads(session: Session, old: Name, new: Name) -> None:
    """Let what is known of a table follow its new name."""
    session.duck.execute(
        f"UPDATE {_history(session, old)} SET TABLE_NAME = ? "
        "WHERE SCHEMA_NAME = ? AND TABLE_NAME = ?",
        [new.name, old.schema, old.name],
    )


def _history(session: Session, table: Name) -> str:
    if table not in session.temporary:
        return f"{quoted(table.database)}.{TABLE}"
    # A transaction may write to one database besides the temporary one.
    session.duck.execute(create_temporary_history())
    return "temp.main._loads"
