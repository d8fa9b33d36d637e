"""Arguments of a statement: from wire form to what asyncpg takes."""

from collections.abc import Sequence
from typing import Any

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage import forms
from dtaas.sandbox.sqlserver.storage.variants import encode_variant
from dtaas.sandbox.sqlserver.tsql.storage_port import Argument


def bind_all(arguments: Sequence[Argument]) -> list[Any]:
    """Return the values asyncpg takes.

    Raises:
        SqlError: a text holds a character the storage keeps for itself.
    """
    try:
        return [
            encode_variant(a.value)
            if a.type.name == "sql_variant" and a.value is not None
            else forms.bind(a.value, a.type)
            for a in arguments
        ]
    except ValueError as error:
        raise SqlError(8114, f"Error converting a parameter: {error}.", state=5) from error
