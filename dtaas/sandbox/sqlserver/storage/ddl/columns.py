"""Columns: their meta rows and their definitions in the storage."""

import re
from collections.abc import Iterable
from typing import Final

import asyncpg
from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.collations import parse_collation
from dtaas.sandbox.sqlserver.storage.column_types import (
    figures,
    is_base_type,
    make_type,
    user_type_id,
)
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, dotted, storage_table
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql.compile import translate, type_of
from dtaas.sandbox.sqlserver.types import SqlType

_IDENTITY_TYPES: Final = frozenset({"tinyint", "smallint", "int", "bigint", "decimal", "numeric"})
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Table(Struct, frozen=True, kw_only=True):
    """A table being defined.

    Attributes:
        name: as people wrote it; `schema` too.
        storage: its name in the storage.
    """

    database_id: int
    object_id: int
    schema_id: int
    schema: str
    name: str
    storage: str


class TypedColumn(Struct, frozen=True, kw_only=True):
    """A column whose type is known."""

    spec: ddl.Column
    column_id: int
    type: SqlType
    nullable: bool
    user_type_id: int


async def resolve_column(
    context: Context, table: Table, spec: ddl.Column, column_id: int, known: tuple[ColumnDef, ...]
) -> TypedColumn:
    """Give a column its type.

    Args:
        known: columns a computed one may name.

    Raises:
        SqlError: 2715 no such type, 448 no such collation, 2749 wrong type for identity.
    """
    if spec.computed is not None:
        frame = frame_of(table, known)
        type_, nullable = type_of(spec.computed, frame, context.catalog)
        return TypedColumn(
            spec=spec,
            column_id=column_id,
            type=type_,
            nullable=nullable and spec.nullable is not False,
            user_type_id=user_type_id(type_.name),
        )
    type_, type_id, nullable = await resolve_type(context, spec, column_id)
    if spec.nullable is not None:
        nullable = spec.nullable
    if spec.identity is not None:
        if type_.name not in _IDENTITY_TYPES or type_.scale:
            raise SqlError(
                2749,
                f"Identity column '{spec.name}' must be of data type int, bigint, smallint, "
                "tinyint, or decimal or numeric with a scale of 0, unencrypted, and constrained "
                "to be nonnullable.",
                state=2,
            )
        nullable = False
    if type_.name == "timestamp" and spec.nullable is None:
        nullable = False
    return TypedColumn(
        spec=spec, column_id=column_id, type=type_, nullable=nullable, user_type_id=type_id
    )


async def resolve_type(
    context: Context, spec: ddl.Column, position: int
) -> tuple[SqlType, int, bool]:
    """Return the type a column's words name, its user_type_id, and its default nullability."""
    assert spec.type is not None  # noqa: S101 - computed columns went another way
    collation = spec.collation or context.catalog.collation
    if parse_collation(collation) is None:
        raise SqlError(448, f"Invalid collation '{collation}'.", severity=16, state=3)
    name = spec.type.parts[-1].lower()
    if is_base_type(name):
        type_ = make_type(name, spec.type.arguments, collation=collation, column=spec.name)
        return type_, user_type_id(name if name == "sysname" else type_.name), name != "sysname"
    alias = await context.connection.fetchrow(
        "SELECT a.* FROM meta.alias_types a JOIN meta.schemas s USING (database_id, schema_id)"
        " WHERE a.database_id = $1 AND store.name_key(a.name) = store.name_key($2)"
        " AND store.name_key(s.name) = store.name_key($3)",
        context.catalog.database_id,
        name,
        spec.type.parts[-2] if len(spec.type.parts) > 1 else "dbo",
    )
    if alias is None:
        raise SqlError(
            2715,
            f"Column, parameter, or variable #{position}: Cannot find data type "
            f"{dotted(spec.type.parts)}.",
            state=6,
        )
    type_ = SqlType(
        alias["type_name"],
        alias["type_length"],
        alias["type_precision"],
        alias["type_scale"],
        collation if alias["collation_name"] else None,
    )
    return type_, alias["user_type_id"], bool(alias["is_nullable"])


async def add_column(
    context: Context, table: Table, column: TypedColumn, known: tuple[ColumnDef, ...]
) -> str:
    """Write a column's meta row and return its definition in the storage.

    Raises:
        SqlError: 2705 the name is taken, 2744 a second identity column.
    """
    spec, type_, shown = column.spec, column.type, figures(column.type)
    try:
        await context.connection.execute(
            "INSERT INTO meta.columns VALUES"
            " ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)",
            table.object_id,
            column.column_id,
            spec.name,
            type_.name,
            type_.length,
            type_.precision,
            type_.scale,
            type_.collation,
            column.user_type_id,
            shown.max_length,
            shown.precision,
            shown.scale,
            int(column.nullable),
            int(spec.rowguidcol),
            int(spec.sparse),
            int(spec.persisted),
            None if spec.computed is None else stored_definition(spec.computed),
            None if spec.identity is None else str(spec.identity[0]),
            None if spec.identity is None else str(spec.identity[1]),
        )
    except asyncpg.UniqueViolationError as error:
        raise SqlError(
            2705,
            f"Column names in each table must be unique. Column name '{spec.name}' in table "
            f"'{table.name}' is specified more than once.",
            state=3,
        ) from error
    return column_definition(context, table, column, known)


