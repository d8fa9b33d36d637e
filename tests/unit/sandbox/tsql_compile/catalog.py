"""A catalog of two tables, for tests that need no server."""

from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.tsql.compiled import Scope
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType


def varchar(length: int, name: str = "varchar") -> SqlType:
    return SqlType(name, length, collation=DEFAULT_COLLATION)


def table(number: int, name: str, *columns: ColumnDef) -> TableDef:
    return TableDef(
        object_id=number, schema="dbo", name=name, storage_name=f"d5.t_{number}", columns=columns
    )


def column(number: int, name: str, type_: SqlType, **more: object) -> ColumnDef:
    return ColumnDef(name=name, storage_name=f"c{number}", type=type_, **more)


ORDERS = table(
    1,
    "Orders",
    column(1, "Id", SqlType("int"), nullable=False),
    column(2, "Customer", varchar(20), nullable=False),
    column(3, "Note", varchar(50, "nvarchar")),
    column(4, "Amount", SqlType("decimal", precision=10, scale=2), default="((5))"),
    column(5, "Placed", SqlType("datetime")),
    column(6, "Hidden", SqlType("datetime2", scale=7), is_hidden=True),
)
NUMBERED = table(
    2,
    "Numbered",
    column(1, "id", SqlType("bigint"), identity=True, nullable=False),
    column(2, "code", varchar(3, "char")),
    column(3, "twice", SqlType("int"), computed="(len([code])*(2))"),
    column(4, "version", SqlType("timestamp", 8)),
)


class TinyCatalog(Struct):
    """Two tables and one alias type."""

    database: str = "Shop"
    collation: str = DEFAULT_COLLATION

    def table(self, schema: str | None, name: str) -> TableDef | None:
        if schema not in {None, "dbo"}:
            return None
        return {"orders": ORDERS, "numbered": NUMBERED}.get(name.lower())

    def user_type(self, schema: str | None, name: str) -> SqlType | None:
        return varchar(40) if (schema, name) == ("dbo", "phone") else None


def scope(**variables: SqlType) -> Scope:
    return Scope(
        catalog=TinyCatalog(), variables={f"@{name}": type_ for name, type_ in variables.items()}
    )
