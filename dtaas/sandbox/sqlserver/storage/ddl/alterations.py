"""ALTER TABLE: columns and constraints come, change and go."""

import asyncpg

from dtaas.sandbox.sqlserver.catalog import ColumnDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.column_types import figures, type_text
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import (
    Table,
    add_column,
    column_def,
    create_sequence,
    finish_column,
    frame_of,
    known_columns,
    not_deterministic,
    resolve_column,
    table_of,
)
from dtaas.sandbox.sqlserver.storage.ddl.constraints import add_constraint
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, dotted, shown_name
from dtaas.sandbox.sqlserver.storage.ddl.indexes import remove_index
from dtaas.sandbox.sqlserver.storage.ddl.tracking_log import refuse_to_lose_key
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.storage.one_value import one_value
from dtaas.sandbox.sqlserver.tsql.compile import translate
from dtaas.sandbox.sqlserver.tsql.tree import Parts
from dtaas.sandbox.sqlserver.types import SqlType


async def find_table(context: Context, name: Parts) -> Table:
    """Return a table by name. Raises: SqlError 4902 there is none."""
    record = await context.find(name, "U")
    if record is None:
        raise SqlError(
            4902,
            f'Cannot find the object "{dotted(name)}" because it does not exist or you do not have '
            "permissions.",
        )
    return table_of(record, shown_name(record["name"]))


async def add_to_table(context: Context, spec: ddl.AddToTable) -> None:
    """Carry out ALTER TABLE … ADD.

    Raises:
        SqlError: 2705 the column exists, 4901 a NOT NULL column without default on rows.
    """
    table = await find_table(context, spec.table)
    for column in spec.columns:
        await _add_column(context, table, column)
    for constraint in spec.constraints:
        await add_constraint(context, table, constraint)
    await _touch(context, table)


async def alter_column(context: Context, spec: ddl.AlterColumn) -> None:
    """Carry out ALTER TABLE … ALTER COLUMN.

    Raises:
        SqlError: 4924 no such column, 5074 an index or constraint needs it, 515 NULLs are there,
            8115 and 2628 values do not fit.
    """
    table = await find_table(context, spec.table)
    columns = await known_columns(context, table)
    old = _column(columns, spec.column.name, table)
    column_id = int(old.storage_name[1:])
    if old.computed is not None:
        raise SqlError(4928, f"Cannot alter column '{old.name}' because it is 'COMPUTED'.", state=1)
    typed = await resolve_column(context, table, spec.column, column_id, ())
    if typed.type != old.type:
        await _refuse_when_needed(context, table, old, keep=("D",), verb="ALTER COLUMN")
        await _convert(context, table, old, typed.type)
    shown = figures(typed.type)
    await context.connection.execute(
        "UPDATE meta.columns SET type_name = $3, type_length = $4, type_precision = $5,"
        " type_scale = $6, collation_name = $7, user_type_id = $8, max_length = $9,"
        ' "precision" = $10, scale = $11, is_nullable = $12'
        " WHERE object_id = $1 AND column_id = $2",
        table.object_id,
        column_id,
        typed.type.name,
        typed.type.length,
        typed.type.precision,
        typed.type.scale,
        typed.type.collation,
        typed.user_type_id,
        shown.max_length,
        shown.precision,
        shown.scale,
        int(typed.nullable),
    )
    word = "DROP" if typed.nullable else "SET"
    await context.connection.execute(
        f"ALTER TABLE {table.storage} ALTER {old.storage_name} {word} NOT NULL"
    )
    await _touch(context, table)


async def drop_from_table(context: Context, spec: ddl.DropFromTable) -> None:
    """Carry out ALTER TABLE … DROP.

    Raises:
        SqlError: 3728 no such constraint, 4924 no such column, 5074 something needs it.
    """
    table = await find_table(context, spec.table)
    for name in spec.constraints:
        await _drop_constraint(context, table, name, if_exists=spec.if_exists)
    for name in spec.columns:
        await _drop_column(context, table, name, if_exists=spec.if_exists)
    await _touch(context, table)


