"""The first rows of a source's table, for people to look at."""

from collections.abc import Sequence
from typing import Any, Final

from anyio import fail_after, move_on_after
from msgspec import Struct

from dtaas.model.connectors import ConnectorRole
from dtaas.model.errors import RequestError, TimedOutError
from dtaas.model.ids import ConnectorId
from dtaas.model.load import Chunk
from dtaas.model.ports import ConnectorRegistry, Source
from dtaas.model.schema import TableRef, TableSchema
from dtaas.store.connectors import ConnectorRepository

MOST_ROWS: Final = 100
_BATCH_BYTES: Final = 4_000_000
_LIMIT_S: Final = 30.0
_CLOSE_LIMIT_S: Final = 10.0
_LONGEST: Final = 200


class SampleColumn(Struct, frozen=True, kw_only=True):
    """A column as a task would read it. `arrow_type` is the type it arrives as."""

    name: str
    arrow_type: str
    nullable: bool
    in_key: bool


class Sample(Struct, frozen=True, kw_only=True):
    """Columns, and rows of texts; null is a null, longer texts end with …."""

    table: TableRef
    columns: tuple[SampleColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]


class SampleService:
    """Reads a few rows and ends the query."""

    def __init__(self, connectors: ConnectorRepository, registry: ConnectorRegistry) -> None:
        self._connectors = connectors
        self._registry = registry

    async def read(self, connector_id: ConnectorId, table: TableRef, limit: int) -> Sample:
        """Return up to `limit` rows, in whatever order the source has them at hand.

        Raises:
            NotFoundError: no such connector.
            RequestError: it is not a source.
            DtaasError: whatever the source says.
        """
        connector = await self._connectors.get(connector_id)
        if connector.role is not ConnectorRole.SOURCE:
            raise RequestError(
                f"Connector {connector.name!r} is a destination; only sources show rows."
            )
        source = self._registry.source(await self._registry.resolved(connector))
        try:
            with fail_after(_LIMIT_S):
                return await _first_rows(source, table, limit)
        except TimeoutError as exc:
            raise TimedOutError(
                f"Reading {table} took over {_LIMIT_S:g} s.",
                hint="Look for blocking at the source.",
            ) from exc
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await source.aclose()


async def _first_rows(source: Source, table: TableRef, limit: int) -> Sample:
    schema = await source.describe(table)
    whole = Chunk(index=0)
    reading = source.read(schema, whole, batch_rows=limit, batch_bytes=_BATCH_BYTES)
    async with reading as reader:
        batch = await reader.next()
    rows: Sequence[dict[str, Any]] = [] if batch is None else batch.slice(0, limit).to_pylist()
    return Sample(
        table=table,
        columns=_columns(schema),
        rows=tuple(tuple(_text(value) for value in row.values()) for row in rows),
    )


def _columns(schema: TableSchema) -> tuple[SampleColumn, ...]:
    return tuple(
        SampleColumn(
            name=column.name,
            arrow_type=str(field.type),
            nullable=column.nullable,
            in_key=column.name in schema.key,
        )
        for column, field in zip(schema.columns, schema.arrow_schema(), strict=True)
    )


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
