"""Tokens of one connection's replies into its outbox."""

from typing import Final

from anyio import CancelScope

from dtaas.sandbox.sqlserver.results import Message, SqlError
from dtaas.sandbox.sqlserver.wire import tokens
from dtaas.sandbox.sqlserver.wire.outbox import Outbox
from dtaas.sandbox.sqlserver.wire.packets import PacketWriter
from dtaas.sandbox.sqlserver.wire.protocol import DoneStatus

_SLICE_BYTES: Final = 262_144
_FATAL_SEVERITY: Final = 20


class Reply:
    """The reply being written. A cancelled one stays open until ATTENTION is acknowledged.

    Attributes:
        fatal: an error of severity 20 or more was told: the connection ends with this reply.
    """

    def __init__(self, writer: PacketWriter, outbox: Outbox, server_name: str) -> None:
        self._writer = writer
        self._outbox = outbox
        self._server_name = server_name
        self.fatal = False

    def write(self, token: bytes) -> None:
        """Add whole tokens."""
        self._outbox.put(self._writer.write(token))

    async def stream(self, token: bytes) -> None:
        """Add whole tokens of any size at the client's pace.

        Cancelling waits until they are complete, for half a token is of no use to a client; when
        the connection is lost that is at once.
        """
        with CancelScope(shield=True):
            for at in range(0, len(token), _SLICE_BYTES):
                self.write(token[at : at + _SLICE_BYTES])
                await self.room()

    async def repeat(self, token: bytes) -> None:
        """Add whole tokens that are sent again and again; see `PacketWriter.ready`."""
        self._outbox.put(self._writer.ready(token))
        await self.room()

    def error(self, error: SqlError) -> None:
        """Add an error."""
        self.fatal = self.fatal or error.severity >= _FATAL_SEVERITY
        self.write(
            tokens.message(
                number=error.number,
                text=error.text,
                severity=error.severity,
                state=error.state,
                server=self._server_name,
                procedure=error.procedure,
                line=error.line,
            )
        )

    def info(self, message: Message) -> None:
        """Add an informational message."""
        self.write(
            tokens.message(
                number=message.number,
                text=message.text,
                severity=message.severity,
                state=message.state,
                server=self._server_name,
                procedure=message.procedure,
                line=message.line,
            )
        )

    async def room(self) -> None:
        """Wait until the client has read enough of the reply."""
        await self._outbox.room()

    def end(self, status: DoneStatus | None = None) -> None:
        """Send the rest, with a DONE of this status as the last token if one is given."""
        if status is not None:
            self.write(tokens.done(status))
        self._outbox.put([self._writer.end()])
