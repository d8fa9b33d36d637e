"""Which products there are: an explicit table from kind to configuration, abilities and builder.

Builders import their driver when the first connector of the product is built, so that a daemon
that never uses a product does not need its driver.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, assert_never, cast

import msgspec
from msgspec import Struct

from dtaas.concurrency.imports import imported
from dtaas.connectors.places import PlaceGuard
from dtaas.connectors.secrets.resolver import SecretResolver
from dtaas.model.change_ports import ChangeSource, WatermarkSource
from dtaas.model.changes import Capture
from dtaas.model.connectors import (
    ConnectionConfig,
    Connector,
    ConnectorRole,
    DeltaFileConfig,
    DeltaS3Config,
    FileConfig,
    MemoryDestinationConfig,
    MemorySourceConfig,
    S3Config,
    SnowflakeConfig,
    SqlServerConfig,
    secret_references,
)
from dtaas.model.errors import DriverMissingError, ValidationFailedError
from dtaas.model.ports import Capabilities, ConnectorType, Destination, Source
from dtaas.settings import ConnectorsSettings, SecretsSettings

C = TypeVar("C", bound=ConnectionConfig)
_DRIVERS: Final[Mapping[type[ConnectionConfig], Sequence[str]]] = {
    SqlServerConfig: (
        "dtaas.connectors.sqlserver.capture.source",
        "dtaas.connectors.sqlserver.incremental.source",
        "dtaas.connectors.sqlserver.source",
        "dtaas.connectors.sqlserver.tracking.auto",
        "dtaas.connectors.sqlserver.tracking.source",
    ),
    S3Config: ("dtaas.connectors.lake.destination",),
    FileConfig: ("dtaas.connectors.lake.destination",),
    DeltaS3Config: ("dtaas.connectors.delta.destination",),
    DeltaFileConfig: ("dtaas.connectors.delta.destination",),
    SnowflakeConfig: ("dtaas.connectors.snowflake.destination",),
}
"""What the builders below import, which they could only do on the event loop."""
_LAKE = Capabilities(full_load=True, cdc=True, overwrite=True, append=True, partitions=True)
_DELTA = Capabilities(full_load=True, cdc=True, overwrite=True, append=True, applies_changes=True)
_SNOWFLAKE = Capabilities(
    full_load=True,
    cdc=True,
    overwrite=True,
    append=True,
    applies_changes=True,
    truncate_insert=True,
    history=True,
)


class NamingContext(Struct, frozen=True, kw_only=True):
    """What a destination's prefix template may name besides the table."""

    task_name: str
    database: str


def _sqlserver(config: SqlServerConfig) -> Source:
    from dtaas.connectors.sqlserver.source import SqlServerSource  # noqa: PLC0415

    return SqlServerSource(config)


def _sqlserver_changes(
    config: SqlServerConfig, capture: Capture, beside: Source | None
) -> ChangeSource:
    from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource  # noqa: PLC0415
    from dtaas.connectors.sqlserver.source import SqlServerSource  # noqa: PLC0415
    from dtaas.connectors.sqlserver.tracking.auto import FirstThatTracks  # noqa: PLC0415
    from dtaas.connectors.sqlserver.tracking.source import (  # noqa: PLC0415
        SqlServerTrackingSource,
    )

    rows = beside if isinstance(beside, SqlServerSource) else None
    match capture:
        case Capture.CDC:
            return SqlServerChangeSource(config, beside=rows)
        case Capture.CHANGE_TRACKING:
            return SqlServerTrackingSource(config)
        case Capture.AUTO:
            first = SqlServerChangeSource(config, beside=rows)
            return FirstThatTracks(first, SqlServerTrackingSource(config))
        case _:
            assert_never(capture)


def _sqlserver_watermarks(config: SqlServerConfig) -> WatermarkSource:
    from dtaas.connectors.sqlserver.incremental.source import SqlServerWatermarks  # noqa: PLC0415

    return SqlServerWatermarks(config)


def _memory_source(config: MemorySourceConfig) -> Source:
    from dtaas.connectors.memory.source import MemorySource  # noqa: PLC0415

    return MemorySource(config)


def _memory_changes(
    config: MemorySourceConfig, _capture: Capture, _beside: Source | None
) -> ChangeSource:
    from dtaas.connectors.memory.change_source import MemoryChangeSource  # noqa: PLC0415

    return MemoryChangeSource(config)


