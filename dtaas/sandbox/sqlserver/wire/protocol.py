"""Numbers of the Tabular Data Stream protocol 7.2 to 7.4, as MS-TDS names them."""

from enum import IntEnum, IntFlag


class ProtocolError(Exception):
    """The client sent bytes that are no TDS; the connection cannot go on."""


class PacketType(IntEnum):
    """First byte of a packet header (MS-TDS 2.2.3.1.1)."""

    SQL_BATCH = 0x01
    RPC = 0x03
    REPLY = 0x04
    ATTENTION = 0x06
    BULK_LOAD = 0x07
    FED_AUTH_TOKEN = 0x08
    TRANSACTION_MANAGER = 0x0E
    LOGIN7 = 0x10
    PRELOGIN = 0x12


class PacketStatus(IntFlag):
    """Second byte of a packet header (MS-TDS 2.2.3.1.2)."""

    NORMAL = 0x00
    END_OF_MESSAGE = 0x01
    IGNORE = 0x02
    RESET_CONNECTION = 0x08
    RESET_CONNECTION_SKIP_TRANSACTION = 0x10


class Token(IntEnum):
    """First byte of a token in a reply (MS-TDS 2.2.7)."""

    RETURN_STATUS = 0x79
    COL_METADATA = 0x81
    ERROR = 0xAA
    INFO = 0xAB
    RETURN_VALUE = 0xAC
    LOGIN_ACK = 0xAD
    FEATURE_EXT_ACK = 0xAE
    ROW = 0xD1
    NBC_ROW = 0xD2
    ENV_CHANGE = 0xE3
    DONE = 0xFD
    DONE_PROC = 0xFE
    DONE_IN_PROC = 0xFF


class DoneStatus(IntFlag):
    """Status of the DONE tokens (MS-TDS 2.2.7.6)."""

    FINAL = 0x00
    MORE = 0x01
    ERROR = 0x02
    COUNT = 0x10
    ATTENTION = 0x20
    SERVER_ERROR = 0x100


class EnvChange(IntEnum):
    """What an ENVCHANGE token announces (MS-TDS 2.2.7.9)."""

    DATABASE = 1
    LANGUAGE = 2
    PACKET_SIZE = 4
    COLLATION = 7
    BEGIN_TRANSACTION = 8
    COMMIT_TRANSACTION = 9
    ROLLBACK_TRANSACTION = 10
    RESET_CONNECTION = 18
    ROUTING = 20


class Type(IntEnum):
    """First byte of a TYPE_INFO (MS-TDS 2.2.5.4)."""

    NULL = 0x1F
    IMAGE = 0x22
    TEXT = 0x23
    GUID = 0x24
    INT_N = 0x26
    DATE_N = 0x28
    TIME_N = 0x29
    DATETIME2_N = 0x2A
    DATETIMEOFFSET_N = 0x2B
    INT1 = 0x30
    BIT = 0x32
    INT2 = 0x34
    INT4 = 0x38
    SMALLDATETIME = 0x3A
    REAL = 0x3B
    MONEY = 0x3C
    DATETIME = 0x3D
    FLOAT = 0x3E
    VARIANT = 0x62
    NTEXT = 0x63
    BIT_N = 0x68
    DECIMAL_N = 0x6A
    NUMERIC_N = 0x6C
    FLOAT_N = 0x6D
    MONEY_N = 0x6E
    DATETIME_N = 0x6F
    SMALLMONEY = 0x7A
    INT8 = 0x7F
    VARBINARY = 0xA5
    VARCHAR = 0xA7
    BINARY = 0xAD
    CHAR = 0xAF
    NVARCHAR = 0xE7
    NCHAR = 0xEF
    UDT = 0xF0
    XML = 0xF1


TDS_7_2 = 0x72090002
TDS_7_3 = 0x730A0003
"""First version with NBCROW and the date and time types."""

TDS_7_4 = 0x74000004

DEFAULT_PACKET_BYTES = 4096
MIN_PACKET_BYTES = 512
MAX_PACKET_BYTES = 32767
MAX_TLS_PACKET_BYTES = 16352
"""A packet must fit one TLS record of 16384 bytes: ODBC Driver 18 waits for ever for a longer one,
and when it sends it also counts the cipher's overhead (measured: 16352 passes, 16360 does not)."""

PLP_NULL = 0xFFFFFFFFFFFFFFFF
PLP_UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFE
PLP_MARK = 0xFFFF
"""Maximum length of a type that says its values come in chunks."""
