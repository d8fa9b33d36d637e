"""The log of statements."""

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was run, for tests and people to read.

    Attributes:
        ms: how long it took, in milliseconds.
        code: Snowflake's error number, None when it worked.
        tag: the QUERY_TAG in force.
        rows: of the result; what a change counted is in the result.
    """

    query_id: str
    session: int
    user: str
    sql: str
    ms: float
    code: int | None
    tag: str
    rows: int
    transaction: int | None
    warehouse: str | None
    at: float
