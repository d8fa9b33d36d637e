"""Foreign keys, checks and defaults."""

from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.catalog import ColumnDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.collations import sort_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import (
    Table,
    frame_of,
    known_columns,
    stored_definition,
    table_of,
)
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, Place, dotted
from dtaas.sandbox.sqlserver.storage.ddl.indexes import add_key
from dtaas.sandbox.sqlserver.storage.one_value import one_value
from dtaas.sandbox.sqlserver.tsql.compile import translate

_ACTIONS: Final = ("NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT")
_SET_NULL: Final = 2


async def add_constraint(context: Context, table: Table, constraint: ddl.Constraint) -> None:
    """Add any constraint to a table.

    Raises:
        SqlError: by kind; 547 rows that break it already.
    """
    match constraint:
        case ddl.Key():
            await add_key(context, table, constraint)
        case ddl.ForeignKey():
            await _add_foreign_key(context, table, constraint)
        case ddl.Check():
            await _add_check(context, table, constraint)
        case ddl.Default():
            await add_default(context, table, constraint)


async def add_default(context: Context, table: Table, default: ddl.Default) -> None:
    """Carry out DEFAULT.

    Raises:
        SqlError: 1752 no such column, 1781 it has a default already.
    """
    columns = await known_columns(context, table)
    column = next((c for c in columns if name_key(c.name) == name_key(default.column)), None)
    if column is None:
        raise SqlError(
            1752,
            f"Column '{default.column}' in table '{table.name}' is invalid for creating a default "
            "constraint.",
            state=0,
        )
    column_id = int(column.storage_name[1:])
    if await context.connection.fetchval(
        "SELECT 1 FROM meta.objects WHERE parent_object_id = $1 AND parent_column_id = $2"
        " AND type = 'D'",
        table.object_id,
        column_id,
    ):
        raise SqlError(1781, "Column already has a DEFAULT bound to it.")
    sql = translate(default.expression, column.type, None, context.catalog)
    await _add(
        context,
        table,
        "D",
        default.name or f"DF__{table.name[:9]}__{column.name[:5]}",
        system_named=not default.name,
        parent_column_id=column_id,
        definition=stored_definition(default.expression),
    )
    await context.connection.execute(
        f"ALTER TABLE {table.storage} ALTER {column.storage_name} SET DEFAULT {sql}"
    )


async def _add_check(context: Context, table: Table, check: ddl.Check) -> None:
    columns = await known_columns(context, table)
    sql = translate(check.condition, None, frame_of(table, columns), context.catalog)
    column = next((c for c in columns if name_key(c.name) == name_key(check.column)), None)
    name = check.name or f"CK__{table.name[:9]}__{(column.name if column else '')[:5]}"
    object_id = await _add(
        context,
        table,
        "C",
        name,
        system_named=not check.name,
        parent_column_id=int(column.storage_name[1:]) if column else 0,
        definition=stored_definition(check.condition),
    )
    valid = " NOT VALID" if check.untrusted else ""
    try:
        await context.connection.execute(
            f"ALTER TABLE {table.storage} ADD CONSTRAINT o_{object_id} CHECK ({sql}){valid}"
        )
    except asyncpg.CheckViolationError as error:
        shown = f'database "{_database(context, table)}", table "{table.schema}.{table.name}"'
        raise SqlError(
            547,
            f'The ALTER TABLE statement conflicted with the CHECK constraint "{name}". '
            f"The conflict occurred in {shown}.",
            state=0,
        ) from error


async def _add_foreign_key(context: Context, table: Table, key: ddl.ForeignKey) -> None:
    record = await context.find(key.table, "U")
    name = key.name or f"FK__{table.name[:9]}__{key.columns[0][:5]}"
    if record is None:
        raise SqlError(
            1767,
            f"Foreign key '{name}' references invalid table '{dotted(key.table)}'.",
            state=0,
        )
    parent = table_of(record, record["name"])
    children = [_column(await known_columns(context, table), c, name, table) for c in key.columns]
    parents, index_id = await _referenced(context, parent, key, name)
    if len(children) != len(parents):
        raise SqlError(
            8139,
            f"Number of referencing columns in foreign key differs from number of referenced "
            f"columns, table '{table.schema}.{table.name}'.",
            state=0,
        )
    _check_types(children, parents, name, table, parent)
    object_id = await _add(context, table, "F", name, system_named=not key.name)
    await context.connection.execute(
        "INSERT INTO meta.foreign_keys VALUES ($1, $2, $3, $4, $5, 0, $6)",
        object_id,
        parent.object_id,
        index_id,
        key.delete_action,
        key.update_action,
        int(key.untrusted),
    )
    await context.connection.executemany(
        "INSERT INTO meta.foreign_key_columns VALUES ($1, $2, $3, $4)",
        [
            (object_id, n, int(c.storage_name[1:]), int(p.storage_name[1:]))
            for n, (c, p) in enumerate(zip(children, parents, strict=True), 1)
        ],
    )
    await _create_foreign_key(context, table, parent, object_id, key, name, children, parents)


