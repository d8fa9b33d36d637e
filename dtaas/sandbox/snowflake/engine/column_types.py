"""Types of columns: as Snowflake names them, and as DuckDB holds them."""

import re
from typing import Final, NamedTuple

import msgspec
from sqlglot import exp
from sqlglot.errors import ParseError

from dtaas.sandbox.snowflake.engine.errors import compilation, unsupported

MAX_TEXT: Final = 16_777_216
MAX_BINARY: Final = 8_388_608
MICROSECONDS: Final = 6  # digits
_PARAMETERS: Final = re.compile(r"\(([\d,\s]+)\)")

_TEXT: Final = (
    "VARCHAR",
    "STRING",
    "TEXT",
    "NVARCHAR",
    "NVARCHAR2",
    "CHAR VARYING",
    "NCHAR VARYING",
)
_CHARACTER: Final = ("CHAR", "CHARACTER", "NCHAR")
_INTEGER: Final = ("INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT")
_NUMBER: Final = ("NUMBER", "DECIMAL", "NUMERIC", "DEC")
_FLOAT: Final = ("FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "DOUBLE PRECISION", "REAL")
_NTZ: Final = (
    "TIMESTAMP",
    "DATETIME",
    "TIMESTAMP_NTZ",
    "TIMESTAMPNTZ",
    "TIMESTAMP WITHOUT TIME ZONE",
)
_LTZ: Final = ("TIMESTAMP_LTZ", "TIMESTAMPLTZ", "TIMESTAMP WITH LOCAL TIME ZONE")
_TZ: Final = ("TIMESTAMP_TZ", "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")
_SEMI: Final = ("VARIANT", "OBJECT", "ARRAY")

_FAMILY: Final[dict[str, str]] = {
    **dict.fromkeys((*_TEXT, *_CHARACTER), "VARCHAR"),
    **dict.fromkeys((*_INTEGER, *_NUMBER), "NUMBER"),
    **dict.fromkeys(_FLOAT, "FLOAT"),
    **dict.fromkeys(_NTZ, "TIMESTAMP_NTZ"),
    **dict.fromkeys(_LTZ, "TIMESTAMP_LTZ"),
    **dict.fromkeys(_TZ, "TIMESTAMP_TZ"),
    **dict.fromkeys(("BINARY", "VARBINARY"), "BINARY"),
    **{name: name for name in (*_SEMI, "BOOLEAN", "DATE", "TIME")},
}
_DUCK: Final = {
    "VARCHAR": "VARCHAR",
    "FLOAT": "DOUBLE",
    "TIMESTAMP_NTZ": "TIMESTAMP",
    "TIMESTAMP_LTZ": "TIMESTAMPTZ",
    "TIMESTAMP_TZ": "TIMESTAMPTZ",
    "BINARY": "BLOB",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIME": "TIME",
    **dict.fromkeys(_SEMI, "JSON"),
}
_DEFAULTS: Final[dict[str, tuple[int, ...]]] = {
    "VARCHAR": (MAX_TEXT,),
    "NUMBER": (38, 0),
    "BINARY": (MAX_BINARY,),
    **dict.fromkeys(("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "TIME"), (9,)),
}
_LIMITS: Final = {"VARCHAR": (1, 134_217_728), "BINARY": (1, 67_108_864), "NUMBER": (1, 38)}


class ColumnType(NamedTuple):
    """A type of Snowflake: its family's name and its parameters."""

    family: str
    parameters: tuple[int, ...] = ()

    @property
    def sql(self) -> str:
        """Return it as Snowflake shows it."""
        numbers = ",".join(map(str, self.parameters))
        return f"{self.family}({numbers})" if numbers else self.family

    @property
    def duck(self) -> str:
        """Return the type DuckDB holds it in."""
        if self.family == "NUMBER":
            return f"DECIMAL({self.parameters[0]},{self.parameters[1]})"
        if self.family == "TIME" and self.parameters[0] > MICROSECONDS:
            return "TIME_NS"
        return _DUCK[self.family]

    def widens(self, older: "ColumnType") -> bool:
        """Whether Snowflake lets a column of an older type take this one."""
        if self.family != older.family:
            return False
        if self.family == "NUMBER":
            same_scale = self.parameters[1] == older.parameters[1]
            return same_scale and self.parameters[0] >= older.parameters[0]
        if self.family in ("VARCHAR", "BINARY"):
            return self.parameters[0] >= older.parameters[0]
        return self == older


def read_type(text: str) -> ColumnType:
    """Read a type as written in a definition.

    Raises:
        StatementError: there is no such type, or its parameters are out of bounds.
    """
    found = _PARAMETERS.search(text)
    words = " ".join(_PARAMETERS.sub(" ", text, count=1).upper().split())
    family = _FAMILY.get(words)
    if family is None:
        raise unsupported(f"data type {text}")
    given = tuple(int(number) for number in found[1].split(",")) if found else ()
    if words in _INTEGER:
        given = ()
    if words in _CHARACTER and not given:
        given = (1,)
    defaults = _DEFAULTS.get(family, ())
    parameters = (*given, *defaults[len(given) :])[: len(defaults)]
    low, high = _LIMITS.get(family, (0, 9))
    if parameters and not low <= parameters[0] <= high:
        raise compilation(f"invalid value {parameters[0]} for the type {words}", 1007, "22023")
    if family == "NUMBER" and not 0 <= parameters[1] <= min(37, parameters[0]):
        raise compilation(f"invalid scale {parameters[1]} for the type {words}", 1007, "22023")
    return ColumnType(family, parameters)


def of_expression(kind: exp.DataType) -> ColumnType:
    """Return the type of a parsed definition."""
    try:
        return read_type(_SPELLING.get(kind.this, "") or kind.sql(dialect="snowflake"))
    except ParseError as error:
        raise unsupported(f"data type {kind}") from error


_SPELLING: Final = {exp.DataType.Type.OBJECT: "OBJECT", exp.DataType.Type.ARRAY: "ARRAY"}


class Declared(msgspec.Struct, frozen=True, omit_defaults=True):
    """What DuckDB cannot tell of a column; kept as JSON in its comment, so it moves with it."""

    type: str = ""
    comment: str = ""

    def written(self) -> str:
        """Return it as the text of a comment."""
        return msgspec.json.encode(self).decode()


def read_declared(comment: str | None) -> Declared:
    """Read the comment of a column."""
    if not comment:
        return Declared()
    try:
        return msgspec.json.decode(comment, type=Declared)
    except msgspec.DecodeError:
        return Declared(comment=comment)


_OF_DUCK: Final = {
    "VARCHAR": "VARCHAR",
    "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP_NS": "TIMESTAMP_NTZ",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ",
    "BLOB": "BINARY",
    "JSON": "VARIANT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIME_NS": "TIME",
}


def of_duck(duck_type: str) -> ColumnType:
    """Return the type Snowflake would give a column DuckDB derived, as in CREATE TABLE AS."""
    if duck_type.startswith("DECIMAL"):
        return read_type(duck_type)
    if duck_type in _OF_DUCK:
        return read_type(_OF_DUCK[duck_type])
    whole = duck_type.endswith(("INT", "INTEGER"))
    return read_type("NUMBER" if whole else "VARCHAR")
