"""Telling a driver's socket from the others, on real sockets."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dtaas.connectors.sqlserver.sockets import SocketWatch


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listener(stack: ExitStack) -> socket.socket:
    server = stack.enter_context(socket.socket())
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def connected(stack: ExitStack, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = stack.enter_context(socket.create_connection(server.getsockname()))
    accepted, _ = server.accept()
    return client, stack.enter_context(accepted)


def test_only_the_new_connection_to_the_port_is_shut_down(stack: ExitStack) -> None:
    server, other = listener(stack), listener(stack)
    old, old_peer = connected(stack, server)
    watch = SocketWatch(server.getsockname()[1], may_be_routed=False)
    client, peer = connected(stack, server)
    stranger, stranger_peer = connected(stack, other)
    link = watch.link()
    assert len(link) == 1
    link.abort()
    peer.settimeout(5)
    assert peer.recv(1) == b""
    for mine, theirs in ((old, old_peer), (stranger, stranger_peer)):
        mine.sendall(b"x")
        theirs.settimeout(5)
        assert theirs.recv(1) == b"x"
    assert client.recv(1) == b""


def test_single_new_connection_elsewhere_is_a_routed_one(stack: ExitStack) -> None:
    routed = listener(stack)
    watch = SocketWatch(1, may_be_routed=True)
    connected_to = stack.enter_context(socket.create_connection(routed.getsockname()))
    link = watch.link()
    assert len(link) == 1
    link.close()
    assert connected_to.fileno() >= 0


def test_a_stranger_is_never_taken_for_a_routed_connection(stack: ExitStack) -> None:
    browser = listener(stack)
    watch = SocketWatch(1, may_be_routed=False)
    client, accepted = connected(stack, browser)  # while the driver failed to connect
    watch.link().abort()
    client.sendall(b"x")
    accepted.settimeout(5)
    assert accepted.recv(1) == b"x"


def test_nothing_is_touched_when_it_is_not_sure_which(stack: ExitStack) -> None:
    server = listener(stack)
    watch = SocketWatch(1, may_be_routed=True)
    connected(stack, server)
    connected(stack, server)
    assert len(watch.link()) == 0


def test_no_descriptor_is_left(stack: ExitStack) -> None:
    server = listener(stack)
    port = server.getsockname()[1]
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        watch = SocketWatch(port, may_be_routed=False)
        with ExitStack() as inner:
            connected(inner, server)
            link = watch.link()
            link.abort()
            link.abort()
    assert len(list(Path("/dev/fd").iterdir())) == before
