"""Named file formats, kept as small JSON files."""

import shutil
from pathlib import Path
from urllib.parse import quote

import msgspec

from dtaas.sandbox.snowflake.engine.errors import exists
from dtaas.sandbox.snowflake.engine.names import Name


class FileFormats:
    """The file formats of an account: option name to value, names in upper case."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(
        self, name: Name, options: dict[str, str], *, replace: bool, if_not_exists: bool
    ) -> bool:
        """Keep a format; return whether it is new.

        Raises:
            StatementError: 2002, it exists.
        """
        path = self._path(name)
        if path.exists() and not replace:
            if if_not_exists:
                return False
            raise exists(str(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(options))
        return True

    def get(self, name: Name) -> dict[str, str] | None:
        """Return a format's options, None when there is none of this name."""
        path = self._path(name)
        return (
            msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else None
        )

    def drop(self, name: Name) -> bool:
        """Remove a format; return whether it was there."""
        there = self._path(name).exists()
        self._path(name).unlink(missing_ok=True)
        return there

    def drop_all(self, database: str, schema: str | None = None) -> None:
        """Remove every format of a database or schema."""
        below = self._folder / quote(database, safe="")
        shutil.rmtree(below if schema is None else below / quote(schema, safe=""), True)

    def _path(self, name: Name) -> Path:
        database, schema, own = (quote(part, safe="") for part in name)
        return self._folder / database / schema / f"{own}.json"
