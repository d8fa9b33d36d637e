"""Identifiers of Snowflake: always quoted, in upper case unless the connector preserves theirs."""

from collections.abc import Sequence
from typing import Final

from dtaas.model.connectors import SnowflakeNames
from dtaas.model.errors import TargetCollisionError, UnsupportedTypeError

_LONGEST: Final = 255


def quoted(name: str) -> str:
    """Return a name as an identifier that means exactly this name.

    Raises:
        UnsupportedTypeError: it is longer than Snowflake's 255 characters, or empty.
    """
    if not 0 < len(name) <= _LONGEST or "\0" in name:
        raise UnsupportedTypeError(
            f"{name[:40]!r} cannot be a Snowflake identifier: it has {len(name)} characters.",
            hint="Map the table, or leave the column out; identifiers have 1 to 255 characters.",
        )
    return '"' + name.replace('"', '""') + '"'


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
    """
    taken: dict[str, str] = {}
    for name in names:
        wanted = cased(name, case)
        other = taken.setdefault(wanted, name)
        if other != name:
            raise TargetCollisionError(
                f"Columns {other!r} and {name!r} of {where} would both be {wanted!r} in Snowflake.",
                hint="Set the connector's identifiers to preserve, or leave one of them out.",
                field="$.connection_config.identifiers",
            )
    return {name: wanted for wanted, name in taken.items()}
