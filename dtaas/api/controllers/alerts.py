"""`/api/alerts/`."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from dtaas.api.access import caller_of
from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.api.path_ids import alert_id_of, task_id_of
from dtaas.model.alerts import (
    KINDS,
    AlertChannel,
    AlertEvent,
    AlertRule,
    AlertRuleSpec,
    AlertState,
    ChannelKind,
    Delivery,
    KindInfo,
)
from dtaas.model.connectors import redacted, secrets_set
from dtaas.services.alerting.rehearsing import MOST_DAYS, Rehearsal, RehearsalService
from dtaas.services.alerting.service import AlertService, ChannelSpec, ChannelTest
from dtaas.store.page import Window


class AlertRuleView(AlertRuleSpec, frozen=True, kw_only=True):
    """A rule. `limit` is the threshold in force."""

    id: int
    limit: float
    muted_until: datetime | None
    created_at: datetime
    updated_at: datetime


class AlertRuleList(Struct, frozen=True, kw_only=True):
    """All rules, and the kinds there can be."""

    items: tuple[AlertRuleView, ...]
    kinds: tuple[KindInfo, ...]


class ChannelView(Struct, frozen=True, kw_only=True):
    """A channel without its secrets."""

    id: int
    name: str
    kind: ChannelKind
    config: dict[str, Any]
    secrets_set: tuple[str, ...]
    is_active: bool
    created_at: datetime
    updated_at: datetime


class ChannelList(Struct, frozen=True, kw_only=True):
    """All channels."""

    items: tuple[ChannelView, ...]


class AlertEventList(Struct, frozen=True, kw_only=True):
    """A part of the events."""

    items: tuple[AlertEvent, ...]
    total: int
    limit: int
    offset: int


class AlertEventView(AlertEvent, frozen=True, kw_only=True):
    """An event and its messages."""

    deliveries: tuple[Delivery, ...]


class MuteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a rule tells nobody; 0 lets it speak again."""

    seconds: Annotated[int, Meta(ge=0, le=366 * 86_400)]


class AcknowledgeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What whoever takes care wants to say; may be empty."""

    note: Annotated[str, Meta(max_length=2000)]


class AlertController(Controller):
    """What is watched, who is told, and what was found."""

    path = "/api/alerts"
    tags = ("Alerts",)

    @get("/rules", summary="List the rules")
    async def rules(self, alerts: NamedDependency[AlertService]) -> AlertRuleList:
        """All of them, and what each kind's threshold means."""
        found = await alerts.rules()
        return AlertRuleList(items=tuple(map(_rule, found)), kinds=tuple(KINDS.values()))

    @post("/rules", summary="Create a rule")
    async def create_rule(
        self, alerts: NamedDependency[AlertService], data: JSONBody[AlertRuleSpec]
    ) -> Response[AlertRuleView]:
        """It is looked at within 15 seconds."""
        rule = await alerts.save_rule(data)
        return Response(_rule(rule), headers={"location": f"/api/alerts/rules/{rule.id}"})

    @post("/rules/preview", summary="See what a rule would have found", status_code=200)
    async def rehearse(
        self,
        rehearsals: NamedDependency[RehearsalService],
        data: JSONBody[AlertRuleSpec],
        days: Annotated[
            int, QueryParameter(ge=1, le=MOST_DAYS, description="How far to look back")
        ] = 7,
    ) -> Rehearsal:
        """How often it would have fired in the latest days, by what is kept of them."""
        return await rehearsals.rehearse(data, days)

    @get("/rules/{rule_id:int}", summary="Read a rule")
    async def rule(
        self, alerts: NamedDependency[AlertService], rule_id: FromPath[int]
    ) -> AlertRuleView:
        """As it was written down."""
        return _rule(await alerts.rule(alert_id_of("rule", rule_id)))

    @put("/rules/{rule_id:int}", summary="Change a rule")
    async def update_rule(
        self,
        alerts: NamedDependency[AlertService],
        rule_id: FromPath[int],
        data: JSONBody[AlertRuleSpec],
    ) -> AlertRuleView:
        """Replace it."""
        return _rule(await alerts.save_rule(data, alert_id_of("rule", rule_id)))

    @delete("/rules/{rule_id:int}", summary="Delete a rule")
    async def remove_rule(
        self, alerts: NamedDependency[AlertService], rule_id: FromPath[int]
    ) -> None:
        """Remove it with what it found."""
        await alerts.delete_rule(alert_id_of("rule", rule_id))

    @post("/rules/{rule_id:int}/mute", summary="Mute a rule", status_code=200)
    async def mute(
        self,
        alerts: NamedDependency[AlertService],
        rule_id: FromPath[int],
        data: JSONBody[MuteRequest],
    ) -> AlertRuleView:
        """It goes on looking; what still is so afterwards is told then."""
        return _rule(await alerts.mute(alert_id_of("rule", rule_id), data.seconds))

    @get("/channels", summary="List the channels")
    async def channels(self, alerts: NamedDependency[AlertService]) -> ChannelList:
        """All of them, without secrets."""
        return ChannelList(items=tuple(map(_channel, await alerts.channels())))

    @post("/channels", summary="Create a channel")
    async def create_channel(
        self, alerts: NamedDependency[AlertService], data: JSONBody[ChannelSpec]
    ) -> Response[ChannelView]:
        """Nothing is sent: see `test`."""
        channel = await alerts.create_channel(data)
        where = {"location": f"/api/alerts/channels/{channel.id}"}
        return Response(_channel(channel), headers=where)

    @get("/channels/{channel_id:int}", summary="Read a channel")
    async def channel(
        self, alerts: NamedDependency[AlertService], channel_id: FromPath[int]
    ) -> ChannelView:
        """Everything but its secrets."""
        return _channel(await alerts.channel(alert_id_of("channel", channel_id)))

    @put("/channels/{channel_id:int}", summary="Change a channel")
    async def update_channel(
        self,
        alerts: NamedDependency[AlertService],
        channel_id: FromPath[int],
        data: JSONBody[ChannelSpec],
    ) -> ChannelView:
        """Replace it; a secret left out keeps its value while it goes to the same place."""
        found = await alerts.update_channel(alert_id_of("channel", channel_id), data)
        return _channel(found)

    @delete("/channels/{channel_id:int}", summary="Delete a channel")
    async def remove_channel(
        self, alerts: NamedDependency[AlertService], channel_id: FromPath[int]
    ) -> None:
        """Remove it; what waits for it is not sent."""
        await alerts.delete_channel(alert_id_of("channel", channel_id))

    @post("/channels/{channel_id:int}/test", summary="Send a test message", status_code=200)
    async def test_channel(
        self, alerts: NamedDependency[AlertService], channel_id: FromPath[int]
    ) -> ChannelTest:
        """Sent at once and not tried again."""
        return await alerts.test_channel(alert_id_of("channel", channel_id))

    @get("/events", summary="List what was found")
    async def events(
        self,
        *,
        alerts: NamedDependency[AlertService],
        status: FromQuery[list[AlertState] | None] = None,
        task_id: FromQuery[int | None] = None,
        acknowledged: FromQuery[bool | None] = None,
        sort: Sort = "-last_at",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> AlertEventList:
        """Sort by last_at, first_at, severity or id."""
        page = await alerts.events(
            tuple(status or ()),
            task_id=None if task_id is None else task_id_of(task_id),
            acknowledged=acknowledged,
            window=Window(limit=limit, offset=offset, sort=sort),
        )
        return AlertEventList(
            items=page.items, total=page.total, limit=page.limit, offset=page.offset
        )

    @get("/events/{event_id:int}", summary="Read an event and its messages")
    async def event(
        self, alerts: NamedDependency[AlertService], event_id: FromPath[int]
    ) -> AlertEventView:
        """With every attempt to tell somebody."""
        event, deliveries = await alerts.event(alert_id_of("event", event_id))
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        return AlertEventView(**fields, deliveries=deliveries)

    @post(
        "/events/{event_id:int}/acknowledge", summary="Take care", status_code=200, audit_body=True
    )
    async def acknowledge(
        self,
        request: Request[Any, Any, Any],
        alerts: NamedDependency[AlertService],
        event_id: FromPath[int],
        data: JSONBody[AcknowledgeRequest],
    ) -> AlertEvent:
        """Ends reminders; it resolves by itself when it is over."""
        who = caller_of(request.scope).username
        return await alerts.acknowledge(alert_id_of("event", event_id), who, data.note)


def _rule(rule: AlertRule) -> AlertRuleView:
    written = {name: getattr(rule.spec, name) for name in rule.spec.__struct_fields__}
    return AlertRuleView(
        **written,
        id=rule.id,
        limit=rule.limit,
        muted_until=rule.muted_until,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
    )


def _channel(channel: AlertChannel) -> ChannelView:
    return ChannelView(
        id=channel.id,
        name=channel.name,
        kind=channel.kind,
        config=redacted(channel.config),
        secrets_set=secrets_set(channel.config),
        is_active=channel.is_active,
        created_at=channel.created_at,
        updated_at=channel.updated_at,
    )
