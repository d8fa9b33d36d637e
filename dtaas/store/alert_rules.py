"""Alert rules and channels, as users write them down."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from dtaas.model.alerts import (
    CHANNEL_TYPES,
    AlertChannel,
    AlertRule,
    AlertRuleSpec,
    ChannelKind,
)
from dtaas.model.connectors import ConnectionConfig
from dtaas.model.errors import NameTakenError, NotFoundError, ValidationFailedError
from dtaas.store.alert_tables import alert_channels, alert_rules
from dtaas.store.database import Database
from dtaas.store.secrets import SecretBox
from dtaas.store.tables import tasks


class AlertRuleRepository:
    """Stores rules."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def every(self) -> tuple[AlertRule, ...]:
        """Return all rules, by id."""
        query = select(alert_rules).order_by(alert_rules.c.id)
        return await self._database.read(lambda c: tuple(map(_rule_of, c.execute(query))))

    async def get(self, rule_id: int) -> AlertRule:
        """Return a rule, or raise NotFoundError."""
        return await self._database.read(lambda c: _rule_of(_find(c, alert_rules, rule_id, "rule")))

    async def save(self, spec: AlertRuleSpec, rule_id: int | None = None) -> AlertRule:
        """Store a new rule, or replace what the user wrote down of one.

        Raises:
            NotFoundError: no such rule.
            NameTakenError: another rule has the name.
            ValidationFailedError: the task or a channel does not exist.
        """

        def work(connection: Connection) -> AlertRule:
            _refuse_taken(connection, alert_rules, spec.name, rule_id)
            _refuse_unknown(connection, spec)
            values = {
                "name": spec.name,
                "task_id": spec.task_id,
                "spec": msgspec.json.encode(spec).decode(),
                "updated_at": self._now(),
            }
            number = _write(connection, alert_rules, rule_id, "rule", values)
            return _rule_of(_find(connection, alert_rules, number, "rule"))

        return await self._database.write(work)

    async def mute(self, rule_id: int, until: datetime | None) -> AlertRule:
        """Let a rule tell nobody until a moment; None lets it speak again."""

        def work(connection: Connection) -> AlertRule:
            _find(connection, alert_rules, rule_id, "rule")
            which = alert_rules.c.id == rule_id
            connection.execute(update(alert_rules).where(which).values(muted_until=until))
            return _rule_of(_find(connection, alert_rules, rule_id, "rule"))

        return await self._database.write(work)

    async def delete(self, rule_id: int) -> None:
        """Remove a rule with what it found, or raise NotFoundError."""
        await self._database.write(lambda c: _delete(c, alert_rules, rule_id, "rule"))


class AlertChannelRepository:
    """Stores channels; their whole configuration is encrypted, for an address may be a secret."""

    def __init__(self, database: Database, box: SecretBox, now: Callable[[], datetime]) -> None:
        self._database = database
        self._box = box
        self._now = now

    async def every(self) -> tuple[AlertChannel, ...]:
        """Return all channels, by id."""
        query = select(alert_channels).order_by(alert_channels.c.id)
        return await self._database.read(lambda c: tuple(map(self._of, c.execute(query))))

    async def get(self, channel_id: int) -> AlertChannel:
        """Return a channel, or raise NotFoundError."""
        return await self._database.read(
            lambda c: self._of(_find(c, alert_channels, channel_id, "channel"))
        )

    async def save(
        self,
        name: str,
        kind: ChannelKind,
        config: ConnectionConfig,
        *,
        is_active: bool,
        channel_id: int | None = None,
    ) -> AlertChannel:
        """Store a new channel, or replace one.

        Raises:
            NotFoundError: no such channel.
            NameTakenError: another channel has the name.
        """

        def work(connection: Connection) -> AlertChannel:
            _refuse_taken(connection, alert_channels, name, channel_id)
            values: dict[str, Any] = {
                "name": name,
                "kind": kind.value,
                "is_active": is_active,
                "updated_at": self._now(),
            }
            if channel_id is None:
                values["config"] = b""
            number = _write(connection, alert_channels, channel_id, "channel", values)
            sealed = self._box.seal(msgspec.json.encode(config), purpose_of(number))
            which = alert_channels.c.id == number
            connection.execute(update(alert_channels).where(which).values(config=sealed))
            return self._of(_find(connection, alert_channels, number, "channel"))

        return await self._database.write(work)

    async def delete(self, channel_id: int) -> None:
        """Remove a channel with its deliveries, or raise NotFoundError."""
        await self._database.write(lambda c: _delete(c, alert_channels, channel_id, "channel"))

    def _of(self, row: Row[Any]) -> AlertChannel:
        kind = ChannelKind(row.kind)
        plain = self._box.open(row.config, purpose_of(row.id))
        return AlertChannel(
            id=row.id,
            name=row.name,
            kind=kind,
            config=msgspec.json.decode(plain, type=CHANNEL_TYPES[kind]),
            is_active=row.is_active,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def purpose_of(channel_id: int) -> str:
    """Return what a channel's configuration is sealed for."""
    return f"alert_channel:{channel_id}"


def _rule_of(row: Row[Any]) -> AlertRule:
    return AlertRule(
        id=row.id,
        spec=msgspec.json.decode(row.spec, type=AlertRuleSpec),
        muted_until=row.muted_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _find(connection: Connection, table: Table, number: int, what: str) -> Row[Any]:
    row = connection.execute(select(table).where(table.c.id == number)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no alert {what} {number}.")
    return row


def _write(
    connection: Connection, table: Table, number: int | None, what: str, values: dict[str, Any]
) -> int:
    if number is None:
        fresh = values | {"created_at": values["updated_at"]}
        key = connection.execute(insert(table).values(fresh)).inserted_primary_key
        assert key is not None  # noqa: S101 - an INSERT of one row always has one
        return int(key[0])
    _find(connection, table, number, what)
    connection.execute(update(table).where(table.c.id == number).values(values))
    return number


def _delete(connection: Connection, table: Table, number: int, what: str) -> None:
    _find(connection, table, number, what)
    connection.execute(delete(table).where(table.c.id == number))


def _refuse_taken(connection: Connection, table: Table, name: str, but: int | None) -> None:
    query = select(table.c.id).where(table.c.name == name, table.c.id != (but or 0))
    if connection.execute(query).first() is not None:
        raise NameTakenError(
            f"The name {name!r} is taken.", hint="Choose another name.", field="$.name"
        )


def _refuse_unknown(connection: Connection, spec: AlertRuleSpec) -> None:
    if spec.task_id is not None and not _ids(connection, tasks, {spec.task_id}):
        raise ValidationFailedError(f"There is no task {spec.task_id}.", field="$.task_id")
    known = _ids(connection, alert_channels, set(spec.channel_ids))
    for index, channel_id in enumerate(spec.channel_ids):
        if channel_id not in known:
            raise ValidationFailedError(
                f"There is no alert channel {channel_id}.", field=f"$.channel_ids[{index}]"
            )


def _ids(connection: Connection, table: Table, wanted: Collection[int]) -> set[int]:
    return set(connection.scalars(select(table.c.id).where(table.c.id.in_(wanted))))