async def _create_foreign_key(  # noqa: PLR0917 - one statement's parts
    context: Context,
    table: Table,
    parent: Table,
    object_id: int,
    key: ddl.ForeignKey,
    name: str,
    children: list[ColumnDef],
    parents: list[ColumnDef],
) -> None:
    if any(c.type.collation for c in children) and (
        key.update_action or key.delete_action >= _SET_NULL
    ):
        raise SqlError(
            1787,
            f"Cannot define foreign key constraint '{name}' with cascaded DELETE or UPDATE on "
            f"table '{table.name}' because its columns are of a character type.",
        )
    left = [await _reference(context, table, c) for c in children]
    right = [await _reference(context, parent, p) for p in parents]
    if right != [p.storage_name for p in parents]:
        await context.connection.execute(
            f"CREATE UNIQUE INDEX IF NOT EXISTS r_{parent.object_id}_{'_'.join(right)}"
            f" ON {parent.storage} ({', '.join(right)})"
        )
    valid = " NOT VALID" if key.untrusted else ""
    try:
        await context.connection.execute(
            f"ALTER TABLE {table.storage} ADD CONSTRAINT o_{object_id}"
            f" FOREIGN KEY ({', '.join(left)}) REFERENCES {parent.storage} ({', '.join(right)})"
            f" ON DELETE {_ACTIONS[key.delete_action]} ON UPDATE {_ACTIONS[key.update_action]}"
            f"{valid}"
        )
    except asyncpg.ForeignKeyViolationError as error:
        column = f", column '{parents[0].name}'" if len(parents) == 1 else ""
        raise SqlError(
            547,
            f'The ALTER TABLE statement conflicted with the FOREIGN KEY constraint "{name}". The '
            f'conflict occurred in database "{_database(context, parent)}", table '
            f'"{parent.schema}.{parent.name}"{column}.',
            state=0,
        ) from error


async def _reference(context: Context, table: Table, column: ColumnDef) -> str:
    """Return the storage column that a foreign key compares: of a text its sort key.

    PostgreSQL's foreign keys take columns only, so the key is made a generated column.
    """
    if column.type.collation is None:
        return column.storage_name
    name = f"k{column.storage_name[1:]}"
    await context.connection.execute(
        f"ALTER TABLE {table.storage} ADD COLUMN IF NOT EXISTS {name} text"
        f" GENERATED ALWAYS AS ({sort_key(column.storage_name, column.type)}) STORED"
    )
    return name


async def _referenced(
    context: Context, parent: Table, key: ddl.ForeignKey, name: str
) -> tuple[list[ColumnDef], int]:
    """Return the columns a foreign key points to, and the index that makes them unique."""
    columns = await known_columns(context, parent)
    indexes = await context.connection.fetch(
        "SELECT i.index_id, k.type IS NOT DISTINCT FROM 'PK' AS primary,"
        " ARRAY(SELECT x.column_id FROM meta.index_columns x WHERE x.object_id = i.object_id"
        "  AND x.index_id = i.index_id AND x.key_ordinal > 0 ORDER BY x.key_ordinal) AS columns"
        " FROM meta.indexes i LEFT JOIN meta.objects k ON k.object_id = i.constraint_id"
        " WHERE i.object_id = $1 AND i.is_unique = 1 AND i.filter IS NULL",
        parent.object_id,
    )
    by_id = {int(c.storage_name[1:]): c for c in columns}
    if not key.referenced:
        primary = next((i for i in indexes if i["primary"]), None)
        if primary is None:
            raise SqlError(
                1773,
                f"Foreign key '{name}' has implicit reference to object "
                f"'{dotted(key.table)}' which does not have a primary key defined on it.",
                state=0,
            )
        return [by_id[i] for i in primary["columns"]], primary["index_id"]
    wanted = [_column(columns, c, name, parent, referenced=True) for c in key.referenced]
    ids = {int(c.storage_name[1:]) for c in wanted}
    for index in sorted(indexes, key=lambda i: not i["primary"]):
        if set(index["columns"]) == ids:
            return wanted, index["index_id"]
    raise SqlError(
        1776,
        "There are no primary or candidate keys in the referenced table "
        f"'{dotted(key.table)}' that match the referencing column list in the foreign key "
        f"'{name}'.",
        state=0,
    )


def _column(
    columns: tuple[ColumnDef, ...], name: str, key: str, table: Table, *, referenced: bool = False
) -> ColumnDef:
    found = next((c for c in columns if name_key(c.name) == name_key(name)), None)
    if found is not None:
        return found
    number, side = (1770, "referenced") if referenced else (1769, "referencing")
    raise SqlError(
        number,
        f"Foreign key '{key}' references invalid column '{name}' in {side} table '{table.name}'.",
        state=0,
    )


def _check_types(
    children: list[ColumnDef], parents: list[ColumnDef], name: str, table: Table, parent: Table
) -> None:
    for child, other in zip(children, parents, strict=True):
        if child.type.name != other.type.name:
            raise SqlError(
                1778,
                f"Column '{parent.schema}.{parent.name}.{other.name}' is not the same data type as "
                f"referencing column '{table.name}.{child.name}' in foreign key '{name}'.",
                state=0,
            )


async def _add(
    context: Context,
    table: Table,
    type_: str,
    name: str,
    *,
    system_named: bool,
    **fields: object,
) -> int:
    """Add the constraint's meta row; a made-up name gets a number that makes it unique."""
    if system_named:
        number: int = await one_value(context.connection, "SELECT nextval('meta.object_ids')")
        name = f"{name}__{number:08X}"
    place = Place(table.database_id, table.schema_id, table.schema, name)
    return await context.add_object(
        place, type_, parent=table.object_id, is_system_named=system_named, **fields
    )


def _database(context: Context, table: Table) -> str:
    """Return a table's database by name; the transaction may be broken when an error needs it."""
    return next(c.database for c in context.catalogs.values() if c.database_id == table.database_id)
