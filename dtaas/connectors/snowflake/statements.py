"""SQL text of loads, merges and our own records. Names are quoted before they come here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from dtaas.connectors.snowflake.layout import (
    DELETED,
    OWN_COLUMNS,
    POSITION,
    Places,
    Shape,
    TargetColumn,
    key_of,
)
from dtaas.connectors.snowflake.names import quoted, text
from dtaas.model.load import Owner, TargetTable

OP: Final = '"__DTAAS_OP"'
PARQUET: Final = (
    "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE"
    " USE_VECTORIZED_SCANNER = TRUE)"
)
FILES_AT_ONCE: Final = 1000
"""Most files one COPY may name."""


_OWNERS: Final = """("TARGET" VARCHAR, "INSTALLATION" VARCHAR, "TASK_ID" NUMBER(19,0),
  "TASK_NAME" VARCHAR, "EPOCH" NUMBER(19,0))"""
_LOADS: Final = """("TARGET" VARCHAR, "LOAD_ID" VARCHAR, "ROW_COUNT" NUMBER(19,0),
  "LOADED_AT" TIMESTAMP_NTZ(6))"""
_POSITIONS: Final = """("TARGET" VARCHAR, "GENERATION" VARCHAR, "POSITION" VARCHAR,
  "WRITER" VARCHAR, "EPOCH" NUMBER(19,0), "ROW_COUNT" NUMBER(19,0),
  "WRITTEN_AT" TIMESTAMP_NTZ(6))"""


def make_records(places: Places) -> list[str]:
    """Return the statements that make schema, stage and tables of our own records."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {places.meta_schema}",
        f"CREATE STAGE IF NOT EXISTS {places.stage}",
        f"CREATE TABLE IF NOT EXISTS {places.owners} {_OWNERS}",
        f"CREATE TABLE IF NOT EXISTS {places.loads} {_LOADS}",
        f"CREATE TABLE IF NOT EXISTS {places.positions} {_POSITIONS}",
    ]


def create_table(create: str, name: str, columns: Sequence[TargetColumn], shape: Shape) -> str:
    """Return the statement that makes a target.

    Args:
        create: its first words, such as CREATE TABLE IF NOT EXISTS.
    """
    definitions = [c.definition() for c in columns]
    definitions += [f"{quoted(own)} {kind}" for own, kind in OWN_COLUMNS[shape].items()]
    key = [c.name for c in columns if c.key]
    if key:
        more = [quoted(POSITION)] if shape is Shape.HISTORY else []
        definitions.append(f"PRIMARY KEY ({', '.join(key + more)})")
    return f"{create} {name} ({', '.join(definitions)})"


def create_staging(
    name: str, columns: Sequence[TargetColumn], kept: Collection[str], more: Sequence[str] = ()
) -> str:
    """Return the statement that makes the temporary table of a batch.

    Args:
        kept: source names of columns of which some rows keep the target's value.
        more: definitions of further columns.
    """
    definitions = [f"{c.name} {c.stored.staged}" for c in columns]
    definitions += [f"{OP} VARCHAR(1)", *more]
    definitions += [f"{keep_flag(i)} BOOLEAN" for i, c in enumerate(columns) if c.source in kept]
    return f"CREATE OR REPLACE TEMPORARY TABLE {name} ({', '.join(definitions)})"


def staged_table(name: str, columns: Sequence[TargetColumn]) -> str:
    """Return the statement that makes a load's temporary table, in staged forms."""
    definitions = (f"{c.name} {c.stored.staged}" for c in columns)
    return f"CREATE OR REPLACE TEMPORARY TABLE {name} ({', '.join(definitions)})"


def keep_flag(number: int) -> str:
    """Return the name of the flag that says that a row keeps its value of a column."""
    return f'"__DTAAS_KEEP_{number}"'


def copy(table: str, stage: str, files: Sequence[str]) -> str:
    """Return COPY of staged files, by column names."""
    names = ", ".join(text(file) for file in files)
    return (
        f"COPY INTO {table} FROM @{stage} FILES = ({names}) {PARQUET}"
        " MATCH_BY_COLUMN_NAME = CASE_SENSITIVE ON_ERROR = ABORT_STATEMENT"
    )


