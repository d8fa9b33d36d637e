"""Secrets of files: `${env:NAME}` instead of the value."""

from collections.abc import Mapping
from typing import Final

from dtaas.model.secret_references import SecretReference, SecretScheme, parse_secret

_OWN: Final = "DTAAS_"
_OPEN: Final = "DTAAS_SECRET_"
_REFERENCE: Final = "${"


class References:
    """Says what is stored for a secret of a file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Look variables up in the daemon's environment."""
        self._environment = environment

    def stored(self, text: str, given: Mapping[str, str]) -> str | None:
        """Return what is to be stored for a secret of a file, None when it leads nowhere.

        A reference stays one, and is looked up whenever the connector connects.

        Args:
            given: values by name that came with the file; they take the place of a reference.
        """
        name = reference_name(text)
        if name is None:
            return text
        if name in given:
            value = given[name]
            return f"${value}" if value.startswith(_REFERENCE) else value
        own = name.startswith(_OWN) and not name.startswith(_OPEN)
        return text if name in self._environment and not own else None


def reference_name(text: str) -> str | None:
    """Return the NAME of a `${env:NAME}`, None when the text is none."""
    try:
        found = parse_secret(text)
    except ValueError:
        return None  # told where the configuration is decoded
    if isinstance(found, SecretReference) and found.scheme is SecretScheme.ENV:
        return found.name
    return None
