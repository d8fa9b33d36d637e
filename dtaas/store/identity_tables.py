"""Tables of users, their keys, and of what they did."""

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from dtaas.store.tables import BigId, UtcDateTime, metadata


def _id() -> Column[Any]:
    return Column("id", BigId, primary_key=True, autoincrement=True)


def _user_id() -> Column[Any]:
    reference = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", BigId, reference, nullable=False, index=True)


users = Table(
    "users",
    metadata,
    _id(),
    Column("username", String(100), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("password_hash", Text),
    Column("provider", String(100)),
    Column("subject", String(255)),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_login_at", UtcDateTime),
    Index("uq_users_provider_subject", "provider", "subject", unique=True),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    _user_id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("address", String(100), nullable=False),
    Column("user_agent", String(300), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

api_tokens = Table(
    "api_tokens",
    metadata,
    _id(),
    _user_id(),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("start", String(20), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    sqlite_autoincrement=True,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("number", BigId, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", String(100), nullable=False),
    Column("auth", String(20), nullable=False),
    Column("address", String(100), nullable=False),
    Column("action", String(100), nullable=False),
    Column("object", String(300), nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("detail", Text),
    Column("status", Integer, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
