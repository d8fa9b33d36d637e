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
from dtaas.sandbox.sqlserver.wire.tls import STRICT_PROTOCOL, TlsTunnel

_NO_SPID: Final = 0


async def receive_login(
    channel: Channel,
    context: ssl.SSLContext,
    strict_context: ssl.SSLContext,
    *,
    require_encryption: bool,
) -> Login | None:
    """Speak PRELOGIN and TLS and return the client's LOGIN7; None when it left before.

    TLS comes inside of PRELOGIN packets, or before them when the client begins so (TDS 8.0,
    `Encrypt=strict`, for which `strict_context` is).

    Raises:
        ProtocolError: the client does not speak TDS 7.2 or later, or broke TLS off.
        OSError: the connection broke.
    """
    hello = await channel.client_hello()
    if hello and not await _start_bare_tls(channel, TlsTunnel(strict_context), hello):
        return None
    first = await channel.receive()
    if first is None:
        return None
    prelogin = parse_prelogin(_payload(first, PacketType.PRELOGIN))
    encryption = agree(prelogin.encryption, required=require_encryption)
    writer = PacketWriter(_NO_SPID, DEFAULT_PACKET_BYTES)
    packets = writer.write(prelogin_reply(prelogin, encryption))
    await channel.send([*packets, writer.end()])
    if hello:
        # TDS 8.0: all is in TLS already, and the option means nothing.
        encryption = Encryption.ON
    elif encryption is not Encryption.NOT_SUPPORTED and not await _start_tls(channel, context):
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
        finished, records = _step(tunnel, _payload(message, PacketType.PRELOGIN))
        if records:
            writer = PacketWriter(_NO_SPID, DEFAULT_PACKET_BYTES, PacketType.PRELOGIN)
            packets = writer.write(records)
            await channel.send([*packets, writer.end()])
    channel.start_tls(tunnel)
    return True


async def _start_bare_tls(channel: Channel, tunnel: TlsTunnel, hello: bytes) -> bool:
    """Do the TLS handshake before any packet (TDS 8.0); false when the client left."""
    finished, records = _step(tunnel, hello)
    await channel.send_records(records)
    while not finished:
        received = await channel.receive_records()
        if not received:
            return False
        finished, records = _step(tunnel, received)
        await channel.send_records(records)
    if tunnel.protocol != STRICT_PROTOCOL:
        raise ProtocolError(f"the client began with TLS and did not ask for {STRICT_PROTOCOL}")
    channel.start_tls(tunnel)
    return True


def _step(tunnel: TlsTunnel, received: bytes) -> tuple[bool, bytes]:
    try:
        return tunnel.handshake(received)
    except ssl.SSLError as exc:
        raise ProtocolError(f"the TLS handshake failed: {exc.reason}") from exc


def _payload(message: Message, expected: PacketType) -> bytes:
    if message.type is not expected:
        raise ProtocolError(f"a {message.type.name} came where a {expected.name} was due")
    return message.payload
