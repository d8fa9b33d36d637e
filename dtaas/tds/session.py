"""A session: logs in, runs statements, and reads one result at a time. Blocking; abort to break.

It is made, used and closed in one worker thread. Only `abort` may be called from elsewhere.
"""

import socket
import ssl
from contextlib import suppress
from enum import StrEnum
from typing import Final

import pyarrow as pa
from msgspec import Struct

from dtaas.tds import metadata, prelogin, tokens
from dtaas.tds.decoder import RECEIVE_BYTES, Decoder, Missing
from dtaas.tds.errors import EncryptionError, LinkError, ProtocolError, ServerError
from dtaas.tds.links import ClearStream, Stream, TlsStream, read_exactly, read_message
from dtaas.tds.login import Login
from dtaas.tds.metadata import WireColumn
from dtaas.tds.packets import HEADER_BYTES, PacketType, parse_header, split
from dtaas.tds.plan import ColumnPlan
from dtaas.tds.prelogin import EncryptionOption
from dtaas.tds.tokens import Done, Route, Token

_FIRST_PACKET: Final = 4096
_SOCKET_BUFFER: Final = 2 * 1024 * 1024
_HEADERS: Final = bytes.fromhex("16000000 12000000 0200 0000000000000000 01000000")
"""ALL_HEADERS of a request outside transactions: MS-TDS 2.2.5.3."""
_MOST_ROUTES: Final = 3
_STRICT_PROTOCOL: Final = "tds/8.0"


class Encryption(StrEnum):
    """As the connection string has it."""

    YES = "yes"
    NO = "no"
    STRICT = "strict"


_OPTIONS: Final = {
    Encryption.YES: EncryptionOption.ON,
    Encryption.NO: EncryptionOption.OFF,
    Encryption.STRICT: EncryptionOption.NOT_SUPPORTED,  # there is TLS already
}


class Target(Struct, frozen=True, kw_only=True):
    """Where to connect and how.

    Attributes:
        certificate_host: name the certificate may carry instead of `host`, '' for none.
        trust_certificate: take any certificate; ignored when strict.
        connect_timeout_s: limit of each step of connecting.
    """

    host: str
    port: int
    encryption: Encryption
    login: Login
    certificate_host: str = ""
    trust_certificate: bool = False
    connect_timeout_s: float = 15.0