async def check_constraints(context: Context, spec: ddl.CheckConstraints) -> None:
    """Carry out ALTER TABLE … CHECK | NOCHECK CONSTRAINT for foreign keys and checks.

    Raises:
        SqlError: 4917 no such constraint.
    """
    table = await find_table(context, spec.table)
    for name in spec.names:
        found = await context.connection.fetchval(
            "SELECT 1 FROM meta.objects WHERE parent_object_id = $1 AND type IN ('F', 'C')"
            " AND store.name_key(name) = $2",
            table.object_id,
            name_key(name),
        )
        if found is None:
            raise SqlError(4917, f"Constraint '{name}' does not exist.", state=0)
    records = await context.connection.fetch(
        "SELECT object_id FROM meta.objects WHERE parent_object_id = $1 AND type IN ('F', 'C')"
        " AND ($2 = '{}'::text[] OR store.name_key(name) = ANY($2))",
        table.object_id,
        [name_key(name) for name in spec.names],
    )
    enforced = "ENFORCED" if spec.enabled else "NOT ENFORCED"
    for record in records:
        await context.connection.execute(
            f"ALTER TABLE {table.storage} ALTER CONSTRAINT o_{record['object_id']} {enforced}"
        )
        await context.connection.execute(
            "UPDATE meta.foreign_keys SET is_disabled = $2, is_not_trusted = $3"
            " WHERE object_id = $1",
            record["object_id"],
            int(not spec.enabled),
            int(not (spec.enabled and spec.validate)),
        )


async def _add_column(context: Context, table: Table, column: ddl.Column) -> None:
    known = await known_columns(context, table)
    column_id: int = await one_value(
        context.connection,
        "SELECT coalesce(max(attnum), 0)::int + 1 FROM pg_attribute WHERE attrelid = $1::regclass",
        table.storage,
    )
    default = next((c for c in column.constraints if isinstance(c, ddl.Default)), None)
    typed = await resolve_column(context, table, column, column_id, known)
    if typed.spec.identity is not None:
        await create_sequence(context, table, typed.spec.identity)
    definition = await add_column(context, table, typed, (*known, column_def(typed)))
    if default is not None and (default.with_values or not typed.nullable):
        # existing rows take the default: PostgreSQL fills them when it comes with the column
        sql = translate(default.expression, typed.type, None, context.catalog)
        definition = f"{definition} DEFAULT {sql}"
    try:
        await context.connection.execute(f"ALTER TABLE {table.storage} ADD COLUMN {definition}")
    except asyncpg.InvalidObjectDefinitionError as error:
        raise not_deterministic(table, (column,)) from error
    except asyncpg.NotNullViolationError as error:
        raise SqlError(
            4901,
            "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT "
            "definition specified, or the column being added is an identity or timestamp column, "
            "or alternatively if none of the previous conditions are satisfied the table must be "
            f"empty to allow addition of this column. Column '{column.name}' cannot be added to "
            f"non-empty table '{table.name}' because it does not satisfy these conditions.",
        ) from error
    await finish_column(context, table, typed)
    for constraint in column.constraints:
        await add_constraint(context, table, constraint)


async def _convert(context: Context, table: Table, old: ColumnDef, new: SqlType) -> None:
    """Change a column's storage type; every value is cast as T-SQL casts it."""
    name = old.name.replace("]", "]]")
    frame = frame_of(table, (old,))
    sql = translate(f"CAST([{name}] AS {type_text(new)})", new, frame, context.catalog)
    default = await context.connection.fetchval(
        "SELECT definition FROM meta.objects WHERE parent_object_id = $1"
        " AND parent_column_id = $2 AND type = 'D'",
        table.object_id,
        int(old.storage_name[1:]),
    )
    column = f"ALTER TABLE {table.storage} ALTER {old.storage_name}"
    if default is not None:
        await context.connection.execute(f"{column} DROP DEFAULT")
    await context.connection.execute(f"{column} TYPE {storage_type(new)} USING {sql}")
    if default is not None:
        restored = translate(default, new, None, context.catalog)
        await context.connection.execute(f"{column} SET DEFAULT {restored}")


async def _drop_constraint(context: Context, table: Table, name: str, *, if_exists: bool) -> None:
    record = await context.connection.fetchrow(
        "SELECT o.object_id, o.type, o.parent_column_id, i.index_id FROM meta.objects o"
        " LEFT JOIN meta.indexes i ON i.constraint_id = o.object_id"
        " WHERE o.parent_object_id = $1 AND store.name_key(o.name) = $2",
        table.object_id,
        name_key(name),
    )
    if record is None:
        if if_exists:
            return
        raise SqlError(3728, f"'{name}' is not a constraint.")
    if record["type"] == "D":
        await context.connection.execute(
            f"ALTER TABLE {table.storage} ALTER c{record['parent_column_id']} DROP DEFAULT"
        )
    elif record["index_id"] is not None:
        await _refuse_when_referenced(context, table, record["index_id"], name)
        if record["type"] == "PK":
            await refuse_to_lose_key(context, table, name)
        await remove_index(context, table, record["index_id"])
    else:
        await context.connection.execute(
            f"ALTER TABLE {table.storage} DROP CONSTRAINT o_{record['object_id']}"
        )
    await context.connection.execute(
        "DELETE FROM meta.objects WHERE object_id = $1", record["object_id"]
    )


