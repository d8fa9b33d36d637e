"""SELECT … INTO: the new table first, then the rows."""

from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import Catalog, TableDef
from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.tsql.compiled import Compiled, NewTable
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.declarations import type_text
from dtaas.sandbox.sqlserver.tsql.errors import invalid_object
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.storage_port import Outcome

_COLLATED: Final = frozenset({"char", "varchar", "text", "nchar", "nvarchar", "ntext"})


async def select_into(compiled: Compiled, new: NewTable, frame: Frame, context: Context) -> Outcome:
    """Make the table and fill it; a failure leaves nothing behind.

    Raises:
        SqlError: 2714 the table exists, 1038 a column without a name; or the query's.
    """
    columns = ", ".join(_definition(column, new) for column in new.columns)
    name = ".".join(_quoted(part) for part in new.parts)
    transactions, storage = context.transactions, context.storage
    owns = not transactions.count
    if owns:
        await transactions.begin()
    try:
        await storage.define(f"CREATE TABLE {name} ({columns})")
        catalog, _ = await storage.catalogs()
        made = _made(catalog, new)
        listed = ", ".join(column.storage_name for column in made.columns)
        sql = f"INSERT INTO {made.storage_name} ({listed}) {compiled.sql}"
        filled = replace(compiled, sql=sql, columns=None, creates=None)
        outcome = await storage.execute(filled, context.arguments(compiled, frame))
    except BaseException:
        if owns:
            await transactions.abort()
        raise
    if owns:
        await transactions.commit()
    return outcome


def _definition(column: ResultColumn, new: NewTable) -> str:
    if not column.name:
        raise SqlError(
            1038,
            "An object or column name is missing or empty. For SELECT INTO statements, verify each "
            "column has a name. For other statements, look for empty alias names. Aliases defined "
            'as "" or [] are not allowed. Change the alias to a valid name.',
            severity=15,
            state=5,
        )
    if sum(c.name.lower() == column.name.lower() for c in new.columns) > 1:
        raise SqlError(
            2705,
            f"Column names in each table must be unique. Column name '{column.name}' in table "
            f"'{new.parts[-1]}' is specified more than once.",
            state=3,
        )
    collation = ""
    if column.type.name in _COLLATED and column.type.collation:
        collation = f" COLLATE {column.type.collation}"
    identity = " IDENTITY(1, 1)" if column.identity else ""
    null = " NULL" if column.nullable else " NOT NULL"
    return f"{_quoted(column.name)} {type_text(column.type)}{collation}{identity}{null}"


def _made(catalog: Catalog, new: NewTable) -> TableDef:
    *schema, name = new.parts
    made = catalog.table(schema[-1] if schema else None, name)
    if made is None:
        raise invalid_object(".".join(new.parts))
    return made


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]" if name else ""
