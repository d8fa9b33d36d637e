"""What can go wrong between us and a server: the connector turns each into its own vocabulary."""


class ServerError(Exception):
    """The server refused or ended a request.

    Attributes:
        number: SQL Server's error number, such as 1205.
        severity: its class; from 20 on the connection is closed.
        line: line of the batch, from 1; 0 when not known.
    """

    def __init__(self, number: int, state: int, severity: int, text: str, line: int) -> None:
        super().__init__(text)
        self.number = number
        self.state = state
        self.severity = severity
        self.text = text
        self.line = line


class LinkError(Exception):
    """The connection was closed or broken by the other side, or by an abort of ours."""


class ProtocolError(Exception):
    """The server said something that TDS does not allow. The connection is of no use any more."""


class EncryptionError(Exception):
    """The server and the configuration do not agree on encryption, or the certificate is bad."""


class NotDecodableError(Exception):
    """A column's type is one the decoder does not know. Known before the first row is read."""


class BadValueError(Exception):
    """A value cannot be decoded.

    Attributes:
        column: its position in the result, from 0.
        reason: `lone_surrogate`, `too_large`, `bad_utf8` or `bad_text`.
        value: its bytes on the wire, of a long one only a part.
    """

    def __init__(self, column: int, reason: str, value: bytes) -> None:
        super().__init__(f"column {column}: {reason}")
        self.column = column
        self.reason = reason
        self.value = value
