"""What values are compared, grouped, sorted and joined by.

Texts have sort keys (`storage.collations`); binaries are equal but for trailing zeros; a
datetimeoffset is its UTC moment; all others are their storage form.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.collations import sort_key
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, convert
from dtaas.sandbox.sqlserver.tsql.errors import collation_conflict, incompatible_types
from dtaas.sandbox.sqlserver.tsql.type_rules import (
    BINARIES,
    CHARACTERS,
    DECIMALS,
    INTEGERS,
    MONEYS,
    NATIONAL,
    RANK,
    common_type,
)
from dtaas.sandbox.sqlserver.tsql.value import Coercibility, Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_NOT_COMPARABLE = frozenset({"text", "ntext", "image", "xml", "geometry", "geography"})
_FIXED = frozenset({"binary", "timestamp"})


def key(value: Value) -> str:
    """Return SQL whose equality and order are those of the value's type."""
    name = value.type.name
    if name in CHARACTERS:
        return sort_key(value.sql, value.type)
    if name in BINARIES - _FIXED:
        return f"rtrim({value.sql}, '\\x00'::bytea)"
    if name == "datetimeoffset":
        return f"substring({value.sql} FROM 1 FOR 8)"
    return value.sql


def comparable(value: Value, operator: str) -> Value:
    """Return `value` where it may be compared with itself.

    Raises:
        SqlError: 306 for text, ntext, image and xml.
    """
    if value.type.name == "sql_variant":  # its bytes have no order of values
        raise incompatible_types("sql_variant", "sql_variant", operator)
    if value.type.name in _NOT_COMPARABLE:
        raise SqlError(
            306,
            "The text, ntext, and image data types cannot be compared or sorted, except when "
            "using IS NULL or LIKE operator.",
            state=2,
        )
    return _settled(value, operator)


def operands(left: Value, right: Value, operator: str) -> tuple[str, str]:
    """Return the two sides of a comparison as SQL that the storage compares as T-SQL does.

    Raises:
        SqlError: 206, 402, 468 …
    """
    for value in (left, right):
        if value.type.name in _NOT_COMPARABLE:
            raise incompatible_types(left.type.name, right.type.name, operator)
    if {left.type.name, right.type.name} <= INTEGERS | DECIMALS | MONEYS:
        return left.sql, right.sql  # the storage compares exact numbers of all types by value
    target = common_type([left, right])
    if target.name == "sql_variant":
        return _variant_operands(left, right, operator)
    if target.name in CHARACTERS:
        return _text_operands(left, right, operator)
    if target.name in BINARIES and left.type.name in BINARIES and right.type.name in BINARIES:
        return _binary_operands(left, right)
    return key(_meet(left, target)), key(_meet(right, target))


def _binary_operands(left: Value, right: Value) -> tuple[str, str]:
    """Compare binaries as if the shorter ended in zeros; a fixed-size column keeps its index."""
    if left.type == right.type and left.type.name in _FIXED:
        return left.sql, right.sql
    if left.type.name in _FIXED and _fits(right, left.type.length):
        return left.sql, f"tsql.pad_bytes({right.sql}, {left.type.length})"
    if right.type.name in _FIXED and _fits(left, right.type.length):
        return f"tsql.pad_bytes({left.sql}, {right.type.length})", right.sql
    varying = SqlType("varbinary", MAX)
    return key(replace(left, type=varying)), key(replace(right, type=varying))


def _fits(value: Value, size: int) -> bool:
    return value.constant and 0 < value.type.length <= size


def _variant_operands(left: Value, right: Value, operator: str) -> tuple[str, str]:
    """Compare a variant with a value of a plain type as that type.

    A value of another family is NULL here, so that only equality gives SQL Server's answer.
    """
    variants = [value.type.name == "sql_variant" for value in (left, right)]
    if all(variants) or operator != "equal to":
        raise incompatible_types(left.type.name, right.type.name, operator)
    plain = right.type if variants[0] else left.type
    convert_variant = Conversion(plain, is_try=True)
    first, second = (
        convert_variant(value) if value.type.name == "sql_variant" else value
        for value in (left, right)
    )
    return operands(first, second, operator)


def _meet(value: Value, target: SqlType) -> Value:
    return value if value.type.name == target.name else convert(value, target)


def _text_operands(left: Value, right: Value, operator: str) -> tuple[str, str]:
    collation = collation_of([left, right], operator)
    national = any(v.type.name in NATIONAL for v in (left, right))
    type_ = SqlType("nvarchar" if national else "varchar", collation=collation)
    return sort_key(left.sql, type_), sort_key(right.sql, type_)


def _settled(value: Value, operator: str) -> Value:
    if value.conflict is not None and value.coercibility is Coercibility.NONE:
        raise collation_conflict(*value.conflict, operator)
    return value


def collation_of(values: Sequence[Value], operator: str) -> str | None:
    """Return the collation that texts meet in.

    Raises:
        SqlError: 468 when two collations have the same right.
    """
    settled = merge_collations(values)
    if settled.conflict is not None:
        raise collation_conflict(*settled.conflict, operator)
    return settled.type.collation


def merge_collations(values: Sequence[Value]) -> Value:
    """Return the value whose collation and coercibility the result of an expression has."""
    texts = [v for v in values if v.type.name in CHARACTERS and not v.is_null]
    if not texts:
        return values[0]
    best = max(texts, key=lambda v: v.coercibility)
    rivals = [
        v
        for v in texts
        if v.coercibility == best.coercibility and v.type.collation != best.type.collation
    ]
    if best.coercibility in {Coercibility.EXPLICIT, Coercibility.IMPLICIT} and rivals:
        first, second = best.type.collation or "", rivals[0].type.collation or ""
        return replace(best, coercibility=Coercibility.NONE, conflict=(first, second))
    if best.coercibility is Coercibility.DEFAULT and rivals:
        # constants and variables of the database; the highest precedence has the collation
        return max(texts, key=lambda v: RANK[v.type.name])
    return best


def unify(values: Sequence[Value]) -> tuple[SqlType, list[Value]]:
    """Convert values to the type they have in common: CASE, COALESCE, UNION, IN, VALUES."""
    target = common_type(values)
    if target.name in CHARACTERS:
        target = replace(target, collation=merge_collations(values).type.collation)
    return target, [
        convert(value, target) if value.type != target or value.is_null else value
        for value in values
    ]
