"""The demo's proof: both ends read again and compared, and the means to make it fail."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from dtaas.connectors.registry import Registry
from dtaas.engine.verification.sides import fingerprint_of, scan_source
from dtaas.model.connectors import Connector, ConnectorRole, decode_config
from dtaas.model.fingerprint import Fingerprinter, TableFingerprint
from dtaas.model.ids import ConnectorId
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableRef

_READERS = 2


class TableComparison(Struct, frozen=True, kw_only=True):
    """What comparing one table found.

    Attributes:
        differences: in words, empty when both hold the same rows.
    """

    table: TableRef
    source: TableFingerprint
    destination: TableFingerprint
    differences: tuple[str, ...]


class Proof(Struct, frozen=True, kw_only=True):
    """What comparing every table found."""

    tables: tuple[TableComparison, ...]

    @property
    def verified(self) -> bool:
        """Return whether both ends hold the same."""
        return not any(table.differences for table in self.tables)

    @property
    def rows(self) -> int:
        """Return the rows at the source."""
        return sum(table.source.rows for table in self.tables)

    def differs(self) -> dict[str, tuple[str, ...]]:
        """Return what differs, by table."""
        return {str(t.table): t.differences for t in self.tables if t.differences}


async def prove(
    source_request: dict[str, Any], target_request: dict[str, Any], tables: Sequence[TableRef]
) -> Proof:
    """Read every table at both ends, through connectors of its own, and compare."""
    async with ends(source_request, target_request) as (source, destination):
        found = [await _compare(source, destination, table) for table in tables]
    return Proof(tables=tuple(found))


async def _compare(source: Source, destination: Destination, table: TableRef) -> TableComparison:
    schema = await source.describe(table)
    figures = Fingerprinter(schema.arrow_schema())
    await scan_source(source, schema, figures.add, readers=_READERS)
    left, arrived = (
        figures.result(),
        await fingerprint_of(destination, destination.target_of(table, None), schema),
    )
    return TableComparison(
        table=table, source=left, destination=arrived, differences=left.differences(arrived)
    )


@asynccontextmanager
async def ends(
    source_request: dict[str, Any], target_request: dict[str, Any]
) -> AsyncIterator[tuple[Source, Destination]]:
    """Open both connectors as the requests to the API described them."""
    registry = Registry()
    source = registry.source(_connector(registry, source_request))
    async with aclosing(source):
        destination = registry.destination(
            _connector(registry, target_request),
            task_name="",
            database=source_request["connection_config"]["database"],
        )
        async with aclosing(destination):
            yield source, destination


def _connector(registry: Registry, request: dict[str, Any]) -> Connector:
    role = ConnectorRole(request["connector_type"])
    kind = request[f"{role}_type"]
    now = datetime.now(UTC)
    return Connector(
        id=ConnectorId(0),
        name=request["name"],
        description="",
        role=role,
        kind=kind,
        config=decode_config(
            request["connection_config"], registry.type_of(role, kind).config_type
        ),
        is_active=True,
        created_at=now,
        updated_at=now,
    )
