"""No bytes may hang or break the server: parsers refuse, connections end, others live on."""

import struct
from contextlib import suppress

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.wire.login import parse_login
from dtaas.sandbox.sqlserver.wire.packets import PacketReader, PacketWriter
from dtaas.sandbox.sqlserver.wire.prelogin import parse_prelogin
from dtaas.sandbox.sqlserver.wire.protocol import PacketType, ProtocolError
from dtaas.sandbox.sqlserver.wire.requests import parse_batch, parse_rpc, parse_transaction
from tests.unit.sandbox.wire.raw_client import (
    BATCH,
    HEADERS,
    batch,
    call,
    integer,
    logged_in,
    login,
    nvarchar,
    packet,
    prelogin,
    raw_client,
)

PARSERS = [parse_prelogin, parse_login, parse_batch, parse_rpc, parse_transaction]
RPC_MESSAGE = HEADERS + call(
    13, integer(None, output=True), nvarchar("@a int"), nvarchar("echo @a")
)
SEEDS = [
    prelogin()[8:],
    login()[8:],
    batch("select 1"),
    RPC_MESSAGE,
    HEADERS + struct.pack("<HBB", 5, 0, 0),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good message with some bytes changed, cut out or put in."""
    message = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(message) - 1, 0)))
        count = draw(st.integers(0, 4))
        message[at : at + count] = draw(st.binary(max_size=4))
    return bytes(message)


@pytest.mark.parametrize("parser", PARSERS)
@given(data=st.one_of(st.binary(max_size=200), damaged()))
@settings(max_examples=100, deadline=None)
def test_parsers_read_or_refuse(parser, data: bytes) -> None:
    with suppress(ProtocolError):
        parser(data)


@given(
    messages=st.lists(st.binary(max_size=3000), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=20),
    packet_bytes=st.integers(512, 4096),
)
@settings(max_examples=60, deadline=None)
def test_messages_survive_any_packets_and_any_pieces(
    messages: list[bytes], cuts: list[int], packet_bytes: int
) -> None:
    writer = PacketWriter(1, packet_bytes, PacketType.RPC)
    packets: list[bytes] = []
    for message in messages:
        half = len(message) // 2
        packets += [*writer.write(message[:half]), *writer.write(message[half:]), writer.end()]
    assert max(map(len, packets)) <= packet_bytes
    data = b"".join(packets)
    reader = PacketReader()
    found: list[bytes] = []
    at = step = 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        reader.feed(data[at : at + size])
        found += [message.payload for message in reader.messages()]
        at, step = at + size, step + 1
    assert found == messages
    assert reader.pending == b""


@given(data=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_framing_reads_or_refuses(data: bytes) -> None:
    reader = PacketReader()
    reader.feed(data)
    with suppress(ProtocolError):
        list(reader.messages())


PACKETS = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.builds(
        packet,
        st.sampled_from([1, 3, 6, 7, 0x0E, 0x10, 0x12]),
        st.one_of(st.binary(max_size=100), damaged()),
    ),
)


@given(data=st.lists(PACKETS, min_size=1, max_size=3), known=st.booleans())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_server_lives_through_anything(
    data: list[bytes], known: bool, server: TdsServer
) -> None:
    connect = logged_in if known else raw_client
    async with connect(server.port) as bad:
        # The connection may end at any point; that it ends at all is what `raw_client` limits.
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            for piece in data:
                await bad.send(piece)
            await bad._stream.send_eof()
            while True:
                await bad.reply()
    async with logged_in(server.port) as good:
        assert (await good.ask(BATCH, batch("set x"))).done.status == 0
