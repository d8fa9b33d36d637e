"""The error for capture instances that cannot be read any more."""

from collections.abc import Sequence

from dtaas.model.errors import CaptureLostError
from dtaas.model.schema import TableRef


def lost(tables: Sequence[TableRef], what: str) -> CaptureLostError:
    """Return the error for instances that cannot be read any more."""
    names = ", ".join(str(t) for t in tables)
    return CaptureLostError(
        f"The capture instance of {names} {what}.",
        hint="Enable change data capture again and load these tables anew.",
        tables=tuple(tables),
    )