def _memory_watermarks(config: MemorySourceConfig) -> WatermarkSource:
    from dtaas.connectors.memory.watermarks import MemoryWatermarks  # noqa: PLC0415

    return MemoryWatermarks(config)


def _s3(config: S3Config, naming: NamingContext) -> Destination:
    from dtaas.connectors.lake.destination import LakeDestination  # noqa: PLC0415

    return LakeDestination.s3(config, task_name=naming.task_name, database=naming.database)


def _file(config: FileConfig, naming: NamingContext) -> Destination:
    from dtaas.connectors.lake.destination import LakeDestination  # noqa: PLC0415

    return LakeDestination.file(config, task_name=naming.task_name, database=naming.database)


def _delta(config: DeltaS3Config | DeltaFileConfig, naming: NamingContext) -> Destination:
    try:
        from dtaas.connectors.delta.destination import DeltaDestination  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "deltalake":
            raise
        raise DriverMissingError(
            "The Delta library is not installed.", hint="Install it: pip install 'dtaas[delta]'"
        ) from error
    return DeltaDestination(config, task_name=naming.task_name, database=naming.database)


def _snowflake(config: SnowflakeConfig, naming: NamingContext) -> Destination:
    from dtaas.connectors.snowflake.destination import SnowflakeDestination  # noqa: PLC0415

    return SnowflakeDestination(config, task_name=naming.task_name, database=naming.database)


def _memory_destination(config: MemoryDestinationConfig, _naming: NamingContext) -> Destination:
    from dtaas.connectors.memory.destination import MemoryDestination  # noqa: PLC0415

    return MemoryDestination(config)


def warm_up() -> None:
    """Read what libraries read at their first use, so that the first load need not. Blocking."""
    from dtaas.connectors.lake.s3_client import descriptions  # noqa: PLC0415

    descriptions()


class _SourceRow(Struct, frozen=True):
    type: ConnectorType
    build: Callable[[ConnectionConfig], Source]
    changes: Callable[[ConnectionConfig, Capture, Source | None], ChangeSource] | None
    watermarks: Callable[[ConnectionConfig], WatermarkSource] | None


class _DestinationRow(Struct, frozen=True):
    type: ConnectorType
    build: Callable[[ConnectionConfig, NamingContext], Destination]


def _source_row(
    kind: str,
    title: str,
    config: type[C],
    build: Callable[[C], Source],
    *,
    changes: Callable[[C, Capture, Source | None], ChangeSource] | None = None,
    watermarks: Callable[[C], WatermarkSource] | None = None,
) -> _SourceRow:
    row = ConnectorType(
        kind=kind,
        role=ConnectorRole.SOURCE,
        title=title,
        config_type=config,
        capabilities=Capabilities(
            full_load=True, cdc=changes is not None, incremental=watermarks is not None
        ),
    )
    return _SourceRow(
        row,
        cast("Callable[[ConnectionConfig], Source]", build),
        cast("Callable[[ConnectionConfig, Capture, Source | None], ChangeSource] | None", changes),
        cast("Callable[[ConnectionConfig], WatermarkSource] | None", watermarks),
    )


def _destination_row(
    kind: str,
    title: str,
    config: type[C],
    build: Callable[[C, NamingContext], Destination],
    capabilities: Capabilities = _LAKE,
) -> _DestinationRow:
    row = ConnectorType(
        kind=kind,
        role=ConnectorRole.DESTINATION,
        title=title,
        config_type=config,
        capabilities=capabilities,
    )
    return _DestinationRow(
        row, cast("Callable[[ConnectionConfig, NamingContext], Destination]", build)
    )


