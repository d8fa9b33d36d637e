"""Finds the TCP socket a driver opened, so that a blocked driver call can be broken off.

arrow-odbc has no way to cancel, and no driver can cancel a fetch the network has stalled.
Shutting the socket down ends any blocked call of Microsoft's driver within 10 ms; the connection
is lost, which is right for a chunk that is given up.
"""

import os
import socket
import stat
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

_FD_FOLDER = "/dev/fd"
"""Lists the open descriptors on Linux (a link to /proc/self/fd) and macOS."""


class Link:
    """The TCP connections a driver call opened, held by descriptors of our own."""

    def __init__(self, descriptors: list[int]) -> None:
        self._sockets = [socket.socket(fileno=fd) for fd in descriptors]

    def __len__(self) -> int:
        """Return how many connections are held."""
        return len(self._sockets)

    def abort(self) -> None:
        """Shut the connections down: calls blocked on them fail at once. Idempotent."""
        for held in self._sockets:
            with suppress(OSError):  # the peer may have closed it already
                held.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Let go of the connections without touching them. Idempotent."""
        for held in self._sockets:
            held.close()
        self._sockets = []


class SocketWatch:
    """Notices the connections made to `port` since it was created.

    Descriptors belong to the whole process, so whoever opens connections to the same server holds
    the lock of that endpoint meanwhile; connections to other ports are told apart by their peer.
    """

    def __init__(self, port: int, *, may_be_routed: bool) -> None:
        """Look at what is open now.

        Args:
            may_be_routed: a listener may send the driver on to another port, as it does for
                read-only intent.
        """
        self._port = port
        self._may_be_routed = may_be_routed
        self._before = _tcp_sockets()

    def link(self) -> Link:
        """Return the connections opened since."""
        return Link([os.dup(fd) for fd, _ in self._opened()])

    def _opened(self) -> AbstractSet[tuple[int, str]]:
        new = _tcp_sockets() - self._before
        to_port = {entry for entry in new if entry[1].endswith(f":{self._port}")}
        if to_port or not self._may_be_routed:
            return to_port
        # Only one new connection can be told to be the driver's: shutting down somebody else's,
        # of a browser or to a destination, would be worse than a cancellation that takes longer.
        return new if len(new) == 1 else frozenset()


def _tcp_sockets() -> frozenset[tuple[int, str]]:
    """Return descriptor and `local>peer` of each connected TCP socket of this process."""
    found: set[tuple[int, str]] = set()
    for entry in Path(_FD_FOLDER).iterdir():
        number = int(entry.name)
        with suppress(OSError):  # closed meanwhile, or not connected
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                ends = _ends(number)
                if ends:
                    found.add((number, ends))
    return frozenset(found)


def _ends(number: int) -> str:
    """Return both ends of a connected TCP socket, '' for any other socket."""
    fd = os.dup(number)  # the number may be closed and used again while we look
    try:
        held = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise
    with held:
        if held.family not in (socket.AF_INET, socket.AF_INET6) or held.type != socket.SOCK_STREAM:
            return ""
        local, peer = held.getsockname(), held.getpeername()
        return f"{local[0]}:{local[1]}>{peer[0]}:{peer[1]}"
