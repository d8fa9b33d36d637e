"""Faults a test switches on in a running server."""

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import SqlError


class StreamError(Struct, frozen=True):
    """An error in the middle of a result: it comes after `rows` rows of it."""

    rows: int
    error: SqlError


class Faults(Struct, kw_only=True):
    """What shall go wrong; every field may be set while connections are open.

    Attributes:
        reset_after_bytes: reset the connection that sends the n-th byte counted from now over all
            connections; strikes once.
        stream_error: fail the next result that has that many rows; strikes once.
        login_error: answer every login with it, for example 40613.
        rows_per_s: send rows no faster, on each connection.
        refuse_connections: reset new connections before a byte is exchanged.
    """

    reset_after_bytes: int | None = None
    stream_error: StreamError | None = None
    login_error: SqlError | None = None
    rows_per_s: float | None = None
    refuse_connections: bool = False

    def admit(self, size: int) -> int | None:
        """Count `size` bytes about to be sent.

        Returns:
            How many of them may go before the reset strikes, None when it does not.
        """
        if self.reset_after_bytes is None:
            return None
        if size < self.reset_after_bytes:
            self.reset_after_bytes -= size
            return None
        admitted, self.reset_after_bytes = self.reset_after_bytes, None
        return admitted
