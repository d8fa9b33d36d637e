"""Connectors: stored in two parts, what may be seen and the encrypted secrets."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from dtaas.model.check import CheckReport
from dtaas.model.connectors import (
    ConnectionConfig,
    Connector,
    ConnectorRole,
    TestStatus,
    decode_config,
    redacted,
    secret_fields,
)
from dtaas.model.errors import InUseError, NameTakenError, NotFoundError, StoreCorruptError
from dtaas.model.ids import ConnectorId
from dtaas.model.ports import ConnectorRegistry
from dtaas.store.database import Database
from dtaas.store.page import FIRST_PAGE, Page, Window, fetch_page, page_of
from dtaas.store.secrets import SecretBox
from dtaas.store.tables import connectors, tasks

_SORTABLE: Final = {
    "name": connectors.c.name,
    "id": connectors.c.id,
    "created_at": connectors.c.created_at,
    "updated_at": connectors.c.updated_at,
    "last_tested_at": connectors.c.last_tested_at,
}
_SHOWN_TASKS: Final = 10


class ConnectorDraft(Struct, frozen=True, kw_only=True):
    """A connector to be stored."""

    name: str
    description: str = ""
    role: ConnectorRole
    kind: str
    config: ConnectionConfig
    is_active: bool = True


class ConnectorChange(Struct, frozen=True, kw_only=True):
    """What to change of a connector; what is unset stays.

    Attributes:
        config: replaces the whole configuration.
        kept_secrets: secrets that keep their stored value whatever `config` says of them.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    config: ConnectionConfig | UnsetType = UNSET
    kept_secrets: frozenset[str] = frozenset()
    is_active: bool | UnsetType = UNSET


class ConnectorFilter(Struct, frozen=True, kw_only=True):
    """Which connectors to list. `q` is looked for in name and description, whatever the case."""

    q: str = ""
    role: ConnectorRole | None = None
    kind: str | None = None
    test_status: TestStatus | None = None
    is_active: bool | None = None


ALL_CONNECTORS: Final = ConnectorFilter()


