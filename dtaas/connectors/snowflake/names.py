"""Identifiers of Snowflake: always quoted, in upper case unless the connector preserves theirs."""

import hashlib
from collections.abc import Sequence
from typing import Final

from dtaas.model.connectors import SnowflakeNames
from dtaas.model.errors import TargetCollisionError, UnsupportedTypeError

_LONGEST: Final = 255
_SHOWN: Final = 40
_DIGITS: Final = 16


def why_not(name: str) -> str:
    """Return why a name can be no identifier, '' where it can."""
    if not name:
        return "it is empty"
    if "\0" in name:
        return "it holds a NUL"
    return f"it has {len(name)} characters, not 1 to {_LONGEST}" if len(name) > _LONGEST else ""


def quoted(name: str) -> str:
    """Return a name as an identifier that means exactly this name.

    Raises:
        UnsupportedTypeError: it is longer than Snowflake's 255 characters, or empty.
    """
    reason = why_not(name)
    if reason:
        raise UnsupportedTypeError(
            f"{name[:_SHOWN]!r} cannot be a Snowflake identifier: {reason}.",
            hint="Map the table, or leave the column out.",
        )
    return '"' + name.replace('"', '""') + '"'


def derived(name: str, suffix: str) -> str:
    """Return the name of something that belongs to `name`, no longer than an identifier may be.

    What has to be cut off is told apart by a hash: names that begin alike stay different.
    """
    if len(name) + len(suffix) <= _LONGEST:
        return name + suffix
    mark = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _LONGEST - len(suffix) - _DIGITS - 1]}_{mark}{suffix}"


def path(*names: str) -> str:
    """Return a qualified identifier."""
    return ".".join(quoted(name) for name in names)


def text(value: str) -> str:
    """Return a string literal that means exactly this text."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def cased(name: str, case: SnowflakeNames) -> str:
    """Return a source's name as the target spells it."""
    return name.upper() if case is SnowflakeNames.UPPER else name


def column_names(names: Sequence[str], case: SnowflakeNames, *, where: str) -> dict[str, str]:
    """Return what each column is called at the target, by its name at the source.

    Raises:
        TargetCollisionError: two of them would have one name.
        UnsupportedTypeError: one is too long.
    """
    taken: dict[str, str] = {}
    for name in names:
        wanted = cased(name, case)
        if reason := why_not(wanted):
            raise UnsupportedTypeError(
                f"Column {name[:_SHOWN]!r} of {where} cannot be an identifier of Snowflake:"
                f" {reason}.",
                hint="Leave it out with `exclude_columns`, or name it by `column_names`.",
                field="$.table_mappings",
            )
        other = taken.setdefault(wanted, name)
        if other != name:
            raise TargetCollisionError(
                f"Columns {other!r} and {name!r} of {where} would both be {wanted!r} in Snowflake.",
                hint="Set the connector's identifiers to preserve, or leave one of them out.",
                field="$.connection_config.identifiers",
            )
    return {name: wanted for wanted, name in taken.items()}