class Session:
    """One connection."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._stream: Stream | None = None
        self._packet_size = _FIRST_PACKET
        self._aborted = False

    def connect(self) -> None:
        """Connect and log in, following the server's redirections.

        Raises:
            LinkError, EncryptionError, ProtocolError, ServerError: it did not come to that.
        """
        target = self._target
        if target.login.token and target.encryption is Encryption.NO:
            raise EncryptionError("an access token is sent through a verified connection only")
        host, port = target.host, target.port
        for _ in range(_MOST_ROUTES):
            route = self._connect_to(host, port)
            if route is None:
                return
            self.close()
            self._packet_size = _FIRST_PACKET
            host, port = route.host, route.port
        raise LinkError(f"the server redirected the connection {_MOST_ROUTES} times")

    def execute(self, sql: str) -> None:
        """Run a batch that gives no rows, to its end.

        Raises:
            ServerError: the first error the server told.
        """
        self._send_batch(sql)
        self._require(read_message(self._open_stream()))

    def query(self, sql: str) -> "Result":
        """Start a query and return its result once the columns are known.

        Raises:
            ServerError: the server refused it.
            NotDecodableError: a column's type is one the decoder does not know.
        """
        self._send_batch(sql)
        return Result(self._open_stream())

    def limit(self, seconds: float | None) -> None:
        """Limit each wait for the server from now on."""
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def abort(self) -> None:
        """Break the connection: a call that waits for the server fails at once. Thread-safe."""
        self._aborted = True
        held = self._socket
        if held is not None:
            with suppress(OSError):  # closed already, by the other side or by us
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        held, self._socket, self._stream = self._socket, None, None
        if held is not None:
            held.close()

    def _connect_to(self, host: str, port: int) -> Route | None:
        """Connect and log in. Returns where the server sends us instead, None when we are in."""
        self._socket = self._dial(host, port)
        if self._aborted:
            raise LinkError("the connection was given up")
        login_stream, answer = self._negotiate(self._socket, host)
        login = self._target.login
        payload = login.encode(token_required=answer.token_required)
        for packet in split(PacketType.LOGIN7, payload, _FIRST_PACKET):
            login_stream.send(packet)
        assert self._stream is not None  # noqa: S101 - _negotiate sets it
        found = self._require(read_message(self._stream))
        for token in found:
            if token.packet_size:
                self._packet_size = token.packet_size
            if token.route is not None:
                return token.route
        if not any(token.login_ack for token in found):
            raise ProtocolError("the server neither accepted nor refused the login")
        if login.token and not any(tokens.FEDERATED in token.features for token in found):
            raise ProtocolError("the server let us in without regard to the access token")
        self._socket.settimeout(None)
        return None

    def _dial(self, host: str, port: int) -> socket.socket:
        failure: OSError | None = None
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            ):
                if self._aborted:
                    break
                sock = socket.socket(family, kind, protocol)
                self._socket = sock  # from here on `abort` breaks it
                sock.settimeout(self._target.connect_timeout_s)
                try:
                    sock.connect(address)
                except OSError as exc:
                    failure = exc
                    sock.close()
                else:
                    return _settled(sock)
        except OSError as exc:
            failure = exc
        raise LinkError(str(failure or "") or "timed out") from failure

    def _negotiate(self, sock: socket.socket, host: str) -> tuple[Stream, prelogin.Answer]:
        """Agree on encryption. Sets the session's stream; returns the login's, and the answer."""
        wanted = self._target.encryption
        clear: Stream = ClearStream(sock)
        if wanted is Encryption.STRICT:
            context = self._context(verify=True)
            context.set_alpn_protocols([_STRICT_PROTOCOL])
            names = self._names(host)
            clear = TlsStream(sock, context, host, names=names, within_packets=False)
        request = prelogin.request(_OPTIONS[wanted], with_token=bool(self._target.login.token))
        for packet in split(PacketType.PRELOGIN, request, _FIRST_PACKET):
            clear.send(packet)
        answer = prelogin.parse(read_message(clear))
        self._stream = clear
        if wanted is Encryption.STRICT:
            return clear, answer
        if answer.encryption is EncryptionOption.NOT_SUPPORTED:
            if wanted is Encryption.YES:
                raise EncryptionError("the server does not support encryption")
            return clear, answer
        whole = wanted is Encryption.YES or answer.encryption is not EncryptionOption.OFF
        verify = whole and not self._target.trust_certificate
        context = self._context(verify=verify)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones need TDS 8.0
        names = self._names(host) if verify else ()
        encrypted = TlsStream(sock, context, host, names=names, within_packets=True)
        if whole:
            self._stream = encrypted
        return encrypted, answer

    def _names(self, host: str) -> tuple[str, ...]:
        told = self._target.certificate_host
        return (host, told) if told else (host,)

    @staticmethod
    def _context(*, verify: bool) -> ssl.SSLContext:
        if not verify:  # no need to read every certificate authority
            unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unverified.check_hostname = False
            unverified.verify_mode = ssl.CERT_NONE
            return unverified
        context = ssl.create_default_context()
        context.check_hostname = False  # names are compared as the driver does: host_names.py
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which the driver does not ask for either
        return context

    def _open_stream(self) -> Stream:
        if self._stream is None:
            raise LinkError("the session is not open")
        return self._stream

    def _send_batch(self, sql: str) -> None:
        stream = self._open_stream()
        payload = _HEADERS + sql.encode("utf-16-le")
        for packet in split(PacketType.SQL_BATCH, payload, self._packet_size):
            stream.send(packet)

    @staticmethod
    def _require(reply: bytes) -> list[Token]:
        """Return the tokens of a reply without rows, or raise its first error."""
        found: list[Token] = []
        while reply:
            token = tokens.parse(reply)
            if token is None:
                raise ProtocolError("a reply ends in the middle of a token")
            found.append(token)
            reply = reply[token.size :]
        for token in found:
            if token.error is not None:
                raise token.error
        return found


def _settled(sock: socket.socket) -> socket.socket:
    """Set what a connection needs from its first byte on."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
    return sock


