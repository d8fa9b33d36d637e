"""Functions of texts. Source: Microsoft Learn, "String functions (Transact-SQL)"."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.storage.collations import like_form
from dtaas.sandbox.sqlserver.tsql.comparing import collation_of, merge_collations
from dtaas.sandbox.sqlserver.tsql.conditions import as_text
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, code_page, convert
from dtaas.sandbox.sqlserver.tsql.errors import invalid_argument_type
from dtaas.sandbox.sqlserver.tsql.function import Function, call
from dtaas.sandbox.sqlserver.tsql.names import Compilation
from dtaas.sandbox.sqlserver.tsql.type_rules import (
    BINARIES,
    CHARACTERS,
    CLR,
    NATIONAL,
    text_type,
)
from dtaas.sandbox.sqlserver.tsql.value import BIGINT, FLOAT, INT, Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_Values = Sequence[Value]
_BYTES: Final = {
    "bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "money": 8, "smallmoney": 4,
    "real": 4, "float": 8, "date": 3, "smalldatetime": 4, "datetime": 8, "uniqueidentifier": 16,
}  # fmt: skip
_MOMENT_BYTES: Final = {"time": 3, "datetime2": 6, "datetimeoffset": 8}
_QUOTED_UNITS: Final = 258


def _length(values: _Values, _: Compilation) -> Value:
    value = values[0]
    if value.type.name in BINARIES:
        return call("octet_length", [value.sql], INT, value)
    text = as_text(value, 1, "len")
    type_ = BIGINT if text.type.length == MAX and value.type.name in CHARACTERS else INT
    result = call("tsql.len", [text.sql], type_, value)
    return replace(result, sql=f"{result.sql}::bigint") if type_ == BIGINT else result


def _data_length(values: _Values, _: Compilation) -> Value:
    value, name = values[0], values[0].type.name
    large = value.type.length == MAX or name in {"text", "ntext", "image", "xml"}
    type_ = BIGINT if large else INT
    if name in CHARACTERS | {"xml"}:
        unit = 0 if name in NATIONAL | {"xml"} else code_page(value.type)
        sql = f"tsql.bytes_in({value.sql}, {unit})"
    elif name in BINARIES | CLR:
        sql = f"octet_length({value.sql})"
    else:
        if name in _BYTES:
            size = _BYTES[name]
        elif name in _MOMENT_BYTES:
            size = _MOMENT_BYTES[name] + sum(value.type.scale > digits for digits in (2, 4))
        elif name in {"decimal", "numeric"}:
            size = 5 + 4 * sum(value.type.precision > digits for digits in (9, 19, 28))
        else:
            raise invalid_argument_type(name, 1, "datalength")
        sql = f"(CASE WHEN {value.sql} IS NOT NULL THEN {size} END)"
    return Value(sql=f"{sql}::bigint" if large else sql, type=type_, nullable=value.nullable)


def _substring(values: _Values, _: Compilation) -> Value:
    start, size = convert(values[1], INT), convert(values[2], INT)
    if values[0].type.name in BINARIES:
        type_ = SqlType("varbinary", values[0].type.length)
        return call("tsql.substring_bytes", [values[0].sql, start.sql, size.sql], type_, *values)
    text = as_text(values[0], 1, "substring")
    return _same(call("tsql.substring", [text.sql, start.sql, size.sql], text.type, *values), text)


def _side(name: str, values: _Values, _: Compilation) -> Value:
    text = as_text(values[0], 1, name)
    count = convert(values[1], INT)
    return _same(call(f"tsql.{name}", [text.sql, count.sql], text.type, *values), text)


def _same(result: Value, text: Value, length: int | None = None) -> Value:
    """Give a result the collation of its text, and a variable-length type."""
    size = text.type.length if length is None else length
    return replace(
        result,
        type=text_type(text.type, size),
        coercibility=text.coercibility,
        conflict=text.conflict,
    )


def _simple(name: str, function: str, values: _Values, _: Compilation) -> Value:
    text = as_text(values[0], 1, name)
    return _same(call(function, [text.sql], text.type, text), text)


def _trim(function: str, values: _Values, _: Compilation) -> Value:
    text = as_text(values[0], 1, function)
    characters = as_text(values[1], 2, function).sql if len(values) > 1 else "' '"
    return _same(call(function, [text.sql, characters], text.type, *values), text)


def _replace(values: _Values, _: Compilation) -> Value:
    texts = [as_text(value, i + 1, "replace") for i, value in enumerate(values)]
    type_ = replace(texts[0].type, collation=collation_of(texts[:2], "replace"))
    x, wanted, substitute = texts
    national = any(text.type.name in NATIONAL for text in texts)
    winner = replace(texts[0], type=replace(type_, name="nvarchar" if national else "varchar"))
    result = call(
        "tsql.replace",
        [x.sql, like_form(x.sql, type_), like_form(wanted.sql, type_), substitute.sql],
        type_,
        *texts,
    )
    return _same(result, winner, MAX if MAX in {t.type.length for t in texts} else 8000 >> national)


def _char_index(values: _Values, _: Compilation) -> Value:
    wanted, text = as_text(values[0], 1, "charindex"), as_text(values[1], 2, "charindex")
    type_ = replace(text.type, collation=collation_of([wanted, text], "charindex"))
    start = convert(values[2], INT).sql if len(values) > 2 else "1"  # noqa: PLR2004 - optional start
    result = call(
        "tsql.charindex",
        [like_form(wanted.sql, type_), like_form(text.sql, type_), start],
        INT,
        *values,
    )
    large = text.type.length == MAX and values[1].type.name in CHARACTERS
    return replace(result, sql=f"{result.sql}::bigint", type=BIGINT) if large else result


def _pattern_index(values: _Values, _: Compilation) -> Value:
    pattern, text = as_text(values[0], 1, "patindex"), as_text(values[1], 2, "patindex")
    type_ = replace(text.type, collation=collation_of([pattern, text], "patindex"))
    return call(
        "tsql.patindex", [like_form(pattern.sql, type_), like_form(text.sql, type_)], INT, *values
    )


def _replicate(values: _Values, _: Compilation) -> Value:
    text, times = as_text(values[0], 1, "replicate"), convert(values[1], INT)
    length = MAX if text.type.length == MAX else (4000 if text.type.name in NATIONAL else 8000)
    result = call("tsql.replicate", [text.sql, times.sql], text.type, *values)
    if length != MAX:
        result = replace(result, sql=f"left({result.sql}, {length})")
    return replace(_same(result, text, length), nullable=True)


def _stuff(values: _Values, _: Compilation) -> Value:
    text, inserted = as_text(values[0], 1, "stuff"), as_text(values[3], 4, "stuff")
    start, size = convert(values[1], INT), convert(values[2], INT)
    arguments = [text.sql, start.sql, size.sql, inserted.sql]
    winner = merge_collations([text, inserted])
    length = (
        MAX
        if MAX in {text.type.length, inserted.type.length}
        else (text.type.length + inserted.type.length)
    )
    return replace(_same(call("tsql.stuff", arguments, text.type), winner, length), nullable=True)


def _concat(values: _Values, compilation: Compilation) -> Value:
    return _joined("concat", [], list(values), compilation)


def _concat_ws(values: _Values, compilation: Compilation) -> Value:
    separator = as_text(values[0], 1, "concat_ws")
    return _joined("tsql.concat_ws", [separator], list(values[1:]), compilation)


def _joined(
    function: str, head: list[Value], values: list[Value], compilation: Compilation
) -> Value:
    texts = [_concat_text(value, compilation) for value in values]
    parts = head + texts
    national = any(text.type.name in NATIONAL for text in parts)
    winner = merge_collations(parts)
    limit = 4000 if national else 8000
    lengths = [text.type.length for text in texts]
    room = sum(lengths) + sum(h.type.length for h in head) * (len(texts) - 1)
    length = MAX if MAX in lengths else min(max(room, 1), limit)
    type_ = SqlType("nvarchar" if national else "varchar", length, collation=winner.type.collation)
    return Value(
        sql=f"{function}({', '.join(part.sql for part in parts)})",
        type=type_,
        nullable=False,
        coercibility=winner.coercibility,
        conflict=winner.conflict,
    )


def _concat_text(value: Value, compilation: Compilation) -> Value:
    if value.type.name in CHARACTERS and not value.is_null:
        return value
    collation = compilation.collation
    width = {"bit": 1, "tinyint": 3, "smallint": 6, "int": 12, "bigint": 24}.get(
        value.type.name, 64
    )
    if value.type.name in BINARIES:
        width = MAX
    return Conversion(SqlType("varchar", 1 if value.is_null else width, collation=collation))(value)


def _char(values: _Values, compilation: Compilation) -> Value:
    code = convert(values[0], INT)
    type_ = SqlType("char", 1, collation=compilation.collation)
    page = code_page(type_)
    return replace(call("tsql.char", [code.sql, str(page)], type_, code), nullable=True)


def _nchar(values: _Values, compilation: Compilation) -> Value:
    code = convert(values[0], INT)
    type_ = SqlType("nchar", 1, collation=compilation.collation)
    return replace(call("tsql.nchar", [code.sql], type_, code), nullable=True)


def _ascii(values: _Values, _: Compilation) -> Value:
    text = as_text(values[0], 1, "ascii")
    result = call("tsql.ascii", [text.sql, str(code_page(text.type))], INT, text)
    return replace(result, nullable=True)


def _unicode(values: _Values, _: Compilation) -> Value:
    text = as_text(values[0], 1, "unicode")
    return replace(call("tsql.unicode", [text.sql], INT, text), nullable=True)


def _quote_name(values: _Values, compilation: Compilation) -> Value:
    text = as_text(values[0], 1, "quotename")
    mark = as_text(values[1], 2, "quotename").sql if len(values) > 1 else "'['"
    type_ = SqlType("nvarchar", _QUOTED_UNITS, collation=compilation.collation)
    return replace(call("tsql.quotename", [text.sql, mark], type_, *values), nullable=True)


def _string_escape(values: _Values, _: Compilation) -> Value:
    text = as_text(values[0], 1, "string_escape")
    if values[1].text is None or values[1].text.lower() != "json":
        raise invalid_argument_type(values[1].type.name, 2, "string_escape")
    return _same(call("tsql.escape_json", [text.sql], text.type, text), text, MAX)


def _space(values: _Values, compilation: Compilation) -> Value:
    count = convert(values[0], INT)
    type_ = SqlType("varchar", 8000, collation=compilation.collation)
    sql = f"tsql.replicate(' ', least({count.sql}, 8000))"
    return Value(sql=sql, type=type_, nullable=True)


def _str(values: _Values, compilation: Compilation) -> Value:
    number = convert(values[0], FLOAT)
    length = convert(values[1], INT).sql if len(values) > 1 else "10"
    decimals = convert(values[2], INT).sql if len(values) > 2 else "0"  # noqa: PLR2004 - optional
    type_ = SqlType("varchar", 8000, collation=compilation.collation)
    return call("tsql.str", [number.sql, length, decimals], type_, *values)


STRING_FUNCTIONS: Final[Mapping[str, Function]] = {
    "LEN": Function(1, 1, _length),
    "DATALENGTH": Function(1, 1, _data_length),
    "SUBSTRING": Function(3, 3, _substring),
    "LEFT": Function(2, 2, lambda v, c: _side("left", v, c)),
    "RIGHT": Function(2, 2, lambda v, c: _side("right", v, c)),
    "UPPER": Function(1, 1, lambda v, c: _simple("upper", "upper", v, c)),
    "LOWER": Function(1, 1, lambda v, c: _simple("lower", "lower", v, c)),
    "REVERSE": Function(1, 1, lambda v, c: _simple("reverse", "reverse", v, c)),
    "LTRIM": Function(1, 2, lambda v, c: _trim("ltrim", v, c)),
    "RTRIM": Function(1, 2, lambda v, c: _trim("rtrim", v, c)),
    "REPLACE": Function(3, 3, _replace),
    "CHARINDEX": Function(2, 3, _char_index),
    "PATINDEX": Function(2, 2, _pattern_index),
    "REPLICATE": Function(2, 2, _replicate),
    "STUFF": Function(4, 4, _stuff),
    "CONCAT": Function(2, 254, _concat),
    "CONCAT_WS": Function(3, 254, _concat_ws),
    "CHAR": Function(1, 1, _char),
    "NCHAR": Function(1, 1, _nchar),
    "ASCII": Function(1, 1, _ascii),
    "UNICODE": Function(1, 1, _unicode),
    "QUOTENAME": Function(1, 2, _quote_name),
    "STRING_ESCAPE": Function(2, 2, _string_escape),
    "SPACE": Function(1, 1, _space),
    "STR": Function(1, 3, _str),
}
"""By upper-case name."""
