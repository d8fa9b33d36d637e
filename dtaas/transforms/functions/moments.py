"""Functions of dates and times. Times without zone are what their clock showed."""

import zoneinfo
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import (
    MICROSECOND_DIGITS,
    ColumnType,
    Date,
    Integer,
    String,
    Timestamp,
    TimestampTz,
    arrow_type,
)
from dtaas.transforms.functions.function import MOMENT, Arguments, Function, Parameter, Run
from dtaas.transforms.problems import StepError
from dtaas.transforms.timestamps import timestamps_of

PARTS: Final = {
    "year": pc.year,
    "quarter": pc.quarter,
    "month": pc.month,
    "week": pc.iso_week,
    "day": pc.day,
    "day_of_year": pc.day_of_year,
    "day_of_week": lambda v: pc.day_of_week(v, count_from_zero=False, week_start=1),
    "hour": pc.hour,
    "minute": pc.minute,
    "second": pc.second,
    "millisecond": pc.millisecond,
}
_WORDS: Final = {
    "week": "ISO week of the year, 1 to 53",
    "day_of_week": "Day of the week, 1 (Monday) to 7",
    "day_of_year": "Day of the year, 1 to 366",
    "millisecond": "Thousandths of the second",
}
UNITS: Final = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
_DAY_UNITS: Final = ("year", "quarter", "month", "week", "day")
_UNIT: Final = Parameter(
    name="unit", kind="string", choices=UNITS, description="What the result is a beginning of"
)
_MOST_ZONE: Final = "an IANA zone such as Europe/Berlin"


def _part(name: str, kernel: Callable[[pa.Array], pa.Array]) -> Function:
    return Function(
        name=name,
        group="dates",
        description=_WORDS.get(name, f"The {name} as a number"),
        build=lambda *_: (Integer(32), lambda v: kernel(timestamps_of(v)).cast(pa.int32())),
        takes=MOMENT,
    )


