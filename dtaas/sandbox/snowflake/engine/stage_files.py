"""Files of stages: their digests, kept beside them so that a big file is read once."""

import hashlib
from email.utils import formatdate
from pathlib import Path
from typing import Final

from msgspec import Struct

from dtaas.sandbox.snowflake.engine.stages import UNFINISHED

_DIGEST: Final = f".md5{UNFINISHED}"  # hidden from every listing


class StageFile(Struct, frozen=True, kw_only=True):
    """One file of a stage. `md5` is in hexadecimal; `modified` as HTTP writes it."""

    path: Path
    size: int
    md5: str
    modified: str


def look_at(path: Path) -> StageFile:
    """Return what LIST shows of a file, and COPY knows it by."""
    stat = path.stat()
    kept = path.with_name(path.name + _DIGEST)
    stamp = f"{stat.st_size} {stat.st_mtime_ns} "
    text = kept.read_text() if kept.exists() else ""
    if not text.startswith(stamp):
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        text = stamp + md5
        kept.write_text(text)
    modified = formatdate(stat.st_mtime, usegmt=True)
    return StageFile(path=path, size=stat.st_size, md5=text.rsplit(" ", 1)[1], modified=modified)


def remove(path: Path) -> None:
    """Remove a file and what is kept beside it. Idempotent."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + _DIGEST).unlink(missing_ok=True)
