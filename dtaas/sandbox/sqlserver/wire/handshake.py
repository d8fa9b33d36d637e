"""From the first byte to a LOGIN7: PRELOGIN and TLS."""

import ssl
from typing import Final

from dtaas.sandbox.sqlserver.wire.channel import Channel
from dtaas.sandbox.sqlserver.wire.login import Login, parse_login
from dtaas.sandbox.sqlserver.wire.packets import Message, PacketWriter
from dtaas.sandbox.sqlserver.wire.prelogin import (
    Encryption,
    agree,
    parse_prelogin,
    prelogin_reply,
)
from dtaas.sandbox.sqlserver.wire.protocol import (
    DEFAULT_PACKET_BYTES,
    PacketType,
    ProtocolError,
)
from dtaas.sandbox.sqlserver.wire.tls import TlsTunnel

_NO_SPID: Final = 0


async def receive_login(
    channel: Channel, context: ssl.SSLContext, *, require_encryption: bool
) -> Login | None:
    """Speak PRELOGIN and TLS and return the client's LOGIN7; None when it left before.

    Raises:
        ProtocolError: the client does not speak TDS 7.2 or later, or broke TLS off.
        OSError: the connection broke.
    """
    first = await channel.receive()
    if first is None:
        return None
    prelogin = parse_prelogin(_payload(first, PacketType.PRELOGIN))
    encryption = agree(prelogin.encryption, required=require_encryption)
    writer = PacketWriter(_NO_SPID, DEFAULT_PACKET_BYTES)
    packets = writer.write(prelogin_reply(prelogin, encryption))
    await channel.send([*packets, writer.end()])
    if encryption is not Encryption.NOT_SUPPORTED and not await _start_tls(channel, context):
        return None
    message = await channel.receive()
    if message is None:
        return None
    if encryption is Encryption.OFF:
        channel.stop_tls()
    return parse_login(_payload(message, PacketType.LOGIN7))


async def _start_tls(channel: Channel, context: ssl.SSLContext) -> bool:
    """Do the TLS handshake inside PRELOGIN packets; false when the client left."""
    tunnel = TlsTunnel(context)
    finished = False
    while not finished:
        message = await channel.receive()
        if message is None:
            return False
        try:
            finished, records = tunnel.handshake(_payload(message, PacketType.PRELOGIN))
        except ssl.SSLError as exc:
            raise ProtocolError(f"the TLS handshake failed: {exc.reason}") from exc
        if records:
            writer = PacketWriter(_NO_SPID, DEFAULT_PACKET_BYTES, PacketType.PRELOGIN)
            packets = writer.write(records)
            await channel.send([*packets, writer.end()])
    channel.start_tls(tunnel)
    return True


def _payload(message: Message, expected: PacketType) -> bytes:
    if message.type is not expected:
        raise ProtocolError(f"a {message.type.name} came where a {expected.name} was due")
    return message.payload
