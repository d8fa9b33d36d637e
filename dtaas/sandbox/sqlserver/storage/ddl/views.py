"""CREATE VIEW, ALTER VIEW, DROP VIEW.

A view is a view of the storage over the compiled query. What it reads is fixed when it is made: a
column added to a table later does not show in `SELECT *`, as in SQL Server.
"""

from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.column_types import figures, user_type_id
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import (
    Context,
    already_exists,
    cannot_drop,
    dotted,
    storage_object,
)
from dtaas.sandbox.sqlserver.tsql.compile import View, compile_view
from dtaas.sandbox.sqlserver.tsql.compiled import Scope
from dtaas.sandbox.sqlserver.types import SqlType

_UNNAMED_COLUMN: Final = 8155
"""Of a derived table; a view without a column name is error 4511."""

_ALL_TYPES: Final = ("U", "V", "PK", "UQ", "F", "C", "D")


async def create_view(context: Context, spec: ddl.CreateView) -> None:
    """Carry out CREATE VIEW, ALTER VIEW and CREATE OR ALTER VIEW.

    Raises:
        SqlError: 2714 the name is taken, 208 there is nothing to alter, 4511 a column without a
            name, 4506 a name twice, and what the query raises.
    """
    existing = await context.find(spec.view, *_ALL_TYPES)
    if existing is not None and (existing["type"] != "V" or not spec.replace):
        raise already_exists(spec.view[-1])
    if existing is None and spec.must_exist:
        raise SqlError(208, f"Invalid object name '{dotted(spec.view)}'.", state=6)
    scope = Scope(catalog=context.catalog, catalogs=context.catalogs, variables={})
    view = _compile(spec, scope)
    _check_names(spec, [column.name for column in view.columns])
    if existing is not None:
        await _remove(context, existing)
    place = await context.place(spec.view)
    object_id = await context.add_object(place, "V", definition=spec.text)
    await context.connection.executemany(
        "INSERT INTO meta.columns (object_id, column_id, name, type_name, type_length,"
        " type_precision, type_scale, collation_name, user_type_id, max_length, "
        ' "precision", scale, is_nullable)'
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        [
            (object_id, n, c.name, c.type.name, c.type.length, c.type.precision, c.type.scale,
             c.type.collation, user_type_id(c.type.name), *_figures(c.type), int(c.nullable))
            for n, c in enumerate(view.columns, 1)
        ],
    )  # fmt: skip
    names = ", ".join(f"c{n}" for n in range(1, len(view.columns) + 1))
    await context.connection.execute(
        f"CREATE VIEW d{place.database_id}.v_{object_id} ({names}) AS {view.sql}"
    )


async def drop_views(context: Context, spec: ddl.DropObjects) -> None:
    """Carry out DROP VIEW. Raises: SqlError 3701 no such view."""
    for name in spec.names:
        record = await context.find(name, "V")
        if record is None:
            if spec.if_exists:
                continue
            raise cannot_drop("view", dotted(name))
        await _remove(context, record)


async def _remove(context: Context, record: asyncpg.Record) -> None:
    try:
        await context.connection.execute(f"DROP VIEW {storage_object(record)}")
    except asyncpg.DependentObjectsStillExistError as error:
        raise SqlError(
            3729,
            f"Cannot drop view '{record['name']}' because it is referenced by another object.",
        ) from error
    await context.connection.execute(
        "DELETE FROM meta.objects WHERE object_id = $1", record["object_id"]
    )


def _compile(spec: ddl.CreateView, scope: Scope) -> View:
    try:
        return compile_view(spec.query, scope, spec.columns)
    except SqlError as error:
        if error.number != _UNNAMED_COLUMN:
            raise
        number = error.text.partition("column ")[2].partition(" ")[0]
        raise SqlError(
            4511,
            "Create View or Function failed because no column name was specified for column "
            f"{number}.",
        ) from error


def _check_names(spec: ddl.CreateView, names: list[str]) -> None:
    for at, name in enumerate(names):
        if name.lower() in (earlier.lower() for earlier in names[:at]):
            raise SqlError(
                4506,
                "Column names in each view or function must be unique. Column name "
                f"'{name}' in view or function '{spec.view[-1]}' is specified more than once.",
            )


def _figures(type_: SqlType) -> tuple[int, int, int]:
    shown = figures(type_)
    return shown.max_length, shown.precision, shown.scale
