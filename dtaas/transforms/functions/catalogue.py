"""All functions by name: our own, and those that installed packages bring."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from dtaas.transforms.functions.function import Function
from dtaas.transforms.functions.masking import MASKING_FUNCTIONS
from dtaas.transforms.functions.moments import MOMENT_FUNCTIONS
from dtaas.transforms.functions.numbers import NUMBER_FUNCTIONS
from dtaas.transforms.functions.text import TEXT_FUNCTIONS
from dtaas.transforms.functions.user import user_function
from dtaas.transforms.functions.values import VALUE_FUNCTIONS
from dtaas.transforms.problems import StepError

GROUP: Final = "dtaas.functions"
"""Entry point group of functions that other packages bring."""
OURS: Final = {
    f.name: f
    for f in (
        *TEXT_FUNCTIONS, *MASKING_FUNCTIONS, *NUMBER_FUNCTIONS, *MOMENT_FUNCTIONS, *VALUE_FUNCTIONS
    )
}  # fmt: skip
ALIASES: Final = {
    "len": "length",
    "substr": "substring",
    "ceiling": "ceil",
    "datetrunc": "date_trunc",
    "isnull": "coalesce",
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "json_value": "json_extract",
    "initcap": "title",
}
"""Other names functions have in SQL."""


def function_named(name: str, field: str) -> Function:
    """Return a function, by any of its names.

    Raises:
        StepError: there is none, or the package that brings it cannot be loaded.
    """
    known = name.lower()
    found = OURS.get(ALIASES.get(known, known))
    if found is not None:
        return found
    point = _points().get(name)
    if point is None:
        raise StepError(
            "unknown_function", field, f"There is no function {name!r}.",
            f"There are: {', '.join([*OURS, *_points()])}.",
        )  # fmt: skip
    return _loaded(point, field)


def all_functions() -> tuple[Function, ...]:
    """Return the catalogue; packages whose function cannot be loaded are left out."""
    found = list(OURS.values())
    for point in _points().values():
        try:
            found.append(_loaded(point, ""))
        except StepError:  # told to whoever uses it
            continue
    return tuple(found)


@cache
def _points() -> Mapping[str, EntryPoint]:
    return {p.name: p for p in entry_points(group=GROUP) if p.name not in OURS}


def _loaded(point: EntryPoint, field: str) -> Function:
    try:
        return user_function(point.name, point.load())
    except Exception as error:
        raise StepError(
            "unknown_function", field,
            f"Function {point.name!r} of {point.value} cannot be loaded: {error}",
            "Mend or remove the package that brings it.",
        ) from error  # fmt: skip
