"""Methods and properties of hierarchyid, geometry and geography.

Geometries are points only. Source: Microsoft Learn, "hierarchyid data type method reference",
"OGC methods on geometry instances", "OGC methods on geography instances".
"""

from collections.abc import Mapping, Sequence
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.conditions import as_text
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion
from dtaas.sandbox.sqlserver.tsql.errors import argument_count
from dtaas.sandbox.sqlserver.tsql.value import FLOAT, INT, Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_SPATIAL: Final = frozenset({"geometry", "geography"})
_TEXTS: Final = frozenset({"ToString", "STAsText", "AsTextZM"})
_ORDINATES: Final[Mapping[tuple[str, str], int]] = {
    ("geometry", "STX"): 1,
    ("geometry", "STY"): 2,
    ("geography", "Lat"): 1,
    ("geography", "Long"): 2,
}


def bind_clr_method(target: Value, name: str, arguments: Sequence[Value], collation: str) -> Value:
    """Bind `target.name(…)`; method names are case-sensitive.

    Raises:
        SqlError: 6506 the type has no such method here.
    """
    kind = target.type.name
    if name in _TEXTS and not arguments:
        if kind == "hierarchyid" and name == "ToString":
            type_ = SqlType("nvarchar", 4000, collation=collation)
            return Value(sql=f"tsql.hierarchy_text({target.sql})", type=type_)
        if kind in _SPATIAL:
            type_ = SqlType("nvarchar", MAX, collation=collation)
            return Value(sql=f"tsql.point_text({target.sql}, '{kind}')", type=type_)
    raise _unknown("method", name, kind)


def bind_clr_property(target: Value, name: str) -> Value:
    """Bind `target.name`.

    Raises:
        SqlError: 6592 the type has no such property here.
    """
    kind = target.type.name
    if kind in _SPATIAL and name == "STSrid":
        return Value(sql=f"tsql.srid({target.sql})", type=INT)
    number = _ORDINATES.get((kind, name))
    if number is None:
        raise _unknown("property", name, kind)
    return Value(sql=f"tsql.ordinate({target.sql}, {number}, '{kind}')", type=FLOAT)


def bind_static_method(kind: str, name: str, arguments: Sequence[Value]) -> Value:
    """Bind `kind::name(…)`.

    Raises:
        SqlError: 243 no such type, 6506 it has no such method here.
    """
    type_ = SqlType(kind.lower())
    match type_.name, name:
        case "hierarchyid", "GetRoot":
            _expect(name, arguments, 0)
            return Value(sql="''::bytea", type=type_, nullable=False)
        case "hierarchyid", "Parse":
            _expect(name, arguments, 1)
            return Conversion(type_)(as_text(arguments[0], 1, name))
        case (("geometry" | "geography"), "Point"):
            _expect(name, arguments, 3)
            first, second = (Conversion(FLOAT)(value).sql for value in arguments[:2])
            srid = Conversion(INT)(arguments[2]).sql
            return Value(sql=f"tsql.point({first}, {second}, {srid})", type=type_)
        case (("geometry" | "geography"), ("STGeomFromText" | "STPointFromText")):
            _expect(name, arguments, 2)
            text = as_text(arguments[0], 1, name).sql
            srid = Conversion(INT)(arguments[1]).sql
            return Value(sql=f"tsql.point_of_text({text}, {srid}, '{type_.name}')", type=type_)
        case (("hierarchyid" | "geometry" | "geography"), _):
            raise _unknown("method", name, type_.name)
        case _:
            raise SqlError(243, f"Type {kind} is not a defined system type.")


def _expect(name: str, arguments: Sequence[Value], count: int) -> None:
    if len(arguments) != count:
        raise argument_count(name, str(count))


def _unknown(what: str, name: str, kind: str) -> SqlError:
    return SqlError(
        6506 if what == "method" else 6592,
        f"Could not find {what} '{name}' for type 'Microsoft.SqlServer.Types.Sql"
        f"{kind.capitalize()}' in assembly 'Microsoft.SqlServer.Types'",
        state=10,
    )
