"""The options of COPY INTO a table."""

import re
from typing import Final

from msgspec import Struct

from dtaas.sandbox.snowflake.engine.errors import compilation, missing, unsupported
from dtaas.sandbox.snowflake.engine.options import read_options, text_list, truth, unquoted
from dtaas.sandbox.snowflake.engine.session import Session

_MATCH: Final = ("NONE", "CASE_SENSITIVE", "CASE_INSENSITIVE")
_SKIP: Final = re.compile(r"SKIP_FILE(?:_(?P<number>\d+)(?P<percent>%)?)?")
_NO_EFFECT: Final = (
    "RETURN_FAILED_ONLY",
    "LOAD_MODE",
    "LOAD_UNCERTAIN_FILES",
    "INCLUDE_METADATA",
)
_KNOWN: Final = (
    *_NO_EFFECT,
    "FILES",
    "PATTERN",
    "FILE_FORMAT",
    "MATCH_BY_COLUMN_NAME",
    "ON_ERROR",
    "PURGE",
    "FORCE",
    "SIZE_LIMIT",
    "ENFORCE_LENGTH",
    "TRUNCATECOLUMNS",
)
MAX_FILES: Final = 1000


class CopyOptions(Struct, frozen=True, kw_only=True):
    """How to copy.

    Attributes:
        format: options of the file format, names in upper case.
        match: how columns find their names: NONE, CASE_SENSITIVE or CASE_INSENSITIVE.
        on_error: ABORT_STATEMENT, CONTINUE or SKIP_FILE.
        skip_from: with SKIP_FILE, the errors that make a file skipped.
        skip_percent: `skip_from` is a percentage of the rows.
        truncate: cut texts that are too long instead of refusing them.
    """

    format: dict[str, str]
    files: list[str] | None = None
    pattern: str | None = None
    match: str = "NONE"
    on_error: str = "ABORT_STATEMENT"
    skip_from: int = 1
    skip_percent: bool = False
    purge: bool = False
    force: bool = False
    truncate: bool = False
    size_limit: int | None = None

    @property
    def format_type(self) -> str:
        """The kind of files."""
        return self.format.get("TYPE", "CSV").upper()

    def rejects(self, errors: int, rows: int) -> bool:
        """Whether SKIP_FILE leaves a file out that has so many errors."""
        found = 100 * errors / max(rows, 1) if self.skip_percent else errors
        return errors > 0 and found >= self.skip_from


def read_copy_options(session: Session, text: str) -> CopyOptions:
    """Read what follows the source of a COPY.

    Raises:
        StatementError: an option does not exist, or has no such value.
    """
    given = read_options(text)
    if "VALIDATION_MODE" in given:
        raise unsupported("VALIDATION_MODE")
    for name in given:
        if name not in _KNOWN:
            raise compilation(f"invalid parameter '{name}'", 1420, "42601")
    match = unquoted(given.get("MATCH_BY_COLUMN_NAME", "NONE")).upper()
    if match not in _MATCH:
        raise compilation(f"invalid value [{match}] for parameter 'MATCH_BY_COLUMN_NAME'", 1008)
    on_error = unquoted(given.get("ON_ERROR", "ABORT_STATEMENT")).upper()
    skip = _SKIP.fullmatch(on_error)
    if skip is None and on_error not in ("ABORT_STATEMENT", "CONTINUE"):
        raise compilation(f"invalid value [{on_error}] for parameter 'ON_ERROR'", 1008)
    files = text_list(given["FILES"]) if "FILES" in given else None
    if files is not None and len(files) > MAX_FILES:
        raise compilation(f"a list of more than {MAX_FILES} files", 1008)
    return CopyOptions(
        format=read_format(session, given.get("FILE_FORMAT", "")),
        files=files,
        pattern=unquoted(given["PATTERN"]) if "PATTERN" in given else None,
        match=match,
        on_error="SKIP_FILE" if skip else on_error,
        skip_from=int((skip and skip["number"]) or 1),
        skip_percent=bool(skip and skip["percent"]),
        purge=truth(given, "PURGE"),
        force=truth(given, "FORCE"),
        truncate=truth(given, "TRUNCATECOLUMNS") or not truth(given, "ENFORCE_LENGTH", True),
        size_limit=int(given["SIZE_LIMIT"]) if "SIZE_LIMIT" in given else None,
    )


def read_format(session: Session, text: str) -> dict[str, str]:
    """Return the options of a file format given inline or by name.

    Raises:
        StatementError: 2003, there is no format of this name.
    """
    if not text:
        return {}
    named = text if "=" not in text else None
    options = {} if named else {k: unquoted(v) for k, v in read_options(text).items()}
    named = named or options.pop("FORMAT_NAME", None)
    if named is None:
        return options
    name = session.name(unquoted(named))
    kept = session.store.formats.get(name)
    if kept is None:
        raise missing("File format", str(name))
    return {**kept, **options}
