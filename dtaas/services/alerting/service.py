"""Alerts as people steer them: rules, channels, what fires."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from dtaas.model.alerts import (
    CHANNEL_TYPES,
    GLOBAL_KINDS,
    AlertChannel,
    AlertEvent,
    AlertKind,
    AlertRule,
    AlertRuleSpec,
    AlertState,
    ChannelKind,
    Delivery,
    Occasion,
    Severity,
)
from dtaas.model.connectors import ConnectionConfig, secret_fields
from dtaas.model.errors import DtaasError, SecretRequiredError, ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.services.alerting.channels import Sender
from dtaas.services.alerting.messages import Message
from dtaas.services.refusal import refusal
from dtaas.store.alert_events import AlertEventRepository
from dtaas.store.alert_rules import AlertChannelRepository, AlertRuleRepository
from dtaas.store.page import Page, Window

_PLACES: Final = ("url", "webhook_url", "host", "port", "security")
"""Where a secret goes: when one of these changes, the secrets must be given again."""


class ChannelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel as a user writes it down; `config` depends on `kind`."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: ChannelKind
    config: dict[str, Any]
    is_active: bool = True


class ChannelTest(Struct, frozen=True, kw_only=True):
    """What became of a test message. `detail` is empty when it was taken."""

    ok: bool
    detail: str


class AlertService:
    """Use cases around alerts."""

    def __init__(
        self,
        *,
        rules: AlertRuleRepository,
        channels: AlertChannelRepository,
        events: AlertEventRepository,
        sender: Sender,
        now: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._channels = channels
        self._events = events
        self._sender = sender
        self._now = now

    async def rules(self) -> tuple[AlertRule, ...]:
        """Return all rules."""
        return await self._rules.every()

    async def rule(self, rule_id: int) -> AlertRule:
        """Return a rule, or raise NotFoundError."""
        return await self._rules.get(rule_id)

    async def save_rule(self, spec: AlertRuleSpec, rule_id: int | None = None) -> AlertRule:
        """Store or replace a rule.

        Raises:
            NotFoundError, NameTakenError, ValidationFailedError: with the path of the mistake.
        """
        if spec.task_id is not None and spec.kind in GLOBAL_KINDS:
            raise ValidationFailedError(
                f"A rule of kind {spec.kind} is not about a task.",
                hint="Leave task_id out.",
                field="$.task_id",
            )
        return await self._rules.save(spec, rule_id)

    async def mute(self, rule_id: int, seconds: int) -> AlertRule:
        """Let a rule tell nobody for some time; 0 lets it speak again."""
        until = self._now() + timedelta(seconds=seconds) if seconds else None
        return await self._rules.mute(rule_id, until)

    async def delete_rule(self, rule_id: int) -> None:
        """Remove a rule with what it found, or raise NotFoundError."""
        await self._rules.delete(rule_id)

    async def channels(self) -> tuple[AlertChannel, ...]:
        """Return all channels."""
        return await self._channels.every()

    async def channel(self, channel_id: int) -> AlertChannel:
        """Return a channel, or raise NotFoundError."""
        return await self._channels.get(channel_id)

    async def create_channel(self, spec: ChannelSpec) -> AlertChannel:
        """Store a channel.

        Raises:
            NameTakenError, ValidationFailedError: with the path of the mistake.
        """
        config = _decoded(spec.config, CHANNEL_TYPES[spec.kind])
        return await self._channels.save(spec.name, spec.kind, config, is_active=spec.is_active)

    async def update_channel(self, channel_id: int, spec: ChannelSpec) -> AlertChannel:
        """Replace a channel; a secret left out keeps its value while it goes to the same place.

        Raises:
            NotFoundError, NameTakenError, ValidationFailedError: with the path of the mistake.
            SecretRequiredError: it would go elsewhere.
        """
        old = await self._channels.get(channel_id)
        data = dict(spec.config)
        if spec.kind is old.kind:
            data = _with_kept(old.config, data)
        config = _decoded(data, CHANNEL_TYPES[spec.kind])
        return await self._channels.save(
            spec.name, spec.kind, config, is_active=spec.is_active, channel_id=channel_id
        )

    async def delete_channel(self, channel_id: int) -> None:
        """Remove a channel, or raise NotFoundError."""
        await self._channels.delete(channel_id)

    async def test_channel(self, channel_id: int) -> ChannelTest:
        """Send a test message now and return what became of it, or raise NotFoundError."""
        channel = await self._channels.get(channel_id)
        try:
            await self._sender.send(channel, self._test_message())
        except DtaasError as error:
            return ChannelTest(ok=False, detail=error.detail)
        return ChannelTest(ok=True, detail="")

    async def events(
        self,
        states: tuple[AlertState, ...],
        *,
        task_id: TaskId | None,
        acknowledged: bool | None,
        window: Window,
    ) -> Page[AlertEvent]:
        """Return a page of events."""
        return await self._events.list(
            states, task_id=task_id, acknowledged=acknowledged, window=window
        )

    async def event(self, event_id: int) -> tuple[AlertEvent, tuple[Delivery, ...]]:
        """Return an event with its messages, or raise NotFoundError."""
        return await self._events.get(event_id)

    async def acknowledge(self, event_id: int, by: str, note: str) -> AlertEvent:
        """Note that somebody takes care, or raise NotFoundError."""
        return await self._events.acknowledge(event_id, by, note)

    def _test_message(self) -> Message:
        now = self._now()
        event = AlertEvent(
            id=0,
            rule_id=0,
            rule_name="Test",
            kind=AlertKind.EXECUTION_FAILED,
            severity=Severity.INFO,
            fingerprint="test",
            state=AlertState.FIRING,
            title="A test of this channel",
            detail="If you read this, alerts will reach you here.",
            task_id=None,
            count=1,
            first_at=now,
            last_at=now,
            resolved_at=None,
            acknowledged_at=None,
            acknowledged_by=None,
            note="",
        )
        return Message(
            key=f"dtaas-test-{int(now.timestamp())}", occasion=Occasion.TEST, event=event
        )


def _decoded(data: Mapping[str, Any], kind: type[ConnectionConfig]) -> ConnectionConfig:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as exc:
        raise refusal(exc, at="$.config") from exc


def _with_kept(old: ConnectionConfig, data: dict[str, Any]) -> dict[str, Any]:
    """Return `data` with the stored secrets it leaves out."""
    kept = {
        name: getattr(old, name)
        for name in sorted(secret_fields(type(old)))
        if name not in data and getattr(old, name)
    }
    whole = data | kept
    moved = [
        place
        for place in _PLACES
        if place in old.__struct_fields__
        and place in whole
        and whole[place] != msgspec.to_builtins(getattr(old, place))
    ]
    if moved and kept:
        secret = next(iter(kept))
        raise SecretRequiredError(
            f"{' and '.join(moved)} changed, so {secret} must be given again.",
            hint="A stored secret is never sent to another place than the one it was given for.",
            field=f"$.config.{secret}",
        )
    return whole
