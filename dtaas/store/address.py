"""Where the metadata database is: a SQLite file of the data folder, or PostgreSQL by URL."""

from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dtaas.model.errors import SettingsError
from dtaas.store.errors import StorePlace

DEFAULT_FILE: Final = "dtaas.db"
BACKUPS: Final = "backups"
_EXAMPLES: Final = "Use sqlite:////var/lib/dtaas/dtaas.db or postgresql://user:password@host/db."
_SSL_MODES: Final = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}


class StoreAddress(Struct, frozen=True, kw_only=True):
    """A database to open.

    Attributes:
        url: for SQLAlchemy, with the asyncio driver.
    """

    url: URL
    place: StorePlace


def parse_address(url: str, data_dir: Path) -> StoreAddress:
    """Return where `url` points; an empty one is `dtaas.db` in the data folder.

    Raises:
        SettingsError: the URL is wrong or names another product. Never shows a password.
    """
    try:
        parsed = make_url(url or f"sqlite:///{DEFAULT_FILE}")
    except (ArgumentError, ValueError) as exc:
        raise SettingsError("The URL of the store cannot be read.", hint=_EXAMPLES) from exc
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, data_dir)
        case "postgresql" | "postgres":
            return _postgres(parsed)
        case other:
            raise SettingsError(f"The store cannot be in {other!r}.", hint=_EXAMPLES)


def _sqlite(url: URL, data_dir: Path) -> StoreAddress:
    if not url.database or url.database == ":memory:" or url.query:
        raise SettingsError("The URL of the store must name a file only.", hint=_EXAMPLES)
    file = (data_dir / url.database).absolute()
    return StoreAddress(
        url=URL.create("sqlite+aiosqlite", database=str(file)),
        place=StorePlace(label=str(file), file=file, backup_dir=file.parent / BACKUPS),
    )


def _postgres(url: URL) -> StoreAddress:
    query: dict[str, Any] = dict(url.query)
    mode = query.pop("sslmode", None)  # libpq's name; asyncpg says ssl and knows the same words
    if mode is not None:
        if mode not in _SSL_MODES:
            raise SettingsError(f"The store's URL has an unknown sslmode {mode!r}.", hint=_EXAMPLES)
        query["ssl"] = mode
    if not url.host and "host" not in query:
        raise SettingsError("The URL of the store names no host.", hint=_EXAMPLES)
    clean = url.set(drivername="postgresql+asyncpg", query=query)
    shown = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    return StoreAddress(url=clean, place=StorePlace(label=shown))
