"""Mistakes in a request's data, told with the JSON path of the offending field."""

import re
from typing import Final

import msgspec

from dtaas.model.errors import ValidationFailedError

# msgspec gives its findings as text only: "Expected `int`, got `str` - at `$.port`", and names a
# field that is missing or unknown in the sentence, with the path of the object around it.
_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.+)`)?$", re.DOTALL)
_FIELD: Final = re.compile(r"(?:missing required|contains unknown) field `(?P<name>[^`]+)`")


def refusal(exc: msgspec.ValidationError, *, at: str = "$") -> ValidationFailedError:
    """Return the error for data that msgspec refused.

    Args:
        at: JSON path of the value that was decoded.
    """
    match = _PATH.match(str(exc))
    what, path = (match["what"], match["path"] or "$") if match else (str(exc), "$")
    field = at + path.removeprefix("$")
    named = _FIELD.search(what)
    if named is not None:
        field = f"{field}.{named['name']}"
    return ValidationFailedError(f"{what} at {field}.", field=field)
