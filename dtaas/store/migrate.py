"""Brings a metadata database to the schema this code knows, wholly or not at all.

A migration's file is named by its revision, `0020_pace.py`, so that a daemon whose database is at
the newest one need not load Alembic: 10 MB and 0.1 s at every start.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, inspect, text

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import Action, DtaasError, FatalError, StoreFullError, StoreVersionError
from dtaas.store.database import Database
from dtaas.store.errors import translated

log = structlog.get_logger()

MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATION_LIMIT_S: Final = 600.0
_VERSIONS: Final = "alembic_version"
_VERSION: Final = "SELECT version_num FROM alembic_version"
_ADVISORY_LOCK: Final = 0x4454_6161_5301
"""Any constant; no other program takes an advisory lock of this number on our database."""


async def migrate(database: Database, now: datetime, migrations: Path = MIGRATIONS) -> None:
    """Upgrade the schema in one transaction, after a backup when it is a SQLite file.

    Raises:
        StoreVersionError: a newer DTaaS wrote the database.
        FatalError: a migration failed; the database is as it was.
    """
    known = revisions(migrations)
    found = await database.read(_revision)
    if found is not None and found not in known:
        raise StoreVersionError(
            f"{database.place} has schema {found}, which this version of DTaaS does not know.",
            hint="Install the version that wrote it, or a newer one.",
        )
    if found == known[-1]:
        return
    if found is not None and database.place.file is not None:
        await Blocking(1)(_back_up, database, f"{found}-{now:%Y%m%dT%H%M%SZ}")

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        _upgrade(connection, migrations)

    try:
        await database.write(work, limit_s=MIGRATION_LIMIT_S)
    except Exception as exc:
        if isinstance(exc, DtaasError) and exc.action is not Action.BUG:
            raise
        cause = exc.__cause__ if isinstance(exc, DtaasError) else exc
        raise FatalError(
            f"The migration of {database.place} failed and changed nothing: {cause}",
            hint="Go on with the version used before, and report this message.",
        ) from exc
    log.info("store_migrated", store=str(database.place), before=found)


def revisions(migrations: Path) -> Sequence[str]:
    """Return the revisions of a folder, the newest last."""
    return sorted(file.stem[:4] for file in migrations.glob("versions/[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSIONS):
        return None
    found = connection.execute(text(_VERSION)).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection, migrations: Path) -> None:
    from alembic import command  # noqa: PLC0415 - most starts need none of it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _back_up(database: Database, label: str) -> None:
    """Copy the SQLite file to `backups/<name>-<label>.db`, durable on return."""
    file, folder = database.place.file, database.place.backup_dir
    if file is None or folder is None:
        return
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        draft = folder / f"{file.stem}-{label}.draft"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("VACUUM INTO ?", (str(draft),))
        _sync(draft)
        draft.replace(draft.with_suffix(".db"))
        _sync(folder)
    except (sqlite3.Error, OSError) as exc:
        error = translated(exc, database.place)
        if isinstance(error, StoreFullError):
            raise error from exc
        raise FatalError(
            f"The backup of {database.place} before its migration failed: {exc}.",
            hint=f"Make {folder} a folder that the user of the daemon may write.",
        ) from exc


def _sync(path: Path) -> None:
    # VACUUM INTO leaves the flush to disk to its caller (SQLite documentation, VACUUM, section 4).
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
