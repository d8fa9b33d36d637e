"""CAST, CONVERT and implicit conversions: SQL from one storage form to another.

Everything that can fail calls a function of schema `tsql` (see `sql/*.sql`), whose last argument
says whether a failure is NULL (TRY_CAST) or an error. Which conversions exist: Microsoft Learn,
"CAST and CONVERT", chart of implicit and explicit conversions.
"""

from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.storage.collations import parse_collation
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.storage.variants import descriptor
from dtaas.sandbox.sqlserver.tsql.errors import (
    explicit_conversion,
    implicit_conversion,
    type_clash,
)
from dtaas.sandbox.sqlserver.tsql.moment_conversion import from_moment, to_moment
from dtaas.sandbox.sqlserver.tsql.type_rules import (
    BINARIES,
    CHARACTERS,
    CLR,
    DECIMALS,
    FLOATS,
    INTEGERS,
    MOMENTS,
    MONEYS,
    NATIONAL,
    NUMBERS,
    decimal_of,
)
from dtaas.sandbox.sqlserver.tsql.value import Value, quote
from dtaas.sandbox.sqlserver.tsql.variant_conversion import from_variant
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_INTEGER_BYTES: Final = {"bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_UTF8: Final = 65001
_GUID_CHARACTERS: Final = 36


class Conversion:
    """One conversion: its target, style and whether a failure is NULL."""

    def __init__(
        self,
        target: SqlType,
        *,
        style: int | None = None,
        is_try: bool = False,
        explicit: bool = True,
    ) -> None:
        self.target = target
        self.style = style
        self.lenient = "true" if is_try else "false"
        self.explicit = explicit

    def __call__(self, value: Value) -> Value:
        """Return `value` as the target type.

        Raises:
            SqlError: 206, 257 or 529 when there is no such conversion.
        """
        sql = f"NULL::{storage_type(self.target)}" if value.is_null else self._sql(value)
        return Value(
            sql=sql,
            type=self.target,
            nullable=value.nullable or self.lenient == "true",
            digits=value.digits if self.target.name in INTEGERS else None,
            constant=value.constant,
            column=value.column,
            coercibility=value.coercibility,
            conflict=value.conflict,
        )

    def _sql(self, value: Value) -> str:
        source, target = value.type, self.target
        if source.name == target.name and source.name in CLR | {"sql_variant"}:
            return value.sql
        if target.name == "sql_variant":
            return f"store.variant({quote(descriptor(source))}, ({value.sql})::text)"
        if source.name == "sql_variant":
            self._need_explicit(source)
            return from_variant(value, self)
        for family, build in (
            (INTEGERS, self._integer),
            (DECIMALS | MONEYS, self._decimal),
            (FLOATS, self._float),
            (CHARACTERS | {"xml"}, self._text),
            (BINARIES, self._binary),
            (MOMENTS, self._moment),
            ({"uniqueidentifier"}, self._guid),
            (CLR, self._clr),
        ):
            if target.name in family:
                return build(value)
        raise self._refuse(source)

    def _refuse(self, source: SqlType) -> Exception:
        if self.explicit:
            return explicit_conversion(source.name, self.target.name)
        return type_clash(source.name, self.target.name)

    def _need_explicit(self, source: SqlType) -> None:
        if not self.explicit:
            raise implicit_conversion(source.name, self.target.name)

    def _integer(self, value: Value) -> str:
        source, target = value.type, self.target.name
        pg, sql = storage_type(self.target), value.sql
        if source.name in INTEGERS:
            return self._integer_of_integer(value)
        if target == "bit" and source.name in NUMBERS:
            return f"(CASE WHEN {sql} <> 0 THEN 1 WHEN {sql} = 0 THEN 0 END)::smallint"
        if source.name in DECIMALS:
            return f"tsql.whole(trunc({sql}), '{target}', 'numeric', {self.lenient})::{pg}"
        if source.name in MONEYS:
            return f"tsql.whole(round({sql}), '{target}', 'money', {self.lenient})::{pg}"
        if source.name in FLOATS:
            return f"tsql.whole_of_float({sql}, '{target}', {self.lenient})::{pg}"
        if source.name in CHARACTERS:
            return f"tsql.text_to_int({sql}, '{target}', '{source.name}', {self.lenient})::{pg}"
        if source.name in BINARIES:
            if target == "bit":
                return f"(tsql.bytes_to_int({sql}, 1) <> 0)::integer::smallint"
            return f"tsql.bytes_to_int({sql}, {_INTEGER_BYTES[target]})::{pg}"
        if source.name in {"datetime", "smalldatetime"}:
            self._need_explicit(source)
            days = f"round(tsql.{source.name}_days({sql})::numeric)"
            return f"tsql.whole({days}, '{target}', '{source.name}', {self.lenient})::{pg}"
        raise self._refuse(source)

    def _integer_of_integer(self, value: Value) -> str:
        source, target, sql = value.type.name, self.target.name, value.sql
        pg = storage_type(self.target)
        if target == "bit":
            if source == "bit":
                return sql
            return f"(CASE WHEN {sql} <> 0 THEN 1 WHEN {sql} = 0 THEN 0 END)::smallint"
        if _INTEGER_BYTES[source] <= _INTEGER_BYTES[target] and source != target:
            return f"{sql}::{pg}"
        if source == target:
            return sql
        return f"tsql.narrow({sql}::bigint, '{target}', '{source}', {self.lenient})::{pg}"

    def _decimal(self, value: Value) -> str:
        source, target, sql = value.type, self.target, value.sql
        precision, scale = _digits(target)
        if source.name in DECIMALS | MONEYS | INTEGERS:
            p, s = _digits(source if value.digits is None else decimal_of(value))
            if s == scale and p <= precision and source.name in DECIMALS | MONEYS:
                return sql
            if s <= scale and p - s <= precision - scale:
                return f"{sql}::numeric({precision},{scale})"
            return (
                f"tsql.fit_decimal({sql}::numeric, {precision}, {scale}, '{source.name}', "
                f"'{target.name}', {self.lenient})"
            )
        if source.name in FLOATS:
            return (
                f"tsql.float_to_decimal({sql}::double precision, {precision}, {scale}, "
                f"'{target.name}', {self.lenient})"
            )
        if source.name in CHARACTERS:
            parse = "text_to_money" if target.name in MONEYS else "text_to_decimal"
            return (
                f"tsql.{parse}({sql}, {precision}, {scale}, '{source.name}', "
                f"'{target.name}', {self.lenient})"
            )
        if source.name in {"datetime", "smalldatetime"}:
            self._need_explicit(source)
            return (
                f"tsql.fit_decimal(tsql.{source.name}_days({sql})::numeric, {precision}, {scale}, "
                f"'{source.name}', '{target.name}', {self.lenient})"
            )
        if source.name in BINARIES and target.name in MONEYS:
            size = 8 if target.name == "money" else 4
            return f"(tsql.bytes_to_int({sql}, {size})::numeric / 10000)::{storage_type(target)}"
        raise self._refuse(source)

    def _float(self, value: Value) -> str:
        source, pg, sql = value.type, storage_type(self.target), value.sql
        if source.name == self.target.name:
            return sql
        if source.name in NUMBERS:
            if source.name == "float":
                return f"tsql.float_to_real({sql}, {self.lenient})"
            return f"{sql}::{pg}"
        if source.name in CHARACTERS:
            names = f"'{source.name}', '{self.target.name}'"
            return f"tsql.text_to_float({sql}, {names}, {self.lenient})::{pg}"
        if source.name in {"datetime", "smalldatetime"}:
            self._need_explicit(source)
            return f"tsql.{source.name}_days({sql})::{pg}"
        raise self._refuse(source)

    def _text(self, value: Value) -> str:
        source, target, sql = value.type, self.target, value.sql
        if source.name in CHARACTERS or source.name == "xml":
            return self._text_of_text(value)
        if source.name in NUMBERS:
            return self._text_of_number(value)
        if source.name in MOMENTS:
            return self._padded(self._cut(from_moment(value, self.style)))
        if source.name == "uniqueidentifier":
            if MAX < target.length < _GUID_CHARACTERS:
                return f"tsql.no_room('uniqueidentifier', {sql} IS NULL, {self.lenient})"
            return self._padded(f"tsql.guid_text({sql})")
        if source.name in BINARIES:
            if source.name == "timestamp":
                self._need_explicit(source)
            national = str(target.name in NATIONAL).lower()
            return self._padded(
                self._cut(f"tsql.bytes_text({sql}, {self.style or 0}, {national}, {self.lenient})")
            )
        if source.name == "hierarchyid" and self.explicit:
            return self._padded(self._cut(f"tsql.hierarchy_text({sql})"))
        raise self._refuse(source)

    def _text_of_number(self, value: Value) -> str:
        source, target, sql = value.type, self.target, value.sql
        if source.name in INTEGERS:
            text = f"{sql}::text"
            if target.length == MAX or target.length >= _text_width(source):
                return self._padded(text)
            star = target.name not in NATIONAL and source.name != "bigint"
            return self._padded(
                f"tsql.number_text({text}, {target.length}, '{source.name}', '{target.name}', "
                f"{str(star).lower()}, {self.lenient})"
            )
        if source.name in DECIMALS:
            return self._number_text(f"{sql}::text", "numeric")
        if source.name in MONEYS:
            return self._number_text(f"tsql.money_text({sql}, {self.style or 0})", source.name)
        digits = 7 if source.name == "real" else 15
        return self._number_text(
            f"tsql.float_text({sql}::double precision, {self.style or 0}, {digits})",
            source.name,
        )

    def _number_text(self, text: str, source: str) -> str:
        if self.target.length == MAX:
            return text
        return self._padded(
            f"tsql.number_text({text}, {self.target.length}, '{source}', '{self.target.name}', "
            f"false, {self.lenient})"
        )

    def _text_of_text(self, value: Value) -> str:
        source, target, sql = value.type, self.target, value.sql
        if source.name in NATIONAL | {"xml"} and target.name not in NATIONAL | {"xml"}:
            page = code_page(target)
            if page != _UTF8 and (value.text is None or not value.text.isascii()):
                sql = f"tsql.to_code_page({sql}, {page})"
        fits = target.length == MAX or (source.length != MAX and source.length <= target.length)
        if not fits:
            sql = self._cut(sql)
        if target.name in {"char", "nchar"}:
            same = source.name in {"char", "nchar"} and source.length == target.length
            return sql if same else self._padded(sql)
        return sql

    def _cut(self, sql: str) -> str:
        if self.target.length == MAX or self.target.name in {"text", "ntext", "xml"}:
            return sql
        return f"tsql.cut({sql}, {self.target.length}, {_unit(self.target)})"

    def _padded(self, sql: str) -> str:
        if self.target.name in {"char", "nchar"}:
            return f"tsql.pad({sql}, {self.target.length}, {_unit(self.target)})"
        return sql

    def _binary(self, value: Value) -> str:
        source, target, sql = value.type, self.target, value.sql
        bounded = target.length != MAX and target.name != "image"
        if source.name in BINARIES | CLR:
            if bounded and (source.length == MAX or source.length > target.length):
                sql = f"substring({sql} FROM 1 FOR {target.length})"
            fixed = source.name == "binary" and source.length == target.length
            if target.name == "binary" and not fixed:
                return f"tsql.pad_bytes({sql}, {target.length})"
            return sql
        if source.name in CHARACTERS:
            self._need_explicit(source)
            national = str(source.name in NATIONAL).lower()
            page = 0 if source.name in NATIONAL else code_page(source)
            raw = f"tsql.text_bytes({sql}, {self.style or 0}, {national}, {page}, {self.lenient})"
        elif source.name in INTEGERS:
            raw = f"tsql.int_bytes({sql}::bigint, {_INTEGER_BYTES[source.name]})"
            if bounded:  # numbers keep their right end, and are padded on the left
                filled = "true" if target.name == "binary" else "false"
                return f"tsql.right_bytes({raw}, {target.length}, {filled})"
            return raw
        elif source.name == "uniqueidentifier":
            raw = f"tsql.guid_bytes({sql})"
        elif source.name in {"datetime", "smalldatetime"}:
            self._need_explicit(source)
            raw = f"tsql.{source.name}_bytes({sql})"
        else:
            raise self._refuse(source)
        if bounded:
            raw = f"substring({raw} FROM 1 FOR {target.length})"
        return f"tsql.pad_bytes({raw}, {target.length})" if target.name == "binary" else raw

    def _moment(self, value: Value) -> str:
        converted = to_moment(value, self.target, self.style, self.lenient)
        if converted is None:
            raise self._refuse(value.type)
        return converted

    def _clr(self, value: Value) -> str:
        source, target, sql = value.type.name, self.target.name, value.sql
        if source in BINARIES:
            self._need_explicit(value.type)
            return sql
        if source in CHARACTERS and target == "hierarchyid":
            return f"tsql.text_to_hierarchy({sql}, {self.lenient})"
        if source in CHARACTERS:
            return f"tsql.point_of_text({sql}, 0, '{target}')"
        raise self._refuse(value.type)

    def _guid(self, value: Value) -> str:
        source, sql = value.type, value.sql
        if source.name == "uniqueidentifier":
            return sql
        if source.name in CHARACTERS:
            return f"tsql.text_to_guid({sql}, {self.lenient})"
        if source.name in BINARIES:
            return f"tsql.bytes_to_guid({sql})"
        raise self._refuse(source)


def convert(value: Value, target: SqlType) -> Value:
    """Convert implicitly.

    Raises:
        SqlError: 206 or 257 when the conversion has to be written or does not exist.
    """
    if value.type == target and not value.is_null:
        return value
    return Conversion(target, explicit=False)(value)


def retyped(value: Value, target: SqlType) -> Value:
    """Return the same SQL under another type of the same storage form."""
    return replace(value, type=target)


def code_page(type_: SqlType) -> int:
    """Return the code page of a char kind, 1252 without a collation."""
    collation = parse_collation(type_.collation) if type_.collation else None
    return collation.code_page if collation else 1252


def _unit(type_: SqlType) -> int:
    """Return what a length counts: 0 UTF-16 units, else bytes of that code page."""
    return 0 if type_.name in NATIONAL else code_page(type_)


def _digits(type_: SqlType) -> tuple[int, int]:
    match type_.name:
        case "money":
            return 19, 4
        case "smallmoney":
            return 10, 4
        case "bit":
            return 1, 0
        case "tinyint":
            return 3, 0
        case "smallint":
            return 5, 0
        case "int":
            return 10, 0
        case "bigint":
            return 19, 0
        case _:
            return type_.precision, type_.scale


def _text_width(source: SqlType) -> int:
    return {"bit": 1, "tinyint": 3, "smallint": 6, "int": 11, "bigint": 20}[source.name]
