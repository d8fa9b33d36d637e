"""Bulk fill: Arrow batches into a table by COPY.

Foreign keys are checked once at the end by a join, not row by row; the statistics are right when
it returns.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from typing import Final

import asyncpg
import pyarrow as pa
import pyarrow.csv

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.arrow_columns import storage_column
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl.context import no_database
from dtaas.sandbox.sqlserver.storage.identity import last_identity
from dtaas.sandbox.sqlserver.storage.postgres_errors import Failure, translate_failure
from dtaas.sandbox.sqlserver.storage.server import StorageServer
from dtaas.sandbox.sqlserver.tsql.errors import invalid_column, invalid_object

_INSERT: Final = 0xC3
_PIECE_ROWS: Final = 20_000
_CSV: Final = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")


async def fill_table(
    storage: StorageServer,
    database: str,
    schema: str,
    table: str,
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Put batches into an existing table, all or none; see `SimulatedEngine.bulk_fill`."""
    catalog = (await storage.catalogs()).get(name_key(database))
    if catalog is None:
        raise no_database(database)
    target = catalog.table(schema, table)
    if target is None or target.read_only:
        raise invalid_object(f"{schema}.{table}")
    connection = await storage.connect(login="sa", spid=0, restricted=False)
    try:
        return await _fill(connection, target, iter(batches))
    except asyncpg.PostgresError as error:
        await connection.execute("ROLLBACK")
        raise await translate_failure(
            connection, Failure(error, _INSERT), spid=0, database=database, snapshot=False
        ) from error
    finally:
        await connection.close()


async def _fill(
    connection: asyncpg.Connection, table: TableDef, batches: Iterator[pa.RecordBatch]
) -> int:
    blocking = Blocking(1)
    first = await blocking(next, batches, None)
    if first is None:
        return 0
    columns = [_column(table, name) for name in first.schema.names]
    await connection.execute("BEGIN; SET LOCAL session_replication_role = replica")
    schema, _, name = table.storage_name.partition(".")
    status = await connection.copy_to_table(
        name,
        source=_csv(blocking, first, batches, columns),
        schema_name=schema,
        columns=[column.storage_name for column in columns],
        format="csv",
    )
    await _check_foreign_keys(connection, table)
    if any(column.identity for column in columns):
        await last_identity(connection, table, explicit=True)
    await connection.execute("COMMIT")
    await connection.execute(f"VACUUM (ANALYZE) {table.storage_name}")
    return int(status.rpartition(" ")[2])


async def _csv(
    blocking: Blocking,
    first: pa.RecordBatch,
    batches: Iterator[pa.RecordBatch],
    columns: list[ColumnDef],
) -> AsyncIterator[bytes]:
    """Give the rows as CSV, converted in a thread while PostgreSQL takes the piece before."""
    batch: pa.RecordBatch | None = first
    while batch is not None:
        if batch.schema.names != first.schema.names:
            raise SqlError(4864, "Bulk load failed: the batches have different columns.")
        for start in range(0, batch.num_rows, _PIECE_ROWS):
            yield await blocking(_piece, batch.slice(start, _PIECE_ROWS), columns)
        batch = await blocking(next, batches, None)


def _piece(batch: pa.RecordBatch, columns: list[ColumnDef]) -> bytes:
    converted = [
        storage_column(batch.column(i), column.type, column.name)
        for i, column in enumerate(columns)
    ]
    out = BytesIO()
    names = [column.storage_name for column in columns]
    pyarrow.csv.write_csv(pa.record_batch(converted, names=names), out, _CSV)
    return out.getvalue()


def _column(table: TableDef, name: str) -> ColumnDef:
    found = next((c for c in table.columns if name_key(c.name) == name_key(name)), None)
    if found is None:
        raise invalid_column(name)
    if found.computed is not None or found.type.name == "timestamp":
        raise SqlError(
            271,
            f'The column "{found.name}" cannot be modified because it is either a computed column '
            "or is the result of a UNION operator.",
        )
    return found


async def _check_foreign_keys(connection: asyncpg.Connection, table: TableDef) -> None:
    """Raises: asyncpg.ForeignKeyViolationError the first row without its parent."""
    keys = await connection.fetch(
        "SELECT conname, conrelid::regclass::text AS child, confrelid::regclass::text AS parent,"
        " ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY k(n, i) JOIN pg_attribute a"
        "  ON a.attrelid = conrelid AND a.attnum = k.n ORDER BY k.i) AS columns,"
        " ARRAY(SELECT attname FROM unnest(confkey) WITH ORDINALITY k(n, i) JOIN pg_attribute a"
        "  ON a.attrelid = confrelid AND a.attnum = k.n ORDER BY k.i) AS referenced"
        " FROM pg_constraint WHERE contype = 'f' AND conenforced AND conrelid = $1::regclass",
        table.storage_name,
    )
    for key in keys:
        pairs = list(zip(key["columns"], key["referenced"], strict=True))
        match = " AND ".join(f"c.{child} = p.{parent}" for child, parent in pairs)
        given = " AND ".join(f"c.{child} IS NOT NULL" for child, _ in pairs)
        orphan = await connection.fetchval(
            f"SELECT 1 FROM {key['child']} c WHERE {given}"  # noqa: S608
            f" AND NOT EXISTS (SELECT FROM {key['parent']} p WHERE {match}) LIMIT 1"
        )
        if orphan:
            # run the check PostgreSQL itself would have run, for its error
            await connection.execute(
                f"ALTER TABLE {key['child']} DROP CONSTRAINT {key['conname']}, ADD CONSTRAINT"
                f" {key['conname']} FOREIGN KEY ({', '.join(key['columns'])})"
                f" REFERENCES {key['parent']} ({', '.join(key['referenced'])})"
            )
