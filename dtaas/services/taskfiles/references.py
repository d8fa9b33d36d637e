"""Secrets of files: `${env:NAME}` instead of the value."""

import re
from collections.abc import Mapping
from typing import Final

_ENVIRONMENT: Final = re.compile(r"\$\{env:([^{}]+)\}")
_ALLOWED: Final = re.compile(r"DTAAS(?:_[A-Z0-9]+)+")
"""Our own names, without the double underscore of the daemon's settings: who may write a connector
must not be able to send the daemon's other secrets to a server of theirs."""


class References:
    """Finds what references stand for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Look references up in the daemon's environment."""
        self._environment = environment

    def value(self, text: str, given: Mapping[str, str]) -> str | None:
        """Return what is to be stored for a secret of a file, None when it leads nowhere.

        Args:
            given: values by name that came with the file; they go before the environment.
        """
        found = _ENVIRONMENT.fullmatch(text)
        if found is None:
            return text
        name = found[1]
        if name in given:
            return given[name]
        return self._environment.get(name) if _ALLOWED.fullmatch(name) else None


def reference_name(text: str) -> str | None:
    """Return the NAME of a `${env:NAME}`, None when the text is none."""
    found = _ENVIRONMENT.fullmatch(text)
    return found[1] if found else None
