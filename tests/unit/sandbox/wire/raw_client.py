"""A client that sends what it is told to, byte by byte, and shows the tokens that come back."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketStream
from msgspec import Struct

from tests.fakes.scripted_server import PASSWORD, USER

HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)
BATCH, RPC, ATTENTION, TRANSACTION, LOGIN, PRELOGIN = 1, 3, 6, 0x0E, 0x10, 0x12
END, IGNORE, RESET = 1, 2, 8
ERROR_TOKEN, ENV_CHANGE_TOKEN = 0xAA, 0xE3
DONE_TOKENS = {0xFD, 0xFE, 0xFF}


class Done(Struct, frozen=True):
    token: int
    status: int
    command: int
    rows: int


class Reply(Struct, frozen=True):
    """A reply's bytes; `done` is its last token."""

    payload: bytes
    packets: int

    @property
    def done(self) -> Done:
        return Done(*struct.unpack("<BHHQ", self.payload[-13:]))


def packet(kind: int, payload: bytes, status: int = END) -> bytes:
    return struct.pack(">BBHHBB", kind, status, len(payload) + 8, 0, 1, 0) + payload


def prelogin(encryption: int = 2) -> bytes:
    return packet(PRELOGIN, struct.pack(">BHHB", 1, 6, 1, 0xFF) + bytes([encryption]))


def login(*, version: int = 0x74000004, packet_bytes: int = 0, password: str = PASSWORD) -> bytes:
    hidden = bytes((((b & 0x0F) << 4) | (b >> 4)) ^ 0xA5 for b in password.encode("utf-16-le"))
    texts = ["host", USER, None, "raw", "", "", "", "", "testdb"]
    blobs = [hidden if t is None else t.encode("utf-16-le") for t in texts]
    table, data, at = b"", b"", 36 + 36 + 22
    for blob in blobs:
        table += struct.pack("<HH", at + len(data), len(blob) // 2)
        data += blob
    fixed = struct.pack(
        "<IIIIIIBBBBII", at + len(data), version, packet_bytes, 7, 1, 0, 0xE0, 3, 0, 0, 0, 0
    )
    return packet(LOGIN, fixed + table + bytes(22) + data)


def batch(sql: str) -> bytes:
    return HEADERS + sql.encode("utf-16-le")


def nvarchar(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return (
        b"\0\0\xe7"
        + struct.pack("<H", 8000)
        + b"\x09\x04\xd0\0\x34"
        + struct.pack("<H", len(data))
        + data
    )


def integer(value: int | None, *, output: bool = False) -> bytes:
    written = b"\0" if value is None else b"\4" + struct.pack("<i", value)
    return b"\0" + bytes([output]) + b"\x26\4" + written


def call(number: int, *parameters: bytes, flags: int = 0) -> bytes:
    return struct.pack("<HHH", 0xFFFF, number, flags) + b"".join(parameters)


class RawClient:
    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    async def reply(self) -> Reply:
        """Read the packets of one message."""
        payload, packets = b"", 0
        while True:
            header = await self._take(8)
            status, length = header[1], struct.unpack(">H", header[2:4])[0]
            payload += await self._take(length - 8)
            packets += 1
            if status & END:
                return Reply(payload, packets)

    async def ask(self, kind: int, payload: bytes, status: int = END) -> Reply:
        await self.send(packet(kind, payload, status))
        return await self.reply()

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += await self._stream.receive()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


@asynccontextmanager
async def raw_client(port: int) -> AsyncIterator[RawClient]:
    with anyio.fail_after(20):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            yield RawClient(stream)


@asynccontextmanager
async def logged_in(
    port: int, *, version: int = 0x74000004, packet_bytes: int = 0
) -> AsyncIterator[RawClient]:
    async with raw_client(port) as client:
        await client.send(prelogin())
        await client.reply()
        await client.send(login(version=version, packet_bytes=packet_bytes))
        assert (await client.reply()).done.status == 0
        yield client
