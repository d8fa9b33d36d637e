"""TLS over memory: its records travel inside PRELOGIN packets first, bare afterwards."""

import ssl
import tempfile
from pathlib import Path

from dtaas.sandbox.sqlserver.wire.certificate import Certificate

STRICT_PROTOCOL = "tds/8.0"
"""ALPN name of TDS 8.0, where TLS comes before PRELOGIN (Encrypt=strict)."""


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """Build the settings of TLS inside PRELOGIN packets.

    TLS 1.2 without tickets: 1.3 sends tickets after the handshake, when the client no longer
    looks for them inside PRELOGIN packets.
    """
    context = _context(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    return context


def strict_context(certificate: Certificate) -> ssl.SSLContext:
    """Build the settings of TDS 8.0, where TLS 1.3 is welcome, too."""
    context = _context(certificate)
    context.set_alpn_protocols([STRICT_PROTOCOL])
    return context


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_bytes(certificate.key_pem + certificate.certificate_pem)
        context.load_cert_chain(chain)
    return context


class TlsTunnel:
    """The server's end of one TLS connection; the caller moves the bytes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self, records: bytes) -> tuple[bool, bytes]:
        """Go on with the handshake; return whether it is done and the records to send.

        Raises:
            ssl.SSLError: the client gave up, for example because it distrusts the certificate.
        """
        self._incoming.write(records)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False, self._outgoing.read()
        return True, self._outgoing.read()

    @property
    def protocol(self) -> str | None:
        """What both sides agreed to speak (ALPN), None when the client did not ask."""
        return self._tls.selected_alpn_protocol()

    def decrypt(self, records: bytes) -> bytes:
        """Return the plain bytes of all whole records received.

        Raises:
            ssl.SSLError: a record was altered or is no TLS.
        """
        self._incoming.write(records)
        plain = bytearray()
        while True:
            try:
                piece = self._tls.read(65536)
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                return bytes(plain)
            if not piece:
                return bytes(plain)
            plain += piece

    def encrypt(self, packet: bytes) -> bytes:
        """Return the records for one packet: it fits one record, as clients expect."""
        self._tls.write(packet)
        return self._outgoing.read()
