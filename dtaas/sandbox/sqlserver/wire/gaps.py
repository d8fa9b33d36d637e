"""Where the wire of the simulated SQL Server stops, for people to read."""

from typing import Final

WIRE_GAPS: Final = (
    "It listens on loopback addresses only.",
    (
        "Logins by password, or by an access token of its own directory in the way of Entra ID: no "
        "Windows or certificate login, no directory to ask for tokens, no change of an expired "
        "password."
    ),
    "MARS is refused: one statement at a time on a connection.",
    (
        "TLS is 1.2, with Encrypt=strict (TDS 8.0) also 1.3. Under TLS packets are at most 16352 "
        "bytes, the most ODBC Driver 18 sends."
    ),
    (
        "No bulk load messages (bcp, SqlBulkCopy), table-valued parameters, server cursors, Always "
        "Encrypted, session recovery or distributed transactions."
    ),
    (
        "The types json and vector are not known. Clients that do not negotiate UTF-8 get columns "
        "of UTF-8 collations as they are."
    ),
    (
        "Column descriptions do not name the table of a text, ntext or image column, nor whether a "
        "column is a key, sparse or hidden."
    ),
    "The option to leave column descriptions out of an answer is taken and not used.",
)
"""One sentence or two a gap."""
