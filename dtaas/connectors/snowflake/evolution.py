"""Making a target take what its source has now: create, add columns, widen and relax them."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from dtaas.connectors.snowflake import statements
from dtaas.connectors.snowflake.layout import CURRENT, DELETED, Places, Shape, TargetColumn
from dtaas.connectors.snowflake.names import quoted, text
from dtaas.connectors.snowflake.sessions import Row, Session
from dtaas.model.errors import SchemaChangedError
from dtaas.model.load import TargetTable
from dtaas.model.schema import Column, TableRef, TableSchema

log = structlog.get_logger()
_TYPE: Final = re.compile(r"([A-Z_]+)(?:\((\d+)(?:,(\d+))?\))?")
_ALIASES: Final = {"TEXT": "VARCHAR", "STRING": "VARCHAR", "DECIMAL": "NUMBER", "DOUBLE": "FLOAT"}
_DEFAULT_LENGTHS: Final = {"VARCHAR": 16_777_216, "BINARY": 8_388_608}
_DEFAULT_DIGITS: Final = 9
"""Of a second, in types of times: these no ALTER TABLE changes."""


async def evolve(
    session: Session, places: Places, target: TargetTable, schema: TableSchema, shape: Shape
) -> None:
    """Create the table, add the columns it lacks, widen and relax those that take too little.

    A column the source dropped stays and is NULL from now on. Runs outside transactions, in the
    worker of the table, so that no load or merge of it is under way.

    Raises:
        SchemaChangedError: a column is of another kind than the source's values, or the table
            keeps a history and shall not, or the other way round.
    """
    what = f"Preparing {target}"
    table = places.table(target)
    columns = places.columns(schema)
    await session.run(what, f"CREATE SCHEMA IF NOT EXISTS {places.schema(target)}")
    create = "CREATE TABLE IF NOT EXISTS"
    await session.run(what, statements.create_table(create, table, columns, shape))
    described = await session.run(what, f"DESCRIBE TABLE {table}")
    present = {row[0]: str(row[1]) for row in described}
    require_history(target, shape, kept=CURRENT in present)
    for sql in alterations(places, target, columns, shape, present, required=required(described)):
        await session.run(what, sql)
        log.info("table_altered", target=str(target), sql=sql)


def alterations(
    places: Places,
    target: TargetTable,
    columns: Sequence[TargetColumn],
    shape: Shape,
    present: Mapping[str, str],
    *,
    required: Collection[str] = (),
) -> list[str]:
    """Return the statements that let a table take rows.

    Args:
        present: its columns and their types.
        required: those of them that refuse NULL and are no key there.

    Raises:
        SchemaChangedError: a column is of another kind than the source's values.
    """
    table, found = places.table(target), list[str]()
    if shape is Shape.SOFT and DELETED not in present:
        found.append(f"ALTER TABLE {table} ADD COLUMN {quoted(DELETED)} BOOLEAN")
    for column in columns:
        definition = f"{column.name} {column.stored.ddl}"
        if column.bare not in present:
            found.append(f"ALTER TABLE {table} ADD COLUMN {definition}")
        elif _is_wider(column, present[column.bare], where=str(target)):
            found.append(
                f"ALTER TABLE {table} ALTER COLUMN {column.name} SET DATA TYPE {column.stored.ddl}"
            )
        if column.bare in required and column.column.nullable:
            found.append(f"ALTER TABLE {table} ALTER COLUMN {column.name} DROP NOT NULL")
    return found


def required(described: Sequence[Row]) -> frozenset[str]:
    """Return the columns that refuse NULL by themselves, of what DESCRIBE TABLE says."""
    return frozenset(
        str(name) for name, _, _, null, _, key, *_ in described if (null, key) == ("N", "N")
    )


def normal(declared: str) -> str:
    """Return a type in one spelling, whoever wrote it."""
    kind, size, scale = _parsed(declared)
    if kind == "NUMBER":
        return f"{kind}({size},{scale})"
    return f"{kind}({size})" if size else kind


def evolution(
    places: Places, target: TargetTable, before: Column | None, after: Column
) -> tuple[str, ...]:
    """Return what `evolve` would execute for one column.

    Raises:
        SchemaChangedError: the column is of another kind than the source's values.
    """
    table, columns = places.table(target), (after,) if before is None else (before, after)
    source = TableRef("", "")
    named = places.columns(TableSchema(table=source, columns=columns[-1:]))[0]
    if before is None:
        return (f"ALTER TABLE {table} ADD COLUMN {named.name} {named.stored.ddl}",)
    old = places.columns(TableSchema(table=source, columns=columns[:1]))[0]
    if not _is_wider(named, old.stored.ddl, where=str(target)):
        return ()
    return (f"ALTER TABLE {table} ALTER COLUMN {named.name} SET DATA TYPE {named.stored.ddl}",)


async def keeps_history(
    session: Session, places: Places, target: TargetTable, what: str
) -> bool | None:
    """Return whether a table keeps every version of its rows, None where there is none."""
    schema, name = places.schema(target), target.path[-1]
    like = text(name.replace("\\", "_"))  # a pattern: it finds more, and always the table itself
    found = await session.run(what, f"SHOW TABLES LIKE {like} IN SCHEMA {schema}")
    if all(row[1] != name for row in found):
        return None
    described = await session.run(what, f"DESCRIBE TABLE {places.table(target)}")
    return any(row[0] == CURRENT for row in described)


def require_history(target: TargetTable, shape: Shape, *, kept: bool) -> None:
    """Refuse to write rows into a history, or versions into a table of rows.

    Raises:
        SchemaChangedError: it is the wrong kind of table.
    """
    if kept and shape is not Shape.HISTORY:
        raise SchemaChangedError(
            f"{target} keeps the history of its rows, which this would end.",
            hint="Set history again, choose another target, or drop the table.",
        )
    if shape is Shape.HISTORY and not kept:
        raise SchemaChangedError(
            f"{target} keeps no history of its rows so far.",
            hint="Load the table anew, choose another target, or drop the table.",
        )


def _is_wider(column: TargetColumn, present: str, *, where: str) -> bool:
    """Return whether the source's type holds more than the target's column.

    Raises:
        SchemaChangedError: it is another kind of type, or holds finer times.
    """
    (kind, size, scale), (old, old_size, old_scale) = _parsed(column.stored.ddl), _parsed(present)
    finer = kind.startswith("TIME") and size > old_size
    if kind != old or finer or (kind == "NUMBER" and scale != old_scale):
        raise SchemaChangedError(
            f"Column {column.bare!r} of {where} is {present}, but the source's values are"
            f" {column.stored.ddl} now.",
            hint="Start the task with force to load the table anew.",
        )
    return kind in {"VARCHAR", "BINARY", "NUMBER"} and size > old_size


def _parsed(declared: str) -> tuple[str, int, int]:
    found = _TYPE.match(declared.upper())
    if found is None:
        return declared, 0, 0
    kind = _ALIASES.get(found[1], found[1])
    otherwise = _DEFAULT_DIGITS if kind.startswith("TIME") else _DEFAULT_LENGTHS.get(kind, 0)
    size = int(found[2]) if found[2] else otherwise
    return kind, size, int(found[3] or 0)
