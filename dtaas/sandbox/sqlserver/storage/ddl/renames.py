"""sp_rename: names live in the meta tables only, so nothing else changes."""

from typing import Final, NoReturn

import asyncpg

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context
from dtaas.sandbox.sqlserver.storage.one_value import one_value

_OBJECTS: Final = ("U", "V", "PK", "UQ", "F", "C", "D")


async def rename(context: Context, spec: ddl.Rename) -> None:
    """Carry out sp_rename of a table, view, constraint, column or index.

    Raises:
        SqlError: 15225 and 15248 there is none, 15335 the new name is taken, 15249 another kind.
    """
    kind = (spec.kind or "OBJECT").upper()
    parts: list[str] = await one_value(context.connection, "SELECT store.name_parts($1)", spec.name)
    try:
        match kind:
            case "OBJECT":
                await _object(context, spec, parts)
            case "COLUMN":
                await _part(context, spec, parts, "columns")
            case "INDEX":
                await _part(context, spec, parts, "indexes")
            case _:
                raise SqlError(
                    15249,
                    f"Error: Explicit @itemtype '{spec.kind}' is unrecognized (0).",
                    severity=11,
                )
    except asyncpg.UniqueViolationError as error:
        raise SqlError(
            15335,
            f"Error: The new name '{spec.new_name}' is already in use as a {kind} name and would "
            "cause a duplicate that is not permitted.",
            severity=11,
        ) from error


async def _object(context: Context, spec: ddl.Rename, parts: list[str]) -> None:
    record = await context.find(tuple(reversed(parts)), *_OBJECTS)
    if record is None:
        _not_found(context, spec)
    await context.connection.execute(
        "UPDATE meta.objects SET name = $2, modify_date = store.now() WHERE object_id = $1",
        record["object_id"],
        spec.new_name,
    )
    await context.connection.execute(
        "UPDATE meta.indexes SET name = $2 WHERE constraint_id = $1",
        record["object_id"],
        spec.new_name,
    )


async def _part(context: Context, spec: ddl.Rename, parts: list[str], where: str) -> None:
    """Rename a column or an index: `[schema.]table.name`; parts come last first."""
    table = await context.find(tuple(reversed(parts[1:])), "U") if len(parts) > 1 else None
    if table is None:
        _not_found(context, spec)
    renamed = await context.connection.fetchrow(
        f"UPDATE meta.{where} SET name = $3 WHERE object_id = $1"  # noqa: S608 - one of two words
        " AND store.name_key(name) = $2 RETURNING *",
        table["object_id"],
        name_key(parts[0]),
        spec.new_name,
    )
    if renamed is None:
        _not_found(context, spec)
    if where == "indexes" and renamed["constraint_id"] is not None:
        await context.connection.execute(
            "UPDATE meta.objects SET name = $2 WHERE object_id = $1",
            renamed["constraint_id"],
            spec.new_name,
        )


def _not_found(context: Context, spec: ddl.Rename) -> NoReturn:
    if (spec.kind or "OBJECT").upper() == "COLUMN":
        raise SqlError(
            15248,
            "Either the parameter @objname is ambiguous or the claimed @objtype (COLUMN) is wrong.",
            severity=11,
        )
    raise SqlError(
        15225,
        f"No item by the name of '{spec.name}' could be found in the current database "
        f"'{context.catalog.database}', given that @itemtype was input as "
        f"'{spec.kind or '(null)'}'.",
        severity=11,
    )
