"""Internal stages: folders below the emulator's own, one a stage."""

import re
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from msgspec import Struct

from dtaas.sandbox.snowflake.engine.errors import compilation, exists, missing
from dtaas.sandbox.snowflake.engine.names import IDENTIFIER, Name, complete, fold

_REFERENCE: Final = re.compile(
    rf"@(?P<user>~)?(?P<qualifier>(?:{IDENTIFIER}\.){{0,2}})(?P<table>%)?(?P<name>{IDENTIFIER})?"
    r"(?P<path>/.*)?",
    re.DOTALL,
)
_PART: Final = re.compile(IDENTIFIER)
UNFINISHED: Final = ".unfinished"


class StageReference(Struct, frozen=True):
    """`@stage/path` in a statement.

    Attributes:
        label: how LIST and COPY begin the names of its files: `stage/`, or nothing.
        name: None for the user's own stage.
        path: what the names of the files begin with below the stage.
        of_table: it is the stage of a table, which exists while the table does.
    """

    label: str
    name: Name | None
    path: str
    of_table: bool = False


def read_reference(text: str, database: str | None, schema: str | None) -> StageReference:
    """Read a stage reference, quoted or not.

    Raises:
        StatementError: it is none, or a default it needs is missing.
    """
    bare = text.strip()
    if bare[:1] == "'" and bare[-1:] == "'":
        bare = bare[1:-1].replace("''", "'")
    found = _REFERENCE.fullmatch(bare)
    if found is None or bool(found["user"]) == bool(found["name"]):
        raise compilation(f"invalid stage reference {text}")
    path = (found["path"] or "").lstrip("/")
    if found["user"]:
        return StageReference("", None, path)
    names = [fold(part) for part in _PART.findall(found["qualifier"])]
    name = complete([*names, fold(found["name"])], database, schema)
    of_table = found["table"] is not None
    return StageReference("" if of_table else f"{name.name.lower()}/", name, path, of_table)


class Stages:
    """The stages of an account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, name: Name, *, replace: bool, if_not_exists: bool) -> bool:
        """Make a named stage; return whether it is new.

        Raises:
            StatementError: 2002, it exists.
        """
        folder = self._named(name)
        if folder.exists():
            if replace:
                shutil.rmtree(folder)
            elif if_not_exists:
                return False
            else:
                raise exists(str(name))
        folder.mkdir(parents=True)
        return True

    def drop(self, name: Name) -> bool:
        """Remove a named stage and its files; return whether it was there."""
        folder = self._named(name)
        if not folder.exists():
            return False
        shutil.rmtree(folder)
        return True

    def drop_all(self, database: str, schema: str | None = None) -> None:
        """Remove every stage of a database or schema."""
        below = self.folder / _file_name(database)
        shutil.rmtree(below if schema is None else below / _file_name(schema), ignore_errors=True)

    def drop_table(self, name: Name) -> None:
        """Remove the stage of a table that is gone."""
        shutil.rmtree(self._of_table(name), ignore_errors=True)

    def named(self, database: str, schema: str) -> list[str]:
        """Return the names of a schema's stages."""
        below = self.folder / _file_name(database) / _file_name(schema)
        if not below.is_dir():
            return []
        found = (unquote(folder.name) for folder in below.iterdir())
        return sorted(name for name in found if not name.startswith("%"))

    def directory(self, reference: StageReference, user: str) -> Path:
        """Return the folder of a stage. A table's is the caller's to check.

        Raises:
            StatementError: 2003, there is no such stage.
        """
        if reference.name is None:
            folder = self.folder / "~" / _file_name(user)
        elif reference.of_table:
            folder = self._of_table(reference.name)
        else:
            folder = self._named(reference.name)
            if not folder.is_dir():
                raise missing("Stage", str(reference.name))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _named(self, name: Name) -> Path:
        return self.folder.joinpath(*map(_file_name, name))

    def _of_table(self, name: Name) -> Path:
        return self._named(Name(name.database, name.schema, f"%{name.name}"))


def _file_name(name: str) -> str:
    return quote(name, safe="")


def files_in(folder: Path, prefix: str = "", pattern: str | None = None) -> list[str]:
    """Return the names of the files below a folder, in order, that begin so.

    Args:
        pattern: a regular expression the whole name must match.
    """
    names = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(UNFINISHED)
    )
    wanted = re.compile(pattern) if pattern else None
    return sorted(
        name
        for name in names
        if name.startswith(prefix) and (wanted is None or wanted.fullmatch(name))
    )


def file_at(folder: Path, name: str) -> Path | None:
    """Return the path of a file of a stage; None when the name leads out of it."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None
