"""What a function of the catalogue is: the columns it takes, its arguments, what it gives."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import pyarrow as pa
from msgspec import UNSET, Struct, UnsetType

from dtaas.model.transformations import Scalar
from dtaas.model.type_text import type_text
from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Variant,
    Xml,
)
from dtaas.transforms.problems import StepError

Arguments: TypeAlias = Mapping[str, Scalar]
Run: TypeAlias = Callable[[pa.Array], pa.Array]
Build: TypeAlias = Callable[[ColumnType, Arguments], tuple[ColumnType, Run]]
"""From the column's type and the arguments to the result's type and the kernel.

The kernel raises ArrowInvalid for values it refuses.
"""

TEXT: Final = (String, Json, Xml, Uuid)
NUMBER: Final = (Integer, Decimal, Float)
MOMENT: Final = (Date, Timestamp, TimestampTz)
CLOCK: Final = (Time, Timestamp, TimestampTz)
ANY: Final = (
    Boolean, Integer, Decimal, Float, Date, Time, Timestamp, TimestampTz,
    String, Binary, Uuid, Xml, Json, Variant,
)  # fmt: skip
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "any": (str, int, float, bool),
}


class Parameter(Struct, frozen=True, kw_only=True):
    """An argument beside the column.

    Attributes:
        kind: string, integer, number, boolean, or any.
        default: what holds when it is not given; unset when it must be.
    """

    name: str
    kind: str
    description: str
    default: Scalar | UnsetType = UNSET
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    def schema(self) -> dict[str, object]:
        """Return the argument as JSON Schema."""
        found: dict[str, object] = {"description": self.description}
        if self.kind != "any":
            found["type"] = self.kind
        if self.default is not UNSET:
            found["default"] = self.default
        if self.choices:
            found["enum"] = list(self.choices)
        if self.least is not None:
            found["minimum"] = self.least
        if self.most is not None:
            found["maximum"] = self.most
        return found


class Function(Struct, frozen=True, kw_only=True):
    """One entry of the catalogue.

    Attributes:
        takes: column types, classes of `ColumnType`.
        one_to_one: different values stay different, so that keys may pass through.
        may_null: gives NULL for some values that are not.
        fills_null: gives a value for NULL.
    """

    name: str
    group: str
    description: str
    build: Build
    takes: tuple[type, ...] = TEXT
    parameters: tuple[Parameter, ...] = ()
    one_to_one: bool = False
    may_null: bool = False
    fills_null: bool = False

    def schema(self) -> dict[str, object]:
        """Return the arguments as the JSON Schema of an object."""
        return {
            "type": "object",
            "properties": {p.name: p.schema() for p in self.parameters},
            "required": [p.name for p in self.parameters if p.default is UNSET],
            "additionalProperties": False,
        }

    def check_column(self, column: str, kind: ColumnType, field: str) -> None:
        """Refuse a column the function cannot take.

        Raises:
            StepError: it cannot.
        """
        if not isinstance(kind, self.takes):
            takes = ", ".join(t.__name__.lower() for t in self.takes)
            raise StepError(
                "type_mismatch", field,
                f"{self.name} cannot take {column}, which is {type_text(kind)}.",
                f"It takes: {takes}. Cast the column first.",
            )  # fmt: skip

    def filled(self, given: Arguments, field: str) -> dict[str, Scalar]:
        """Return all arguments, checked.

        Raises:
            StepError: one is unknown, missing or not what it should be.
        """
        known = {p.name: p for p in self.parameters}
        for name in given:
            if name not in known:
                raise StepError(
                    "bad_argument", f"{field}.{name}", f"{self.name} has no argument {name!r}.",
                    f"Its arguments: {', '.join(known) or 'none'}.",
                )  # fmt: skip
        return {p.name: self._argument(p, given, f"{field}.{p.name}") for p in self.parameters}

    def _argument(self, parameter: Parameter, given: Arguments, field: str) -> Scalar:
        value = given.get(parameter.name, parameter.default)
        if value is UNSET:
            raise StepError(
                "bad_argument", field, f"{self.name} needs the argument {parameter.name!r}.",
                parameter.description,
            )  # fmt: skip
        if parameter.name not in given:
            return value
        wrong = _wrong(parameter, value)
        if wrong:
            raise StepError(
                "bad_argument", field, f"{parameter.name} of {self.name} {wrong}.",
                parameter.description,
            )  # fmt: skip
        return value


def _wrong(parameter: Parameter, value: object) -> str:
    """Return what is wrong with an argument, '' when nothing is."""
    kinds = _KINDS[parameter.kind]
    if value is None and parameter.kind != "any":
        return "must not be null"
    is_flag = isinstance(value, bool) and bool not in kinds
    if value is not None and (not isinstance(value, kinds) or is_flag):
        return f"must be of type {parameter.kind}"
    if parameter.choices and value not in parameter.choices:
        return f"must be one of {', '.join(parameter.choices)}"
    if isinstance(value, int) and parameter.least is not None and value < parameter.least:
        return f"must be at least {parameter.least}"
    if isinstance(value, int) and parameter.most is not None and value > parameter.most:
        return f"must be at most {parameter.most}"
    return ""


def same_type(run: Run) -> Build:
    """Return the build of a function that keeps the type."""
    return lambda kind, _: (kind, run)


def text_limit(kind: ColumnType) -> int | None:
    """Return the most characters of a text column, None when unbounded."""
    if isinstance(kind, Uuid):
        return 36
    return kind.max_chars if isinstance(kind, String) else None