class Registry:
    """The products of this build; `memory` adds the in-process connectors, for tests."""

    def __init__(
        self,
        *,
        memory: bool = False,
        secrets: SecretResolver | None = None,
        places: PlaceGuard | None = None,
    ) -> None:
        """List the products.

        Args:
            secrets: looks references up; by default as the default settings allow.
            places: refuses places, likewise.
        """
        self._places = places or PlaceGuard(ConnectorsSettings())
        self._secrets = secrets or SecretResolver(SecretsSettings(), os.environ)
        sources = [
            _source_row(
                "sqlserver",
                "SQL Server",
                SqlServerConfig,
                _sqlserver,
                changes=_sqlserver_changes,
                watermarks=_sqlserver_watermarks,
            )
        ]
        destinations = [
            _destination_row("s3", "Amazon S3", S3Config, _s3),
            _destination_row("file", "Local folder", FileConfig, _file),
            _destination_row("delta_s3", "Delta Lake on Amazon S3", DeltaS3Config, _delta, _DELTA),
            _destination_row(
                "delta_file", "Delta Lake in a folder", DeltaFileConfig, _delta, _DELTA
            ),
            _destination_row("snowflake", "Snowflake", SnowflakeConfig, _snowflake, _SNOWFLAKE),
        ]
        if memory:
            sources.append(
                _source_row(
                    "memory",
                    "Memory",
                    MemorySourceConfig,
                    _memory_source,
                    changes=_memory_changes,
                    watermarks=_memory_watermarks,
                )
            )
            destinations.append(
                _destination_row(
                    "memory",
                    "Memory",
                    MemoryDestinationConfig,
                    _memory_destination,
                    Capabilities(full_load=True, cdc=True, overwrite=True, append=True),
                )
            )
        self._sources = {row.type.kind: row for row in sources}
        self._destinations = {row.type.kind: row for row in destinations}

    def types(self) -> Sequence[ConnectorType]:
        """Return every product, sources first."""
        return [
            *(row.type for row in self._sources.values()),
            *(row.type for row in self._destinations.values()),
        ]

    def type_of(self, role: ConnectorRole, kind: str) -> ConnectorType:
        """Return one product, or refuse with those there are."""
        found = {row.kind: row for row in self.types() if row.role is role}
        if kind not in found:
            raise ValidationFailedError(
                f"There is no {role} of type {kind!r}.",
                hint=f"Use one of: {', '.join(found)}.",
                field=f"$.{role}_type",
            )
        return found[kind]

    def admit(self, config: ConnectionConfig) -> None:
        """Refuse a configuration that leads where connectors may not reach."""
        self._places.admit(config)

    async def opened(self, config: C) -> C:
        """Return a configuration with secrets in the place of references, its driver imported."""
        await self._places.check(config)
        await self.import_driver(config)
        return await self._secrets.resolve(config)

    async def import_driver(self, config: ConnectionConfig) -> None:
        """Import what the builders would import on the event loop."""
        await imported(*_DRIVERS.get(type(config), ()))

    async def resolved(self, connector: Connector) -> Connector:
        """Return the connector with secrets in the place of references."""
        config = await self.opened(connector.config)
        return msgspec.structs.replace(connector, config=config)

    def source(self, connector: Connector) -> Source:
        """Build a source."""
        _require_resolved(connector)
        self.type_of(ConnectorRole.SOURCE, connector.kind)
        return self._sources[connector.kind].build(connector.config)

    def change_source(
        self,
        connector: Connector,
        capture: Capture = Capture.CDC,
        *,
        beside: Source | None = None,
    ) -> ChangeSource:
        """Build the part of a source that reads changes, or refuse where it has none."""
        _require_resolved(connector)
        self.type_of(ConnectorRole.SOURCE, connector.kind)
        build = self._sources[connector.kind].changes
        if build is None:
            raise ValidationFailedError(
                f"A source of type {connector.kind!r} has no change data capture.",
                hint="Use mode full_load.",
                field="$.mode",
            )
        return build(connector.config, capture, beside)

    def watermark_source(self, connector: Connector) -> WatermarkSource:
        """Build the part of a source that knows watermarks, or refuse where it has none."""
        _require_resolved(connector)
        self.type_of(ConnectorRole.SOURCE, connector.kind)
        build = self._sources[connector.kind].watermarks
        if build is None:
            raise ValidationFailedError(
                f"A source of type {connector.kind!r} has no watermarks.",
                hint="Use mode full_load.",
                field="$.mode",
            )
        return build(connector.config)

    def destination(self, connector: Connector, *, task_name: str, database: str) -> Destination:
        """Build a destination."""
        _require_resolved(connector)
        self.type_of(ConnectorRole.DESTINATION, connector.kind)
        naming = NamingContext(task_name=task_name, database=database)
        return self._destinations[connector.kind].build(connector.config, naming)


def _require_resolved(connector: Connector) -> None:
    """Never send a reference where its secret belongs."""
    left = secret_references(connector.config)
    if left:
        raise TypeError(f"connector {connector.id}: {sorted(left)} must be resolved first")
