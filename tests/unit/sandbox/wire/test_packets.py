"""Tokens that are sent again and again arrive where they were put."""

import pytest

from dtaas.sandbox.sqlserver.wire.packets import PacketReader, PacketWriter
from dtaas.sandbox.sqlserver.wire.protocol import PacketType


@pytest.mark.parametrize("size", [1, 503, 504, 505, 5000])
def test_repeated_tokens_keep_their_place(size: int) -> None:
    writer = PacketWriter(51, 512, PacketType.SQL_BATCH)
    again = bytes(n % 251 for n in range(size))
    sent = [*writer.write(b"before"), *writer.ready(again), *writer.ready(again)]
    sent += [*writer.write(b"x" * 600), *writer.ready(again), *writer.write(b"end"), writer.end()]
    reader = PacketReader()
    reader.feed(b"".join(sent))
    (message,) = reader.messages()
    assert message.payload == b"before" + again * 2 + b"x" * 600 + again + b"end"
    assert message.type is PacketType.SQL_BATCH
