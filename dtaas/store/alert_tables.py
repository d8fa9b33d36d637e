"""Tables of the alerts."""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from dtaas.store.tables import BigId, UtcDateTime, metadata


def _id() -> Column[Any]:
    return Column("id", BigId, primary_key=True, autoincrement=True)


alert_channels = Table(
    "alert_channels",
    metadata,
    _id(),
    Column("name", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("config", LargeBinary, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

alert_rules = Table(
    "alert_rules",
    metadata,
    _id(),
    Column("name", String(200), nullable=False, unique=True),
    Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE")),
    Column("spec", Text, nullable=False),
    Column("muted_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

alert_events = Table(
    "alert_events",
    metadata,
    _id(),
    Column("rule_id", BigId, ForeignKey("alert_rules.id", ondelete="CASCADE"), nullable=False),
    Column("rule_name", String(200), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("fingerprint", String(300), nullable=False),
    Column("mark", String(100), nullable=False),
    Column("state", String(20), nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("task_id", BigId),
    Column("times", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False, index=True),
    Column("told_at", UtcDateTime),
    Column("resolved_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", String(200)),
    Column("note", Text, nullable=False),
    Index(
        "uq_alert_events_firing",
        "rule_id",
        "fingerprint",
        unique=True,
        sqlite_where=text("state = 'firing'"),
        postgresql_where=text("state = 'firing'"),
    ),
    sqlite_autoincrement=True,
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    _id(),
    Column("event_id", BigId, ForeignKey("alert_events.id", ondelete="CASCADE"), nullable=False),
    Column(
        "channel_id", BigId, ForeignKey("alert_channels.id", ondelete="CASCADE"), nullable=False
    ),
    Column("occasion", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Index("ix_alert_deliveries_state_next_at", "state", "next_at"),
    Index("ix_alert_deliveries_event_id", "event_id"),
)
