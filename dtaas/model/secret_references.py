"""References that stand for secrets.

`${env:NAME}`, `${file:/path}`, `${aws-sm:name#key}` and `${vault:path#key}`: a secret is a
reference as a whole, or it is taken as it is.
"""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

_SHAPE: Final = re.compile(r"^\$\{(?P<scheme>[^:{}]*):(?P<rest>[^{}]*)\}$", re.DOTALL)
_ESCAPED: Final = "$${"
_VARIABLE: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_HINT: Final = (
    "Use ${env:NAME}, ${file:/absolute/path}, ${aws-sm:name#key} or ${vault:path#key}; "
    "a value that really begins with ${ is written with $${."
)


class SecretScheme(StrEnum):
    """Where a reference points to."""

    ENV = "env"
    FILE = "file"
    AWS = "aws-sm"
    VAULT = "vault"


class SecretReference(Struct, frozen=True):
    """A place a secret is kept.

    Attributes:
        name: of the variable, file, AWS secret (name or ARN), or the path in Vault.
        key: which value of the secret; empty takes all of it, which Vault does not have.
    """

    scheme: SecretScheme
    name: str
    key: str = ""

    def __str__(self) -> str:
        """Return the reference as it is written."""
        return f"${{{self.scheme}:{self.name}{'#' if self.key else ''}{self.key}}}"


def parse_secret(value: str) -> SecretReference | str:
    """Return the reference that `value` is, else the secret itself.

    Raises:
        ValueError: it looks like a reference and is none; the text never repeats what it says.
    """
    if value.startswith(_ESCAPED):
        return value[1:]
    found = _SHAPE.match(value)
    if found is None:
        return value
    try:
        scheme = SecretScheme(found["scheme"])
    except ValueError:
        raise ValueError(f"There is no such kind of reference. {_HINT}") from None
    name, _, key = found["rest"].partition("#")
    if not _well_formed(scheme, name, key):
        raise ValueError(f"The reference ${{{scheme}:…}} is not complete. {_HINT}")
    return SecretReference(scheme, name, key)


def _well_formed(scheme: SecretScheme, name: str, key: str) -> bool:
    match scheme:
        case SecretScheme.ENV:
            return _VARIABLE.match(name) is not None and not key
        case SecretScheme.FILE:
            return name.startswith("/") and "\0" not in name and not key
        case SecretScheme.AWS:
            return bool(name)
        case SecretScheme.VAULT:
            parts = name.strip("/").split("/")
            return bool(key) and all(part not in ("", ".", "..") for part in parts)
