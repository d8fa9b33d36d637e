"""From one column type to another, value by value exact or marked as not fitting.

Nothing is cut off or rounded in silence, with two exceptions that are in the nature of the target:
numbers become the nearest floating-point number, and times lose the digits the target does not
keep.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.type_text import type_text
from dtaas.model.types import (
    MICROSECOND_DIGITS,
    MILLISECOND_DIGITS,
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
    arrow_type,
)
from dtaas.transforms.timestamps import timestamps_of, timestamps_text
from dtaas.transforms.vector import Vector, nulled, worked_out

Cast: TypeAlias = Callable[[Vector, int], Vector]
"""From values and the number of rows to values."""
Convert: TypeAlias = Callable[[pa.Array], pa.Array]
_NUMBER: Final = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?$"
_INT64_DIGITS: Final = 19
_TRUE: Final = pa.array(["true", "1", "t", "yes", "y", "on"])
_FALSE: Final = pa.array(["false", "0", "f", "no", "n", "off"])
_UUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_DATE: Final = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_CLOCK: Final = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,7})?)?"
_OFFSET: Final = r"[+-](0\d|1[0-4]):[0-5]\d"
TEXTS: Final = (String, Uuid, Xml, Json, Variant, TimestampTz)


def cast_of(source: ColumnType, target: ColumnType) -> Cast | None:
    """Return how values are cast, None where there is no way that makes sense."""
    steps = _steps(source, target)
    if steps is None:
        return None
    shape, convert = steps
    reason = f"not a value of {type_text(target)}"

    def cast(vector: Vector, rows: int) -> Vector:
        if shape is not None:
            vector = _shaped(vector, shape, rows, reason)
        return worked_out(_as_array(convert, arrow_type(source)), [vector], rows, reason)

    return cast


def _as_array(convert: Convert, kind: pa.DataType) -> Convert:
    """Let a conversion of arrays take a scalar too."""

    def run(values: pa.Array | pa.Scalar) -> pa.Array | pa.Scalar:
        if isinstance(values, pa.Scalar):
            return convert(pa.repeat(values, 1).cast(kind))[0]
        return convert(values)

    return run


def _shaped(vector: Vector, pattern: str, rows: int, reason: str) -> Vector:
    """Mark texts that do not look as they should; trims them."""
    texts = pc.utf8_trim_whitespace(vector.array(rows))
    fits = pc.match_substring_regex(texts, pattern)
    wrong = pc.fill_null(pc.invert(fits), False).to_numpy(zero_copy_only=False)
    if not wrong.any():
        return Vector(texts, vector.bad, vector.reason)
    bad = wrong if vector.bad is None else wrong | vector.bad
    return Vector(nulled(texts, wrong), bad, reason)


def _steps(source: ColumnType, target: ColumnType) -> tuple[str | None, Convert] | None:
    if source == target:
        return None, _same
    match target:
        case String():
            return _to_string(source, target)
        case Integer() | Decimal() | Float():
            return _to_number(source, target)
        case Boolean():
            return _to_boolean(source)
        case Date() | Time() | Timestamp() | TimestampTz():
            return _to_time(source, target)
        case Binary():
            if not isinstance(source, String | Binary):
                return None
            return None, lambda values: _no_longer(values.cast(pa.binary()), target.max_bytes)
        case Uuid():
            return (_UUID, pc.utf8_lower) if isinstance(source, String) else None
        case Json():
            return (None, _json) if isinstance(source, String | Variant) else None
        case _:
            return None


def _same(values: pa.Array) -> pa.Array:
    return values


def _to_string(source: ColumnType, target: String) -> tuple[str | None, Convert] | None:
    convert = text_of(source)
    if convert is None:
        return None
    return None, lambda values: _no_longer(convert(values), target.max_chars)


def text_of(source: ColumnType) -> Convert | None:
    """Return how values are written as text, None where bytes are not text."""
    match source:
        case Boolean() | Integer() | Float() | Date():
            return lambda values: values.cast(pa.string())
        case Binary():
            return lambda values: values.cast(pa.string())
        case Decimal(precision=precision, scale=scale):
            return lambda values: _decimal_text(values.cast(pa.decimal128(precision, scale)))
        case Time(digits=digits):
            length = len("HH:MM:SS") + (digits + 1 if digits else 0)
            return lambda values: pc.utf8_slice_codeunits(values.cast(pa.string()), 0, length)
        case Timestamp(digits=digits):
            return lambda values: timestamps_text(values, digits)
        case _:
            return _same


def _decimal_text(values: pa.Array) -> pa.Array:
    """Write decimals without exponents, which Arrow uses for small ones."""
    texts = values.cast(pa.string())
    small = pc.match_substring(texts, "E")
    if not pc.any(small).as_py():
        return texts
    plain = [f"{value:f}" for value in values.filter(pc.fill_null(small, False)).to_pylist()]
    return pc.replace_with_mask(texts, pc.fill_null(small, False), pa.array(plain))


def _no_longer(values: pa.Array, limit: int | None) -> pa.Array:
    """Refuse values longer than their type: nothing is ever cut off."""
    if limit is None:
        return values
    length = pc.binary_length if pa.types.is_binary(values.type) else pc.utf8_length
    longest = pc.max(length(values)).as_py()
    if longest is not None and longest > limit:
        raise pa.ArrowInvalid(f"longer than {limit}")
    return values


def _to_number(source: ColumnType, target: ColumnType) -> tuple[str | None, Convert] | None:
    kind = arrow_type(target)
    if isinstance(source, String | Variant):
        whole = r"^[+-]?\d+$" if isinstance(target, Integer) else _NUMBER
        return whole, lambda values: _finite(_unsigned(values).cast(kind))
    if isinstance(source, Boolean):
        return None, lambda values: _exact(values.cast(pa.int16()), kind)
    if isinstance(target, Float) and isinstance(source, Integer | Decimal | Float):
        return None, lambda values: _narrowed(values, kind)
    if isinstance(source, Integer | Decimal | Float):
        return None, lambda values: _exact(values, kind)
    return None


def _exact(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind) and pa.types.is_integer(values.type):
        values = values.cast(pa.decimal128(_INT64_DIGITS, 0))  # else Arrow asks for room for all
    return values.cast(kind)


def _unsigned(values: pa.Array) -> pa.Array:
    return pc.utf8_ltrim(values, characters="+")


def _finite(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py():
        raise pa.ArrowInvalid("too large")
    return values


def _narrowed(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values.cast(kind, safe=False)
    result = values.cast(kind, safe=False)
    if pc.any(pc.and_(pc.is_inf(result), pc.invert(pc.is_inf(values)))).as_py():
        raise pa.ArrowInvalid("too large")
    return result


def _to_boolean(source: ColumnType) -> tuple[str | None, Convert] | None:
    if isinstance(source, String | Variant):
        return r"(?i)^(true|false|t|f|yes|no|y|n|on|off|1|0)$", lambda values: pc.if_else(
            pc.is_valid(values), pc.is_in(pc.utf8_lower(values), _TRUE), pa.scalar(None, pa.bool_())
        )
    if isinstance(source, Integer | Decimal | Float):
        return None, lambda values: pc.not_equal(values, pa.scalar(0, values.type))
    return None


def _to_time(source: ColumnType, target: ColumnType) -> tuple[str | None, Convert] | None:
    if isinstance(source, Time) and isinstance(target, Time):
        return None, lambda values: _clock(values, target.digits)
    if isinstance(source, String | Variant):
        return _shape(target), _parsing(target)
    if not isinstance(source, Date | Timestamp | TimestampTz):
        return None
    convert = _between_times(source, target)
    return None if convert is None else (None, convert)


def _parsing(target: ColumnType) -> Convert:
    """Return how texts of the right shape are read."""
    match target:
        case TimestampTz():
            return _offset_text
        case Time(digits=digits):
            return lambda values: _clock(_clock_times(values, digits), digits)
        case Timestamp(digits=digits):
            if digits > MICROSECOND_DIGITS:
                return _exact_text
            return lambda values: _timestamp(timestamps_of(values), digits)
        case _:
            return lambda values: timestamps_of(values).cast(pa.date32())


def _between_times(source: Date | Timestamp | TimestampTz, target: ColumnType) -> Convert | None:
    read = _reader(source)
    match target:
        case Date():
            return lambda values: read(values).cast(pa.date32())
        case Time(digits=digits):
            if isinstance(source, Date):
                return None
            return lambda values: _clock(read(values).cast(pa.time64("us")), digits)
        case Timestamp(digits=digits):
            if digits > MICROSECOND_DIGITS and isinstance(source, TimestampTz):
                return lambda values: _exact_text(
                    pc.replace_substring_regex(values, r" [+-]\d\d:\d\d$", "")
                )
            return lambda values: _timestamp(read(values), digits)
        case TimestampTz(digits=digits):
            return lambda values: pc.binary_join_element_wise(
                timestamps_text(_timestamp(read(values), digits), digits), "+00:00", " "
            )
        case _:
            return None


def _shape(target: ColumnType) -> str:
    match target:
        case Date():
            return f"^{_DATE}$"
        case Time():
            return f"^{_CLOCK}$"
        case TimestampTz():
            return f"^{_DATE}[ T]{_CLOCK} ?({_OFFSET}|Z)$"
        case _:
            return f"^{_DATE}([ T]{_CLOCK})?$"


def _reader(source: ColumnType) -> Convert:
    if isinstance(source, Date):
        return lambda values: values.cast(pa.timestamp("us"))
    return timestamps_of


def _clock_times(values: pa.Array, digits: int) -> pa.Array:
    unit = "us" if digits <= MICROSECOND_DIGITS else "ns"
    full = pc.binary_join_element_wise("1970-01-01", values, " ")
    return full.cast(pa.timestamp("ns")).cast(pa.time64(unit), safe=False)


def _clock(values: pa.Array, digits: int) -> pa.Array:
    """Cut a time of day to its digits."""
    unit = "us" if digits <= MICROSECOND_DIGITS else "ns"
    if digits > MICROSECOND_DIGITS:
        step = 10 ** (9 - digits)
        counts = values.cast(pa.time64("ns")).cast(pa.int64())
    else:
        step = 10 ** (MICROSECOND_DIGITS - digits)
        counts = values.cast(pa.time64("us"), safe=False).cast(pa.int64())
    cut = pc.multiply(pc.divide(counts, step), step)
    return cut.cast(pa.time64(unit))


def _timestamp(values: pa.Array, digits: int) -> pa.Array:
    if digits > MICROSECOND_DIGITS:
        return pc.binary_join_element_wise(values.cast(pa.string()), "0", "")
    step = 10 ** (MICROSECOND_DIGITS - digits)
    cut = values if step == 1 else pc.floor_temporal(values, multiple=step, unit="microsecond")
    return cut.cast(pa.timestamp("ms" if digits <= MILLISECOND_DIGITS else "us"))


def _exact_text(values: pa.Array) -> pa.Array:
    """Write texts of dates and times with seven digits."""
    timestamps_of(values)  # refuses the 30th of February
    full = pc.replace_substring(values, "T", " ")
    full = pc.replace_substring_regex(full, r"^(\S+)$", r"\1 00:00")
    full = pc.replace_substring_regex(full, r"( \d\d:\d\d)$", r"\1:00")
    full = pc.replace_substring_regex(full, r"(:\d\d:\d\d)$", r"\1.")
    return pc.utf8_rpad(full, 27, padding="0")


def _offset_text(values: pa.Array) -> pa.Array:
    timestamps_of(values)
    full = pc.replace_substring(values, "T", " ")
    full = pc.replace_substring_regex(full, r" ?Z$", " +00:00")
    full = pc.replace_substring_regex(full, r"^(\S+ \d\d:\d\d)( ?[+-])", r"\1:00\2")
    return pc.replace_substring_regex(full, r" ?([+-]\d\d:\d\d)$", r" \1")


def _json(values: pa.Array) -> pa.Array:
    for text in values.to_pylist():
        try:
            if text is not None:
                msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise pa.ArrowInvalid(str(error)) from None
    return values