def insert_cast(
    table: str,
    staging: str,
    columns: Sequence[TargetColumn],
    own: Mapping[str, str],
    within: str = "TRUE",
) -> str:
    """Return INSERT of staged rows in the target's types.

    Args:
        own: values of our own columns.
        within: the condition of a transaction, see `leftovers.begun`.
    """
    values = [*(c.stored.cast.format(c=f"S.{c.name}") for c in columns), *own.values()]
    names = [*(c.name for c in columns), *(quoted(name) for name in own)]
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {staging} AS S"
        f" WHERE {within}"
    )


def merge(
    table: str,
    staging: str,
    columns: Sequence[TargetColumn],
    key: Sequence[str],
    kept: Collection[str],
    *,
    within: str,
    bounds: tuple[str, str] | None,
    soft: bool,
) -> str:
    """Return MERGE of a batch that has one row a key.

    Args:
        within: the condition of the transaction, see `leftovers.begun`.
        kept: source names of columns of which some rows keep the target's value.
        bounds: literals of the lowest and highest value of the first key column, by which
            Snowflake skips what the batch cannot touch; None where it has no literal.
    """
    by_source = {c.source: c for c in columns}
    keys = [by_source[name] for name in key]
    casts = {c.source: c.stored.cast.format(c=f"S.{c.name}") for c in columns}
    on = " AND ".join(f"T.{c.name} = {casts[c.source]}" for c in keys)
    prune = "" if bounds is None else f" AND T.{keys[0].name} BETWEEN {bounds[0]} AND {bounds[1]}"
    sets = [
        f"{c.name} = "
        + (
            f"CASE WHEN S.{keep_flag(i)} THEN T.{c.name} ELSE {casts[c.source]} END"
            if c.source in kept
            else casts[c.source]
        )
        for i, c in enumerate(columns)
        if c.source not in key
    ]
    names, values = [c.name for c in columns], [casts[c.source] for c in columns]
    gone = "DELETE"
    if soft:
        gone = f"UPDATE SET {quoted(DELETED)} = TRUE"
        sets.append(f"{quoted(DELETED)} = FALSE")
        names.append(quoted(DELETED))
        values.append("FALSE")
    update = f" WHEN MATCHED THEN UPDATE SET {', '.join(sets)}" if sets else ""
    return (
        f"MERGE INTO {table} AS T USING (SELECT * FROM {staging} WHERE {within}) AS S"
        f" ON {on}{prune}"
        f" WHEN MATCHED AND S.{OP} = 'D' THEN {gone}{update}"
        f" WHEN NOT MATCHED AND S.{OP} <> 'D' THEN"
        f" INSERT ({', '.join(names)}) VALUES ({', '.join(values)})"
    )


def claim(places: Places, target: TargetTable, owner: Owner, *, take_over: bool) -> str:
    """Return the statement that makes `owner` the target's where nobody else is."""
    ours = f'T."INSTALLATION" = {text(owner.installation)} AND T."TASK_ID" = {owner.task_id}'
    when = "" if take_over else f' AND {ours} AND T."EPOCH" <= {owner.epoch}'
    values = f"{text(owner.installation)}, {owner.task_id}, {text(owner.task_name)}, {owner.epoch}"
    return (
        f"MERGE INTO {places.owners} AS T USING (SELECT {key_of(target)} AS K) AS S"
        f' ON T."TARGET" = S.K WHEN MATCHED{when} THEN UPDATE SET'
        f' "INSTALLATION" = {text(owner.installation)}, "TASK_ID" = {owner.task_id},'
        f' "TASK_NAME" = {text(owner.task_name)}, "EPOCH" = {owner.epoch}'
        ' WHEN NOT MATCHED THEN INSERT ("TARGET", "INSTALLATION", "TASK_ID", "TASK_NAME",'
        f' "EPOCH") VALUES ({key_of(target)}, {values})'
    )


def release(places: Places, target: TargetTable, owner: Owner) -> str:
    """Return the statement that gives a target free if it is this owner's."""
    return f"DELETE FROM {places.owners} WHERE {_of(target, owner)}"


