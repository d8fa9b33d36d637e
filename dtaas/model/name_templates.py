"""Names by template: `raw/{schema:lower}/{table:snake}`, `src_{column:snake}`. Pure."""

import re
from collections.abc import Sequence
from string import Formatter
from typing import Final

from dtaas.model.errors import ValidationFailedError
from dtaas.model.schema import TableRef

TABLE_PLACEHOLDERS: Final = ("schema", "table", "task")
COLUMN_PLACEHOLDERS: Final = ("column", *TABLE_PLACEHOLDERS)

_MODIFIERS: Final = ("lower", "upper", "snake")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD: Final = re.compile(r"\W+")


def check_template(template: str, field: str) -> None:
    """Refuse a template of targets that cannot be filled.

    Raises:
        ValidationFailedError: a stray brace, or a placeholder or modifier there is not.
    """
    _check_placeholders(template, TABLE_PLACEHOLDERS, field)
    if template and any(level.strip() in {"", ".", ".."} for level in template.split("/")):
        raise ValidationFailedError(
            f"A level of the template {template!r} is empty.",
            hint="Separate levels by single slashes.",
            field=field,
        )


def check_column_template(template: str, field: str) -> None:
    """Refuse a template of column names that cannot be filled, or gives all columns one name.

    Raises:
        ValidationFailedError: it is one of them.
    """
    names = _check_placeholders(template, COLUMN_PLACEHOLDERS, field)
    if template and "column" not in names:
        raise ValidationFailedError(
            f"The template {template!r} gives all columns one name.",
            hint="Put {column} into it, such as {column:snake}.",
            field=field,
        )


def _check_placeholders(template: str, known: Sequence[str], field: str) -> set[str]:
    named = ", ".join(f"{{{name}}}" for name in known)
    hint = f"There are {named}, each also with :{', :'.join(_MODIFIERS)}."
    try:
        parts = list(Formatter().parse(template))
    except ValueError as exc:
        raise ValidationFailedError(
            f"The template {template!r} has a stray brace.", hint=hint, field=field
        ) from exc
    used = set[str]()
    for _, name, modifier, conversion in parts:
        if name is None:
            continue
        if name not in known or conversion or (modifier and modifier not in _MODIFIERS):
            wrong = f"{{{name}{':' + modifier if modifier else ''}}}"
            raise ValidationFailedError(
                f"The template {template!r} has no placeholder {wrong}.", hint=hint, field=field
            )
        used.add(name)
    return used


def filled(template: str, table: TableRef, task_name: str) -> tuple[str, ...]:
    """Return the path a checked template makes of a table."""
    values = _values(table, task_name)
    return tuple(level.format_map(values) for level in template.split("/"))


def column_name(template: str, column: str, table: TableRef, task_name: str) -> str:
    """Return the name a checked template makes of a column."""
    return template.format_map({**_values(table, task_name), "column": _Name(column)})


def snake(name: str) -> str:
    """Return a name in lower case with underscores between its words."""
    return _NO_WORD.sub("_", _HUMP.sub("_", name)).strip("_").lower() or name


def _values(table: TableRef, task_name: str) -> dict[str, "_Name"]:
    return {
        "schema": _Name(table.schema),
        "table": _Name(table.name),
        "task": _Name(task_name),
    }


class _Name(str):
    __slots__ = ()

    def __format__(self, modifier: str) -> str:
        match modifier:
            case "lower":
                return self.lower()
            case "upper":
                return self.upper()
            case "snake":
                return snake(self)
            case _:
                return str(self)