def _trunc(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    unit = str(arguments["unit"])
    if isinstance(kind, Date):
        if unit not in _DAY_UNITS:
            raise StepError("bad_argument", "unit", f"A date has no {unit}.")
        return kind, lambda v: pc.floor_temporal(v, unit=unit)
    digits = kind.digits if isinstance(kind, Timestamp) else MICROSECOND_DIGITS
    return _stored(digits, lambda v: pc.floor_temporal(timestamps_of(v), unit=unit))


def _stored(digits: int, run: Run) -> tuple[ColumnType, Run]:
    """Return a time without zone in the form its column has."""
    digits = min(digits, MICROSECOND_DIGITS)
    kind = Timestamp(digits)
    return kind, lambda v: run(v).cast(arrow_type(kind), safe=False)


def _zone(arguments: Arguments, name: str) -> str:
    zone = str(arguments[name])
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise StepError(
            "bad_argument", name, f"There is no time zone {zone!r}.", f"Write {_MOST_ZONE}."
        ) from None
    return zone


def _convert_zone(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    origin, target = _zone(arguments, "from_zone"), _zone(arguments, "to_zone")

    def run(values: pa.Array) -> pa.Array:
        local = timestamps_of(values)
        known = pc.assume_timezone(local, origin, ambiguous="earliest", nonexistent="latest")
        return pc.local_timestamp(known.cast(pa.timestamp("us", tz=target)))

    digits = kind.digits if isinstance(kind, Timestamp) else MICROSECOND_DIGITS
    return _stored(digits, run)


def _at_zone(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    target = _zone(arguments, "to_zone")

    def run(values: pa.Array) -> pa.Array:
        return pc.local_timestamp(instants(values).cast(pa.timestamp("us", tz=target)))

    digits = kind.digits if isinstance(kind, TimestampTz) else MICROSECOND_DIGITS
    return _stored(digits, run)


def instants(values: pa.Array) -> pa.Array:
    """Return what texts with a UTC offset mean, as timestamps of UTC."""
    found = pc.extract_regex(values, r"(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)$")
    hours = pc.struct_field(found, ["hours"]).cast(pa.int64())
    minutes = pc.add(pc.multiply(hours, 60), pc.struct_field(found, ["minutes"]).cast(pa.int64()))
    ahead = pc.if_else(pc.equal(pc.struct_field(found, ["sign"]), "-"), pc.negate(minutes), minutes)
    offset = pc.multiply(ahead, 60_000_000).cast(pa.duration("us"))
    return pc.subtract(timestamps_of(values), offset).cast(pa.timestamp("us", tz="UTC"))


def _format(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    pattern = str(arguments["format"])
    return String(None), lambda v: pc.strftime(
        timestamps_of(v).cast(pa.timestamp("s"), safe=False), format=pattern
    )


def _parse(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    pattern = str(arguments["format"])
    return Timestamp(0), lambda v: pc.strptime(
        pc.utf8_trim_whitespace(v), format=pattern, unit="ms"
    )


def _add(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    unit, amount = str(arguments["unit"]), int(arguments["amount"] or 0)
    step_us = amount * {"week": 7 * 86400, "day": 86400, "hour": 3600, "minute": 60, "second": 1}[
        unit
    ] * 1_000_000  # fmt: skip
    step = pa.scalar(step_us, pa.duration("us"))
    if isinstance(kind, Date):
        if unit not in {"week", "day"}:
            raise StepError("bad_argument", "unit", f"A date has no {unit}.")
        return kind, lambda v: pc.add_checked(v.cast(pa.timestamp("us")), step).cast(pa.date32())
    digits = kind.digits if isinstance(kind, Timestamp) else MICROSECOND_DIGITS
    return _stored(digits, lambda v: pc.add_checked(timestamps_of(v), step))


MOMENT_FUNCTIONS: Final = (
    *(_part(name, kernel) for name, kernel in PARTS.items()),
    Function(
        name="date_trunc",
        group="dates",
        description="The beginning of the year, month, hour … a time lies in",
        build=_trunc,
        takes=MOMENT,
        parameters=(_UNIT,),
    ),
    Function(
        name="date_add",
        group="dates",
        description="A time later or earlier by a fixed amount",
        build=_add,
        takes=MOMENT,
        parameters=(
            Parameter(
                name="unit", kind="string", choices=UNITS[3:], description="What is added"
            ),
            Parameter(
                name="amount", kind="integer", least=-10_000_000, most=10_000_000,
                description="How many; negative for earlier",
            ),
        ),
    ),
    Function(
        name="convert_timezone",
        group="dates",
        description="What the clock of another zone shows; of a time that a clock shows twice the "
        "first is meant, one that it skips is the one after the gap",
        build=_convert_zone,
        takes=(Timestamp,),
        parameters=(
            Parameter(name="from_zone", kind="string", default="UTC",
                      description=f"Zone of the column, {_MOST_ZONE}"),
            Parameter(name="to_zone", kind="string", description=f"Zone wanted, {_MOST_ZONE}"),
        ),
    ),
    Function(
        name="at_timezone",
        group="dates",
        description="What the clock of a zone shows at a time that has a UTC offset",
        build=_at_zone,
        takes=(TimestampTz,),
        parameters=(
            Parameter(name="to_zone", kind="string", default="UTC",
                      description=f"Zone wanted, {_MOST_ZONE}"),
        ),
    ),
    Function(
        name="format_date",
        group="dates",
        description="A date as text",
        build=_format,
        takes=MOMENT,
        parameters=(
            Parameter(name="format", kind="string", default="%Y-%m-%d",
                      description="As in strftime: %Y-%m-%d %H:%M:%S"),
        ),
    ),
    Function(
        name="parse_date",
        group="dates",
        description="Text as date and time",
        build=_parse,
        takes=(String,),
        parameters=(
            Parameter(name="format", kind="string",
                      description="As in strptime: %d.%m.%Y %H:%M:%S"),
        ),
    ),
)  # fmt: skip