async def _drop_column(context: Context, table: Table, name: str, *, if_exists: bool) -> None:
    columns = await known_columns(context, table)
    if if_exists and all(name_key(c.name) != name_key(name) for c in columns):
        return
    column = _column(columns, name, table)
    if len(columns) == 1:
        raise SqlError(
            4923,
            f"ALTER TABLE DROP COLUMN failed because '{column.name}' is the only data column in "
            f"table '{table.name}'. A table must have at least one data column.",
        )
    await _refuse_when_needed(context, table, column, keep=(), verb="DROP COLUMN")
    try:
        await context.connection.execute(
            f"ALTER TABLE {table.storage} DROP COLUMN {column.storage_name}"
        )
    except asyncpg.DependentObjectsStillExistError as error:
        raise SqlError(
            5074, f"The object is dependent on column '{column.name}'.", state=1
        ) from error
    await context.connection.execute(
        "DELETE FROM meta.columns WHERE object_id = $1 AND column_id = $2",
        table.object_id,
        int(column.storage_name[1:]),
    )


async def _refuse_when_needed(
    context: Context, table: Table, column: ColumnDef, *, keep: tuple[str, ...], verb: str
) -> None:
    """Raises: SqlError 5074 an index, key, default or check of the column is there."""
    needed = await context.connection.fetchrow(
        "SELECT o.name, 'object' AS kind FROM meta.objects o WHERE o.parent_object_id = $1"
        " AND o.parent_column_id = $2 AND o.type <> ALL($3)"
        " UNION ALL SELECT i.name, CASE WHEN i.constraint_id IS NULL THEN 'index' ELSE 'object' END"
        " FROM meta.indexes i JOIN meta.index_columns x USING (object_id, index_id)"
        " WHERE i.object_id = $1 AND x.column_id = $2"
        " UNION ALL SELECT k.name, 'object' FROM meta.foreign_key_columns x"
        " JOIN meta.foreign_keys f USING (object_id) JOIN meta.objects k USING (object_id)"
        " WHERE (k.parent_object_id = $1 AND x.parent_column_id = $2)"
        "  OR (f.referenced_object_id = $1 AND x.referenced_column_id = $2) LIMIT 1",
        table.object_id,
        int(column.storage_name[1:]),
        list(keep),
    )
    if needed is not None:
        raise SqlError(
            5074,
            f"The {needed['kind']} '{needed['name']}' is dependent on column '{column.name}'. "
            f"ALTER TABLE {verb} {column.name} failed because one or more objects access this "
            "column.",
        )


async def _refuse_when_referenced(context: Context, table: Table, index_id: int, name: str) -> None:
    """Raises: SqlError 3725 a foreign key points to the index."""
    key = await context.connection.fetchrow(
        "SELECT k.name, o.name AS table FROM meta.foreign_keys f"
        " JOIN meta.objects k USING (object_id)"
        " JOIN meta.objects o ON o.object_id = k.parent_object_id"
        " WHERE f.referenced_object_id = $1 AND f.key_index_id = $2 LIMIT 1",
        table.object_id,
        index_id,
    )
    if key is not None:
        raise SqlError(
            3725,
            f"The constraint '{name}' is being referenced by table '{key['table']}', foreign key "
            f"constraint '{key['name']}'.",
            state=0,
        )


async def _touch(context: Context, table: Table) -> None:
    await context.connection.execute(
        "UPDATE meta.objects SET modify_date = store.now() WHERE object_id = $1", table.object_id
    )


def _column(columns: tuple[ColumnDef, ...], name: str, table: Table) -> ColumnDef:
    found = next((c for c in columns if name_key(c.name) == name_key(name)), None)
    if found is None:
        raise SqlError(
            4924,
            f"ALTER TABLE ALTER COLUMN failed because column '{name}' does not exist in table "
            f"'{table.name}'.",
        )
    return found