def column_definition(
    context: Context, table: Table, column: TypedColumn, known: tuple[ColumnDef, ...]
) -> str:
    """Return a column as CREATE TABLE of the storage takes it."""
    spec = column.spec
    parts = [f"c{column.column_id}", storage_type(column.type)]
    if spec.computed is not None:
        frame = frame_of(table, known)
        sql = translate(spec.computed, column.type, frame, context.catalog)
        return f"{' '.join(parts)} GENERATED ALWAYS AS ({sql}) STORED"
    if not column.nullable:
        parts.append("NOT NULL")
    if spec.identity is not None:
        parts.append(f"DEFAULT nextval('{sequence(table)}')")
    if column.type.name == "timestamp":
        parts.append(f"DEFAULT store.next_rowversion({table.database_id})")
    return " ".join(parts)


async def create_sequence(context: Context, table: Table, identity: tuple[int, int]) -> None:
    """Make the sequence behind an identity column."""
    seed, increment = identity
    bound = f"MINVALUE {min(seed, 1)}" if increment > 0 else f"MAXVALUE {max(seed, -1)}"
    await context.connection.execute(
        f"CREATE SEQUENCE {sequence(table)} AS bigint START {seed} INCREMENT {increment} {bound};"
        f"GRANT USAGE ON SEQUENCE {sequence(table)} TO PUBLIC"
    )


async def finish_column(context: Context, table: Table, column: TypedColumn) -> None:
    """Do what can only be done once the column stands: own its sequence, keep its rowversion."""
    name = f"c{column.column_id}"
    if column.spec.identity is not None:
        await context.connection.execute(
            f"ALTER SEQUENCE {sequence(table)} OWNED BY {table.storage}.{name}"
        )
    if column.type.name == "timestamp":
        await context.connection.execute(
            f"CREATE TRIGGER rowversion BEFORE INSERT OR UPDATE ON {table.storage} FOR EACH ROW"
            f" EXECUTE FUNCTION store.set_rowversion('{table.database_id}', '{name}')"
        )


def sequence(table: Table) -> str:
    """Return the name of the sequence behind a table's identity column."""
    return f"d{table.database_id}.s_{table.object_id}"


def not_deterministic(table: Table, columns: Iterable[ddl.Column]) -> SqlError:
    """Return error 4936: the storage keeps computed columns, so they must be deterministic."""
    names = "', '".join(c.name for c in columns if c.computed is not None)
    return SqlError(
        4936,
        f"Computed column '{names}' in table '{table.name}' cannot be persisted because the column "
        "is non-deterministic.",
    )


def column_def(column: TypedColumn) -> ColumnDef:
    """Return a column as the catalog describes it."""
    return ColumnDef(
        name=column.spec.name,
        storage_name=f"c{column.column_id}",
        type=column.type,
        nullable=column.nullable,
        identity=column.spec.identity is not None,
        computed=column.spec.computed,
    )


def table_of(record: asyncpg.Record, shown: str) -> Table:
    """Return a table from its meta row with the schema's name."""
    return Table(
        database_id=record["database_id"],
        object_id=record["object_id"],
        schema_id=record["schema_id"],
        schema=record["schema"],
        name=shown,
        storage=storage_table(record["database_id"], record["object_id"]),
    )


async def known_columns(context: Context, table: Table) -> tuple[ColumnDef, ...]:
    """Read a table's columns as they stand in this transaction."""
    return tuple(
        ColumnDef(
            name=c["name"],
            storage_name=f"c{c['column_id']}",
            type=SqlType(
                c["type_name"],
                c["type_length"],
                c["type_precision"],
                c["type_scale"],
                c["collation_name"],
            ),
            nullable=bool(c["is_nullable"]),
            identity=c["identity_seed"] is not None,
            computed=c["computed"],
        )
        for c in await context.connection.fetch(
            "SELECT * FROM meta.columns WHERE object_id = $1 ORDER BY column_id", table.object_id
        )
    )


def stored_definition(text: str) -> str:
    """Return a definition as SQL Server keeps it: in parentheses, numbers in two pairs."""
    inner = text.strip()
    while _is_wrapped(inner):
        inner = inner[1:-1].strip()
    return f"(({inner}))" if _NUMBER.fullmatch(inner) else f"({inner})"


def frame_of(table: Table, columns: tuple[ColumnDef, ...]) -> TableDef:
    """Return the table as the compiler resolves the names of a check or computed column in it."""
    return TableDef(
        object_id=table.object_id,
        schema=table.schema,
        name=table.name,
        storage_name=table.storage,
        columns=columns,
    )


def _is_wrapped(text: str) -> bool:
    """Tell whether one pair of parentheses holds the whole text."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth, quoted = 0, False
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0:
                return at == len(text) - 1
    return False