def hold(places: Places, target: TargetTable, owner: Owner) -> str:
    """Return the statement that locks the owner's row, so that nobody takes the target over."""
    return (
        f'UPDATE {places.owners} SET "EPOCH" = {owner.epoch} WHERE {_of(target, owner)}'
        f' AND "EPOCH" <= {owner.epoch}'
    )


def _of(target: TargetTable, owner: Owner) -> str:
    return (
        f'"TARGET" = {key_of(target)} AND "INSTALLATION" = {text(owner.installation)}'
        f' AND "TASK_ID" = {owner.task_id}'
    )


def owner_of(places: Places, target: TargetTable) -> str:
    """Return the query for who writes a target."""
    return (
        'SELECT "INSTALLATION", "TASK_ID", "TASK_NAME", "EPOCH" FROM '
        f'{places.owners} WHERE "TARGET" = {key_of(target)}'
    )


def standing(places: Places, target: TargetTable, generation: str, owner: Owner) -> str:
    """Return the query for where a stream stands, and for who may move it.

    One row: the position of this generation; epoch and writer of who opened the target last; how
    many records of `owner` there are, 0 when the target is another's.
    """
    where = f'"TARGET" = {key_of(target)}'
    last = f'SELECT MAX("EPOCH") FROM {places.positions} WHERE {where}'
    return (
        f'SELECT (SELECT MAX("POSITION") FROM {places.positions} WHERE {where}'
        f' AND "GENERATION" = {text(generation)}) AS P, ({last}) AS E,'
        f' (SELECT MAX("WRITER") FROM {places.positions} WHERE {where}'
        f' AND "EPOCH" = ({last})) AS W,'
        f" (SELECT COUNT(*) FROM {places.owners} WHERE {_of(target, owner)}"
        f' AND "EPOCH" <= {owner.epoch}) AS O'
    )


def held(places: Places, target: TargetTable) -> str:
    """Return the query for the latest load, the latest generation, and where that stands."""
    where = f'"TARGET" = {key_of(target)}'
    newest = (
        f'SELECT "GENERATION" FROM {places.positions} WHERE {where}'
        ' ORDER BY "EPOCH" DESC, "WRITTEN_AT" DESC LIMIT 1'
    )
    return (
        f'SELECT (SELECT "LOAD_ID" FROM {places.loads} WHERE {where}'
        f' ORDER BY "LOADED_AT" DESC LIMIT 1) AS L, ({newest}) AS G,'
        f' (SELECT MAX("POSITION") FROM {places.positions} WHERE {where}'
        f' AND "GENERATION" = ({newest})) AS P'
    )


def forget_beyond(
    places: Places, target: TargetTable, generation: str, position: str, within: str
) -> str:
    """Return the statement that forgets the windows of a stream beyond a position."""
    return (
        f'DELETE FROM {places.positions} WHERE "TARGET" = {key_of(target)}'
        f' AND "GENERATION" = {text(generation)} AND "POSITION" > {text(position)}'
        f" AND {within}"
    )


def forget_before(
    places: Places, target: TargetTable, generation: str, position: str, below: int
) -> str:
    """Return the statement that forgets what later records have replaced: none is ever changed.

    Args:
        position: where `generation` stands; its earlier ones go, and other generations.
        below: an epoch; records of this one and later ones stay.
    """
    return (
        f'DELETE FROM {places.positions} WHERE "TARGET" = {key_of(target)} AND "EPOCH" < {below}'
        f' AND ("GENERATION" <> {text(generation)} OR "POSITION" < {text(position)})'
    )


def add_position(
    places: Places,
    target: TargetTable,
    *,
    generation: str,
    position: str,
    writer: str,
    epoch: int,
    rows: int,
    within: str,
) -> str:
    """Return the statement that records a window, or that a writer has opened the stream.

    Args:
        within: the condition of the transaction, see `leftovers.begun`.
    """
    return (
        f'INSERT INTO {places.positions} ("TARGET", "GENERATION", "POSITION", "WRITER", "EPOCH",'
        f' "ROW_COUNT", "WRITTEN_AT") SELECT {key_of(target)}, {text(generation)},'
        f" {text(position)}, {text(writer)}, {epoch}, {rows},"
        f" TO_TIMESTAMP_NTZ(CURRENT_TIMESTAMP()) FROM (SELECT 1 AS N) AS X WHERE {within}"
    )
