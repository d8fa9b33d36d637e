"""The error for capture instances that cannot be read any more."""

from collections.abc import Sequence
from typing import Final

from dtaas.model.errors import CaptureLostError
from dtaas.model.schema import TableRef

RENAMED: Final = "goes on under another name: the table was renamed or another took its place"


def lost(tables: Sequence[TableRef], what: str) -> CaptureLostError:
    """Return the error for instances that cannot be read any more."""
    names = ", ".join(str(t) for t in tables)
    return CaptureLostError(
        f"The capture instance of {names} {what}.",
        hint="Enable change data capture again and load these tables anew.",
        tables=tuple(tables),
    )


def is_of(table: TableRef, schema: str | None, name: str | None) -> bool:
    """Return whether an instance captures the table of that name, as far as the login can see.

    Args:
        schema: of the table it captures, None where that is not to be seen.
        name: of that table, likewise.
    """
    if schema is None or name is None:
        return True
    return (schema.casefold(), name.casefold()) == (table.schema.casefold(), table.name.casefold())
