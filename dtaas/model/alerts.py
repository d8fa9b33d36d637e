"""Alerts: what is watched for, whom to tell, and what was found."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from dtaas.model.connectors import ConnectionConfig, Port, Secret
from dtaas.model.ids import TaskId


class AlertKind(StrEnum):
    """What a rule watches for."""

    EXECUTION_FAILED = "execution_failed"
    EXECUTION_PARTIAL = "execution_partial"
    ERROR_RATE = "error_rate"
    BACKLOG = "backlog"
    LAG = "lag"
    RETENTION_MARGIN = "retention_margin"
    RESOURCES = "resources"
    CONNECTION_FAILED = "connection_failed"
    DRIFT = "drift"
    NO_SUCCESS = "no_success"


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class KindInfo(Struct, frozen=True, kw_only=True):
    """What a kind's threshold means. Without a unit it has none."""

    kind: AlertKind
    title: str
    unit: str = ""
    default: float = 0.0


KINDS: Final[Mapping[AlertKind, KindInfo]] = {
    info.kind: info
    for info in (
        KindInfo(kind=AlertKind.EXECUTION_FAILED, title="The latest execution failed"),
        KindInfo(kind=AlertKind.EXECUTION_PARTIAL, title="The latest execution left tables out"),
        KindInfo(
            kind=AlertKind.ERROR_RATE,
            title="Too many executions of the last 24 hours failed",
            unit="percent",
            default=20,
        ),
        KindInfo(
            kind=AlertKind.BACKLOG, title="Too many changes wait", unit="rows", default=1_000_000
        ),
        KindInfo(kind=AlertKind.LAG, title="Changes arrive late", unit="seconds", default=300),
        KindInfo(
            kind=AlertKind.RETENTION_MARGIN,
            title="The source will soon drop changes that are needed",
            unit="hours",
            default=12,
        ),
        KindInfo(
            kind=AlertKind.RESOURCES, title="Disk or memory run out", unit="percent", default=90
        ),
        KindInfo(kind=AlertKind.CONNECTION_FAILED, title="A connector cannot connect"),
        KindInfo(kind=AlertKind.DRIFT, title="The columns of a source table changed"),
        KindInfo(
            kind=AlertKind.NO_SUCCESS, title="No execution completed", unit="hours", default=24
        ),
    )
}
GLOBAL_KINDS: Final = frozenset({AlertKind.RESOURCES, AlertKind.CONNECTION_FAILED})
"""Kinds that are not about a task."""


class AlertRuleSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as a user writes it down.

    Attributes:
        task_id: only this task; None is all.
        threshold: in the unit of the kind; None is its default.
        for_seconds: how long it must be so before somebody is told.
        repeat_seconds: tell again while nobody acknowledged; 0 is once.
        channel_ids: whom to tell; empty is every active channel.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: AlertKind
    task_id: TaskId | None = None
    threshold: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    for_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 0
    severity: Severity = Severity.WARNING
    repeat_seconds: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 0
    channel_ids: Annotated[tuple[int, ...], Meta(max_length=100)] = ()
    is_active: bool = True


class AlertRule(Struct, frozen=True, kw_only=True):
    """A stored rule. While muted it looks but tells nobody."""

    id: int
    spec: AlertRuleSpec
    muted_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def limit(self) -> float:
        """Return the threshold in force."""
        given = self.spec.threshold
        return KINDS[self.spec.kind].default if given is None else given


class ChannelKind(StrEnum):
    """How people are told."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"


HttpUrl = Annotated[str, Meta(pattern="^https?://[^/]+", max_length=2000)]
Mailbox = Annotated[str, Meta(pattern=r"^[^@\s<>,]+@[^@\s<>,]+$", max_length=254)]


class WebhookConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A POST of JSON.

    Attributes:
        secret: signs the body: `X-DTaaS-Signature: sha256=<hex of HMAC-SHA256>`.
        token: sent as `Authorization: Bearer`.
    """

    url: HttpUrl
    secret: Secret = ""
    token: Secret = ""


class SlackConfig(ConnectionConfig, frozen=True, kw_only=True):
    """An incoming webhook of Slack or of what understands its messages. The URL is the secret."""

    webhook_url: Annotated[
        str,
        Meta(
            pattern="^https?://[^/]+",
            extra={"secret": True},
            extra_json_schema={"format": "password"},
        ),
    ]


class MailSecurity(StrEnum):
    """How the way to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class EmailConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A mail server and who is written to."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Port = 587
    security: MailSecurity = MailSecurity.STARTTLS
    username: str = ""
    password: Secret = ""
    sender: Mailbox
    recipients: Annotated[tuple[Mailbox, ...], Meta(min_length=1, max_length=50)]


CHANNEL_TYPES: Final[Mapping[ChannelKind, type[ConnectionConfig]]] = {
    ChannelKind.WEBHOOK: WebhookConfig,
    ChannelKind.SLACK: SlackConfig,
    ChannelKind.EMAIL: EmailConfig,
}


class AlertChannel(Struct, frozen=True, kw_only=True):
    """A stored channel, with its secrets."""

    id: int
    name: str
    kind: ChannelKind
    config: ConnectionConfig
    is_active: bool
    created_at: datetime
    updated_at: datetime


class AlertState(StrEnum):
    """`firing`: it is so now."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertEvent(Struct, frozen=True, kw_only=True):
    """Something a rule found, from when it began to when it ended.

    Attributes:
        fingerprint: what it is about; a rule has one firing event about a thing.
        count: how many times it happened anew, such as failed executions in a row.
    """

    id: int
    rule_id: int
    rule_name: str
    kind: AlertKind
    severity: Severity
    fingerprint: str
    state: AlertState
    title: str
    detail: str
    task_id: TaskId | None
    count: int
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str


class Finding(Struct, frozen=True, kw_only=True):
    """What a rule sees now.

    Attributes:
        mark: changes when the thing happened anew, such as the id of the failed execution.
    """

    fingerprint: str
    title: str
    detail: str
    task_id: TaskId | None = None
    mark: str = ""


class Occasion(StrEnum):
    """Why a message is sent."""

    FIRING = "firing"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    TEST = "test"


class DeliveryState(StrEnum):
    """`pending`: not sent yet, maybe tried."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Delivery(Struct, frozen=True, kw_only=True):
    """A message to one channel and what became of it."""

    id: int
    event_id: int
    channel_id: int
    occasion: Occasion
    state: DeliveryState
    attempts: int
    next_at: datetime
    last_error: str
    created_at: datetime
    sent_at: datetime | None