class ConnectorRepository:
    """Stores connectors. Their secrets leave it in the clear, for the services layer only."""

    def __init__(
        self,
        database: Database,
        registry: ConnectorRegistry,
        box: SecretBox,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._registry = registry
        self._box = box
        self._now = now

    async def create(self, draft: ConnectorDraft) -> Connector:
        """Store a new connector.

        Raises:
            NameTakenError: another connector has the name.
        """
        return await self._database.write(lambda c: self.insert(c, draft))

    async def get(self, connector_id: ConnectorId) -> Connector:
        """Return a connector.

        Raises:
            NotFoundError: no such connector.
        """
        return await self._database.read(lambda c: self.find(c, connector_id))

    async def list(
        self, which: ConnectorFilter = ALL_CONNECTORS, window: Window = FIRST_PAGE
    ) -> Page[Connector]:
        """Return a page of connectors. Sort by name (default), id, or one of the times."""
        query = select(connectors)
        if which.q:
            query = query.where(
                or_(
                    connectors.c.name.icontains(which.q, autoescape=True),
                    connectors.c.description.icontains(which.q, autoescape=True),
                )
            )
        if which.role is not None:
            query = query.where(connectors.c.connector_type == which.role.value)
        if which.kind is not None:
            kind = func.coalesce(connectors.c.source_type, connectors.c.destination_type)
            query = query.where(kind == which.kind)
        if which.test_status is not None:
            query = query.where(connectors.c.test_status == which.test_status.value)
        if which.is_active is not None:
            query = query.where(connectors.c.is_active == which.is_active)

        fetched = await self._database.read(
            lambda c: fetch_page(c, query, window, _SORTABLE, connectors.c.id)
        )
        return await page_of(fetched, window, self._connector)

    async def update(self, connector_id: ConnectorId, change: ConnectorChange) -> Connector:
        """Change a connector and return it. A new configuration makes it untested.

        Raises:
            NotFoundError: no such connector.
            NameTakenError: another connector has the name.
        """
        return await self._database.write(lambda c: self.replace(c, connector_id, change))

    async def record_test(self, connector_id: ConnectorId, report: CheckReport) -> Connector:
        """Store the result of a test, made now, and return the connector.

        Raises:
            NotFoundError: no such connector.
        """
        status = TestStatus.OK if report.ok else TestStatus.FAILED

        def work(connection: Connection) -> Connector:
            connection.execute(
                update(connectors)
                .where(connectors.c.id == connector_id)
                .values(
                    last_tested_at=self._now(),
                    test_status=status.value,
                    test_report=_encode(report),
                )
            )
            return self.find(connection, connector_id)

        return await self._database.write(work)

    async def delete(self, connector_id: ConnectorId) -> None:
        """Remove a connector.

        Raises:
            NotFoundError: no such connector.
            InUseError: tasks use it; the detail lists them.
        """

        def work(connection: Connection) -> None:
            connector = self.find(connection, connector_id)
            used_by = connection.scalars(
                select(tasks.c.name)
                .where(
                    or_(
                        tasks.c.source_connector_id == connector_id,
                        tasks.c.destination_connector_id == connector_id,
                    )
                )
                .order_by(tasks.c.name)
            ).all()
            if used_by:
                raise _in_use(connector.name, used_by)
            connection.execute(delete(connectors).where(connectors.c.id == connector_id))

        await self._database.write(work)

    def insert(self, connection: Connection, draft: ConnectorDraft) -> Connector:
        """Store a new connector inside a transaction under way; see `create`."""
        _refuse_taken_name(connection, draft.name, ConnectorId(0))
        now = self._now()
        is_source = draft.role is ConnectorRole.SOURCE
        values = {
            "name": draft.name,
            "description": draft.description,
            "connector_type": draft.role.value,
            "source_type": draft.kind if is_source else None,
            "destination_type": None if is_source else draft.kind,
            "connection_config": _encode(redacted(draft.config)),
            "is_active": draft.is_active,
            "created_at": now,
            "updated_at": now,
            "test_status": TestStatus.UNTESTED.value,
        }
        key = connection.execute(insert(connectors).values(values)).inserted_primary_key
        assert key is not None  # noqa: S101 - an INSERT of one row always has one
        connector_id = ConnectorId(key[0])
        self._seal(connection, connector_id, draft.config)
        return self.find(connection, connector_id)

    def replace(
        self, connection: Connection, connector_id: ConnectorId, change: ConnectorChange
    ) -> Connector:
        """Change a connector inside a transaction under way; see `update`."""
        old = self.find(connection, connector_id)
        values: dict[str, Any] = {"updated_at": self._now()}
        for name in ("name", "description", "is_active"):
            if getattr(change, name) is not UNSET:
                values[name] = getattr(change, name)
        if "name" in values:
            _refuse_taken_name(connection, values["name"], connector_id)
        if change.config is not UNSET:
            config = _with_secrets_of(old.config, change.config, change.kept_secrets)
            self._seal(connection, connector_id, config)
            values["connection_config"] = _encode(redacted(config))
            if config != old.config:
                values |= _UNTESTED
        connection.execute(update(connectors).where(connectors.c.id == connector_id).values(values))
        return self.find(connection, connector_id)

    def find(self, connection: Connection, connector_id: ConnectorId) -> Connector:
        """Return a connector inside a transaction under way."""
        row = connection.execute(
            select(connectors).where(connectors.c.id == connector_id)
        ).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no connector {connector_id}.")
        return self._connector(row)

    def _seal(
        self, connection: Connection, connector_id: ConnectorId, config: ConnectionConfig
    ) -> None:
        secrets = {name: getattr(config, name) for name in secret_fields(type(config))}
        sealed = (
            self._box.seal(_encode_bytes(secrets), purpose_of(connector_id)) if secrets else None
        )
        connection.execute(
            update(connectors).where(connectors.c.id == connector_id).values(secrets=sealed)
        )

    def _connector(self, row: Row[Any]) -> Connector:
        connector_id = ConnectorId(row.id)
        role = ConnectorRole(row.connector_type)
        kind = row.source_type if role is ConnectorRole.SOURCE else row.destination_type
        data = msgspec.json.decode(row.connection_config, type=dict[str, Any])
        if row.secrets is not None:
            opened = self._box.open(row.secrets, purpose_of(connector_id))
            data |= msgspec.json.decode(opened, type=dict[str, str])
        try:
            config = decode_config(data, self._registry.type_of(role, kind).config_type)
        except msgspec.ValidationError as exc:
            raise StoreCorruptError(
                f"The stored configuration of connector {row.name!r} is not valid: {exc}.",
                hint="It was written by another version; delete the connector and make it anew.",
            ) from exc
        report = row.test_report
        return Connector(
            id=connector_id,
            name=row.name,
            description=row.description,
            role=role,
            kind=kind,
            config=config,
            is_active=row.is_active,
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_tested_at=row.last_tested_at,
            test_status=TestStatus(row.test_status),
            test_report=None if report is None else msgspec.json.decode(report, type=CheckReport),
        )


_UNTESTED: Final[dict[str, Any]] = {
    "last_tested_at": None,
    "test_status": TestStatus.UNTESTED.value,
    "test_report": None,
}


def _refuse_taken_name(connection: Connection, name: str, but: ConnectorId) -> None:
    query = select(connectors.c.id).where(connectors.c.name == name, connectors.c.id != but)
    if connection.execute(query).first() is not None:
        raise NameTakenError(
            f"There is already a connector named {name!r}.",
            hint="Choose another name.",
            field="$.name",
        )


def _in_use(name: str, tasks_using: Collection[str]) -> InUseError:
    shown = ", ".join(repr(n) for n in list(tasks_using)[:_SHOWN_TASKS])
    more = len(tasks_using) - _SHOWN_TASKS
    others = f" and {more} more" if more > 0 else ""
    return InUseError(
        f"Connector {name!r} is used by {shown}{others}.",
        hint="Delete these tasks, or give them another connector, first.",
    )


def _with_secrets_of(
    old: ConnectionConfig, new: ConnectionConfig, kept: frozenset[str]
) -> ConnectionConfig:
    names = kept & secret_fields(type(new)) & secret_fields(type(old))
    return msgspec.structs.replace(new, **{name: getattr(old, name) for name in names})


def purpose_of(connector_id: int) -> str:
    """Return what a connector's secrets are sealed for."""
    return f"connector:{connector_id}"


def _encode(value: object) -> str:
    return _encode_bytes(value).decode()


def _encode_bytes(value: object) -> bytes:
    return msgspec.json.encode(value)
