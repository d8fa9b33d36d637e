"""A new store in SQLite without the hundred milliseconds its migrations take."""

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from dtaas.connectors.registry import Registry
from dtaas.store.address import DEFAULT_FILE, parse_address
from dtaas.store.database import Database
from dtaas.store.exclusive import exclusive
from dtaas.store.migrate import migrate
from dtaas.store.store import Store, open_store, utc_now

_made: list[Path] = []


@asynccontextmanager
async def fresh_store(
    data_dir: Path,
    registry: Registry | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Store]:
    """Open the store of a data folder; a folder without one begins with migrated, empty tables.

    The migrations themselves are proved in tests/integration/store, on both databases.
    """
    file = data_dir / DEFAULT_FILE
    if not file.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        template = await _template()
        file.touch(mode=0o600)
        shutil.copyfile(template, file)
    registry = registry or Registry(memory=True)
    async with open_store("", data_dir=data_dir, registry=registry, now=now) as store:
        yield store


async def _template() -> Path:
    """Return a file with nothing but the tables, made once a process."""
    if not _made:
        folder = Path(tempfile.mkdtemp(prefix="dtaas-template-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        address = parse_address("", folder)
        async with exclusive(address) as right:
            database = Database(address, right)
            await migrate(database, utc_now())
            await database.aclose()
        _made.append(folder / DEFAULT_FILE)
    return _made[0]
