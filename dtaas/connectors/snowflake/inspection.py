"""What stands at a target, and what a run would make of it. Only looks, and changes nothing."""

from typing import Final

from dtaas.connectors.snowflake import statements
from dtaas.connectors.snowflake.evolution import alterations, normal, require_history, required
from dtaas.connectors.snowflake.layout import CURRENT, OWN_COLUMNS, Places, Shape, TargetColumn
from dtaas.connectors.snowflake.names import text
from dtaas.connectors.snowflake.sessions import Session
from dtaas.model.errors import SchemaChangedError, TableNotFoundError
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import Owner, TargetTable, WriteMode, WriteOptions
from dtaas.model.plan import Standing, TargetDdl, named_owner
from dtaas.model.schema import TableSchema

_A_LOAD: Final = LoadId("<load>")


async def standing(session: Session, places: Places, target: TargetTable) -> Standing | None:
    """Return what readers see, None before the first load."""
    what = f"Looking at {target}"
    like = text(target.path[-1].replace("\\", "_"))  # a pattern: it finds more than the table
    sql = f"SHOW TABLES LIKE {like} IN SCHEMA {places.schema(target)}"
    try:
        found = await session.run_named(what, sql)
    except TableNotFoundError:  # not even the schema is there
        return None
    table = next((row for row in found if row["name"] == target.path[-1]), None)
    if table is None:
        return None
    columns = await session.run(what, f"DESCRIBE TABLE {places.table(target)}")
    rows = await session.run(what, f"SELECT COUNT(*) FROM {places.table(target)}")
    size = table.get("bytes")
    return Standing(
        location=places.table(target),
        columns=tuple((str(row[0]), normal(str(row[1]))) for row in columns),
        required=required(columns),
        rows=int(rows[0][0]),
        bytes=None if size is None else int(size),
        owner=await _owner(session, places, target, what),
    )


def ddl(
    places: Places,
    target: TargetTable,
    schema: TableSchema,
    options: WriteOptions,
    stands: Standing | None,
) -> TargetDdl:
    """Return the statements a run would begin or end with.

    Raises:
        TargetCollisionError, UnsupportedTypeError: the columns cannot be made.
    """
    columns, shape = places.columns(schema), places.shape(options)
    table, fresh = places.table(target), places.load(target, _A_LOAD)
    make = statements.create_table("CREATE TABLE IF NOT EXISTS", table, columns, shape)
    replace: tuple[str, ...] = (
        statements.create_table("CREATE OR REPLACE TABLE", fresh, columns, shape),
        f"ALTER TABLE {table} SWAP WITH {fresh}",
        f"DROP TABLE IF EXISTS {fresh}",
    )
    evolve: tuple[str, ...] = ()
    conflict = ""
    if stands is not None:
        present = dict(stands.columns)
        if options.mode is WriteMode.TRUNCATE_INSERT:
            replace = (f"DELETE FROM {table}",)
        elif options.history and CURRENT in present:
            replace = ()  # the history goes on
        try:
            require_history(target, shape, kept=CURRENT in present)
            evolve = tuple(
                alterations(places, target, columns, shape, present, required=stands.required)
            )
        except SchemaChangedError as error:
            conflict = f"{error.detail} {error.hint}"
    return TargetDdl(
        columns=_described(columns, shape),
        create=(f"CREATE SCHEMA IF NOT EXISTS {places.schema(target)}", make),
        replace=replace,
        evolve=evolve,
        conflict=conflict,
    )


def _described(columns: list[TargetColumn], shape: Shape) -> tuple[tuple[str, str], ...]:
    own = ((name, normal(kind)) for name, kind in OWN_COLUMNS[shape].items())
    return (*((c.bare, normal(c.stored.ddl)) for c in columns), *own)


async def _owner(session: Session, places: Places, target: TargetTable, what: str) -> str:
    try:
        found = await session.run(what, statements.owner_of(places, target))
    except TableNotFoundError:  # no task of ours ever wrote here
        return ""
    for installation, task_id, name, *_rest in found:
        return named_owner(
            Owner(installation=installation, task_id=TaskId(int(task_id)), task_name=str(name))
        )
    return ""
