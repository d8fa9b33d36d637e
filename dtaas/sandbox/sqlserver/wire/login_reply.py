"""The answer to a LOGIN7."""

from typing import Final

from dtaas.sandbox.sqlserver.results import Message, Session, SqlError
from dtaas.sandbox.sqlserver.wire import tokens
from dtaas.sandbox.sqlserver.wire.collations import collation_named
from dtaas.sandbox.sqlserver.wire.login import FEATURE_FED_AUTH, FEATURE_UTF8, Login
from dtaas.sandbox.sqlserver.wire.packets import PacketWriter
from dtaas.sandbox.sqlserver.wire.protocol import (
    DEFAULT_PACKET_BYTES,
    MAX_PACKET_BYTES,
    MAX_TLS_PACKET_BYTES,
    MIN_PACKET_BYTES,
    TDS_7_4,
    DoneStatus,
    EnvChange,
)
from dtaas.sandbox.sqlserver.wire.reply import Reply
from dtaas.sandbox.sqlserver.wire.routing import Route

_CONTEXT_CHANGED: Final = 5701
_LANGUAGE_CHANGED: Final = 5703
_NO_SUCH_DATABASE: Final = 4060
_LOGIN_FAILED: Final = 18456
_LANGUAGE: Final = "us_english"
_FIRST_DATABASE: Final = "master"


def accept_login(
    login: Login, session: Session, reply: Reply, writer: PacketWriter, *, encrypted: bool
) -> None:
    """Let the client in; later replies use the packet size agreed here.

    The order of the tokens is the one every client was seen to accept.
    """
    limit = MAX_TLS_PACKET_BYTES if encrypted else MAX_PACKET_BYTES
    wish = login.packet_bytes or DEFAULT_PACKET_BYTES
    packet_bytes = max(MIN_PACKET_BYTES, min(wish, limit))
    reply.write(tokens.env_text(EnvChange.DATABASE, session.database, _FIRST_DATABASE))
    text = f"Changed database context to '{session.database}'."
    reply.info(Message(number=_CONTEXT_CHANGED, text=text, state=2))
    reply.write(tokens.env_bytes(EnvChange.COLLATION, collation_named(None).wire))
    reply.write(tokens.env_text(EnvChange.LANGUAGE, _LANGUAGE))
    text = f"Changed language setting to {_LANGUAGE}."
    reply.info(Message(number=_LANGUAGE_CHANGED, text=text))
    reply.write(tokens.login_ack(min(login.tds_version, TDS_7_4)))
    sizes = str(packet_bytes), str(DEFAULT_PACKET_BYTES)
    reply.write(tokens.env_text(EnvChange.PACKET_SIZE, *sizes))
    answers = {FEATURE_FED_AUTH: b"", FEATURE_UTF8: b"\1"}
    if acknowledged := {kind: answers[kind] for kind in answers if kind in login.features}:
        reply.write(tokens.features_ack(acknowledged))
    reply.end(DoneStatus.FINAL)
    writer.packet_bytes = packet_bytes


def send_on(login: Login, route: Route, reply: Reply) -> None:
    """Send the client to another server."""
    reply.write(tokens.login_ack(min(login.tds_version, TDS_7_4)))
    reply.write(tokens.route(route.host, route.port))
    reply.end(DoneStatus.FINAL)


def refuse_login(login: Login, error: SqlError, reply: Reply) -> None:
    """Tell why the client may not enter. A missing database is told before the failed login."""
    reply.error(error)
    if error.number == _NO_SUCH_DATABASE:
        text = f"Login failed for user '{login.user}'."
        reply.error(SqlError(_LOGIN_FAILED, text, severity=14))
    reply.end(DoneStatus.ERROR)