class Result:
    """The result of a query: its columns, then its rows."""

    def __init__(self, stream: Stream) -> None:
        """Read up to the columns.

        Raises:
            ServerError: the server refused the query.
            NotDecodableError: a column's type is one the decoder does not know.
        """
        self._stream = stream
        self._decoder: Decoder | None = None
        self._error: ServerError | None = None
        self._payload = b""
        self._message_ended = False
        self.columns = self._read_columns()

    def start(self, plans: list[ColumnPlan], schema: pa.Schema, *, most_value_bytes: int) -> None:
        """Say what the columns become. Call once, before `next`."""
        self._decoder = Decoder(plans, schema, most_value_bytes=most_value_bytes)
        self._decoder.seed(self._payload)
        self._payload = b""

    def next(self, *, most_rows: int, most_bytes: int) -> pa.RecordBatch | None:
        """Return the next batch, None after the last row of a result that ended without error.

        Raises:
            ServerError: the server ended the result with an error.
            LinkError, ProtocolError, BadValueError: the rest cannot be read.
        """
        decoder = self._decoder
        if decoder is None:
            return None
        while True:
            found = self._decode(decoder, most_rows, most_bytes)
            if isinstance(found, pa.RecordBatch):
                return found
            if found is Missing.BYTES:
                self._receive(decoder)
            elif self._take_token(decoder):
                rest = decoder.rest()
                self.close()
                return rest

    def close(self) -> None:
        """Free the decoder. Idempotent."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def _decode(
        self, decoder: Decoder, most_rows: int, most_bytes: int
    ) -> pa.RecordBatch | Missing:
        direct = self._stream.direct
        if direct is None:
            return decoder.next(most_rows=most_rows, most_bytes=most_bytes)
        try:
            return decoder.receive(direct, most_rows=most_rows, most_bytes=most_bytes)
        except EOFError as exc:
            raise LinkError("the server closed the connection") from exc
        except OSError as exc:
            raise LinkError(str(exc) or "timed out") from exc

    def _receive(self, decoder: Decoder) -> None:
        room = decoder.room(RECEIVE_BYTES)
        decoder.received(self._stream.receive_into(room))

    def _take_token(self, decoder: Decoder) -> bool:
        """Take a token that is no row; true when it ends the result."""
        token = tokens.parse(decoder.pending())
        if token is None:
            self._receive(decoder)
            return False
        decoder.skip(token.size)
        return self._note(token)

    def _note(self, token: Token) -> bool:
        """Remember an error, and raise it once the server has said all."""
        if token.error is not None and self._error is None:
            self._error = token.error
        done: Done | None = token.done
        if done is None or done.more:
            return False
        if self._error is not None:
            raise self._error
        if done.failed or done.attention:
            raise LinkError("the server gave up the request")
        return True

    def _read_columns(self) -> list[WireColumn]:
        while True:
            found = self._columns_at_start()
            if found is not None:
                return found
            if self._message_ended:
                raise ProtocolError("the query gave no result")
            header = read_exactly(self._stream, HEADER_BYTES)
            _, self._message_ended, size = parse_header(header)
            self._payload += read_exactly(self._stream, size)

    def _columns_at_start(self) -> list[WireColumn] | None:
        while self._payload:
            if self._payload[0] == tokens.COLMETADATA:
                parsed = metadata.parse(self._payload)
                if parsed is None:
                    return None
                size, columns = parsed
                self._payload = self._payload[size:]
                return columns
            token = tokens.parse(self._payload)
            if token is None:
                return None
            self._payload = self._payload[token.size :]
            if self._note(token):
                raise ProtocolError("the query gave no result")
        return None
