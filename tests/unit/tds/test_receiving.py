"""Rows straight from a socket: the same as those pushed in, and every way a connection can end."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.tds.decoder import Decoder, Missing
from dtaas.tds.errors import ProtocolError
from dtaas.tds.library import load, why_missing
from tests.unit.tds.rows_on_the_wire import COLUMNS, DONE, PLANS, SCHEMA, encode_row, packets

pytestmark = pytest.mark.skipif(load() is None, reason=why_missing() or "there is a decoder")

NULLS = dict.fromkeys((name for name, _, _ in COLUMNS), None) | {"cut": 0}
ROWS = 200


def row(number: int) -> dict[str, Any]:
    return NULLS | {"id": number, "name": f"name {number}", "data": bytes(number)}


STREAM = packets(
    b"".join(encode_row(row(n), with_bitmap=bool(n % 2)) for n in range(ROWS)) + DONE, 700
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end and ours."""
    server, ours = socket.socketpair()
    with server, ours:
        yield server, ours


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder(PLANS, SCHEMA, most_value_bytes=1000) as made:
        yield made


def receive(decoder: Decoder, sock: socket.socket) -> pa.RecordBatch | Missing:
    return decoder.receive(sock, most_rows=7, most_bytes=1 << 20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=st.lists(st.integers(1, 3000), min_size=1, max_size=40), waits=st.booleans())
def test_what_comes_in_pieces_is_what_was_sent(pieces: list[int], waits: bool) -> None:
    server, ours = socket.socketpair()
    ours.settimeout(10 if waits else None)
    sizes = iter(pieces)

    def send() -> None:
        left = STREAM
        while left:
            size = next(sizes, len(left))
            server.sendall(left[:size])
            left = left[size:]

    with server, ours, Decoder(PLANS, SCHEMA, most_value_bytes=1000) as decoder:
        sender = threading.Thread(target=send)
        sender.start()
        batches = []
        while isinstance(found := receive(decoder, ours), pa.RecordBatch):
            assert found.num_rows == 7
            batches.append(found)
        sender.join()
        assert found is Missing.ROW
        assert decoder.pending() == DONE
        rest = decoder.rest()
    assert rest is not None
    ids = pa.Table.from_batches([*batches, rest]).column("id").to_pylist()
    assert ids == list(range(ROWS))


def test_an_end_within_a_row_is_told(
    pair: tuple[socket.socket, socket.socket], decoder: Decoder
) -> None:
    server, ours = pair
    server.sendall(STREAM[:50])
    server.close()
    with pytest.raises(EOFError):
        receive(decoder, ours)


def test_a_server_that_falls_silent_is_waited_for_as_long_as_the_socket_says(
    pair: tuple[socket.socket, socket.socket], decoder: Decoder
) -> None:
    server, ours = pair
    ours.settimeout(0.05)
    server.sendall(STREAM[:50])
    with pytest.raises(TimeoutError):
        receive(decoder, ours)
    server.sendall(STREAM[50:])  # nothing was lost
    assert isinstance(receive(decoder, ours), pa.RecordBatch)


def test_a_wait_ends_when_another_thread_shuts_the_connection_down(
    pair: tuple[socket.socket, socket.socket], decoder: Decoder
) -> None:
    _, ours = pair
    ended: list[BaseException] = []

    def read() -> None:
        try:
            receive(decoder, ours)
        except EOFError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    ours.shutdown(socket.SHUT_RDWR)
    reader.join(10)
    assert len(ended) == 1


def test_a_socket_that_is_closed_is_an_error_of_the_system(decoder: Decoder) -> None:
    server, ours = socket.socketpair()
    server.close()
    ours.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        receive(decoder, ours)


def test_bytes_that_are_no_packet_are_refused(
    pair: tuple[socket.socket, socket.socket], decoder: Decoder
) -> None:
    server, ours = pair
    server.sendall(bytes(64))
    with pytest.raises(ProtocolError):
        receive(decoder, ours)
