"""One client's connection, from its first byte to its last."""

import ssl
from typing import Final

import anyio
from anyio import CancelScope
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec import Struct

from dtaas.sandbox.sqlserver.results import Engine, Session, SqlError
from dtaas.sandbox.sqlserver.wire.channel import Channel
from dtaas.sandbox.sqlserver.wire.directory import TokenDirectory
from dtaas.sandbox.sqlserver.wire.dispatch import Dispatch
from dtaas.sandbox.sqlserver.wire.faults import Faults
from dtaas.sandbox.sqlserver.wire.handshake import receive_login
from dtaas.sandbox.sqlserver.wire.login import Login
from dtaas.sandbox.sqlserver.wire.login_reply import accept_login, refuse_login, send_on
from dtaas.sandbox.sqlserver.wire.outbox import Outbox
from dtaas.sandbox.sqlserver.wire.packets import Message, PacketWriter
from dtaas.sandbox.sqlserver.wire.protocol import (
    DEFAULT_PACKET_BYTES,
    DoneStatus,
    PacketType,
)
from dtaas.sandbox.sqlserver.wire.reply import Reply
from dtaas.sandbox.sqlserver.wire.routing import Routes
from dtaas.sandbox.sqlserver.wire.tokens import done

_LOGIN_S: Final = 30
_CLOSE_S: Final = 10


class Shared(Struct, frozen=True):
    """What all connections of a server have in common."""

    engine: Engine
    context: ssl.SSLContext
    strict_context: ssl.SSLContext
    faults: Faults
    require_encryption: bool
    routes: Routes
    directory: TokenDirectory


class Connection:
    """Serves one client.

    Three tasks: one reads all the time, so that ATTENTION is seen while an answer is being
    written; one runs the requests in order; one sends.
    """

    def __init__(self, channel: Channel, shared: Shared, spid: int) -> None:
        self._channel = channel
        self._shared = shared
        self._spid = spid
        self._running: CancelScope | None = None
        self._attentions = 0

    async def serve(self) -> None:
        """Log the client in and answer it until it leaves.

        Raises:
            ProtocolError, InjectedResetError, OSError: the connection is of no use any more.
        """
        outbox = Outbox(self._channel)
        writer = PacketWriter(self._spid, DEFAULT_PACKET_BYTES)
        reply = Reply(writer, outbox, self._shared.engine.server_name)
        with anyio.fail_after(_LOGIN_S):
            login = await receive_login(
                self._channel,
                self._shared.context,
                self._shared.strict_context,
                require_encryption=self._shared.require_encryption,
            )
            if login is None:
                return
            session = await self._open_session(login, reply)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(outbox.pump, name="tds-send")
                route = self._shared.routes.of(login)
                if session is not None and route is not None:
                    send_on(login, route, reply)
                elif session is not None:
                    accept_login(login, session, reply, writer, encrypted=self._channel.encrypted)
                    await self._serve_session(Dispatch(session, reply, login, self._shared.faults))
                outbox.close()
        finally:
            if session is not None:
                with anyio.move_on_after(_CLOSE_S, shield=True):
                    await session.aclose()

    async def _open_session(self, login: Login, reply: Reply) -> Session | None:
        """Log in at the engine; None when it refused, which the reply then says."""
        fault = self._shared.faults.login_error
        try:
            if fault is not None:
                raise fault
            token = login.token
            return await self._shared.engine.login(
                user=self._shared.directory.user_of(token) if token else login.user,
                password=None if token else login.password,
                database=login.database,
                application=login.application,
                host=login.host,
            )
        except SqlError as error:
            refuse_login(login, error, reply)
            return None

    async def _serve_session(self, dispatch: Dispatch) -> None:
        inbox, requests = anyio.create_memory_object_stream[Message](1)
        async with anyio.create_task_group() as group:
            group.start_soon(self._read, inbox, name="tds-read")
            async with requests:
                await self._answer(requests, dispatch)
            group.cancel_scope.cancel()

    async def _read(self, inbox: MemoryObjectSendStream[Message]) -> None:
        """Pass requests on, in order; ATTENTION also cancels the one that runs."""
        async with inbox:
            while (message := await self._channel.receive()) is not None:
                if message.type is PacketType.ATTENTION:
                    self._interrupt()
                await inbox.send(message)
            # The client left: what it asked for last is of no use to anybody.
            self._interrupt()

    def _interrupt(self) -> None:
        self._attentions += 1
        if self._running is not None:
            self._running.cancel()

    async def _answer(
        self, requests: MemoryObjectReceiveStream[Message], dispatch: Dispatch
    ) -> None:
        async for message in requests:
            if message.type is PacketType.ATTENTION:
                self._attentions -= 1
                dispatch.reply.end(DoneStatus.ATTENTION)
                continue
            goes_on = True
            # An ATTENTION already read belongs to this request: a client sends no other before
            # it is acknowledged.
            with CancelScope() as self._running:
                if self._attentions:
                    self._running.cancel()
                goes_on = await dispatch.answer(message)
            if self._running.cancelled_caught:
                # Without it ODBC Driver 18 takes a statement cancelled before its first token for
                # one that succeeded.
                dispatch.reply.write(done(DoneStatus.ERROR | DoneStatus.MORE))
            self._running = None
            if not goes_on:
                return
