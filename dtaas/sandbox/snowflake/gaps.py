"""Where the emulated Snowflake stops: what differs from a real account, for people to read."""

from typing import Final

SNOWFLAKE_GAPS: Final = (
    "Timestamps hold microseconds and cut what is finer; TIME holds nanoseconds.",
    (
        "TIMESTAMP_TZ and TIMESTAMP_LTZ keep the instant and lose the offset; both are read back "
        "in UTC. Years outside of DuckDB's range are refused."
    ),
    (
        "Names that differ only in the case of letters are the same: two columns `id` and `ID` of "
        "one table, or two tables `t` and `T` of one schema, collide. Databases have plain names "
        "in capitals."
    ),
    (
        "The length of VARCHAR(n) is checked by COPY alone; BINARY(n), TIME(p) and TIMESTAMP(p) "
        "are declared and shown, and not enforced."
    ),
    "A transaction writes to one database; temporary tables do not count.",
    (
        "A transaction reads the snapshot of its first read, where Snowflake reads what was "
        "committed before each statement."
    ),
    (
        "Any error within a transaction leaves only ROLLBACK, as with TRANSACTION_ABORT_ON_ERROR: "
        "statements and COMMIT fail with 90232. Snowflake lets the transaction go on."
    ),
    (
        "A session whose transaction another one has aborted is not told: its next statement is a "
        "transaction of its own."
    ),
    (
        "UPDATE, DELETE, MERGE, TRUNCATE and ALTER TABLE lock their whole table until the end of "
        "the transaction; LOCK_TIMEOUT and deadlocks end the wait with error 625. A lock taken "
        "after the transaction has read fails with 625 when the table changed since."
    ),
    (
        "COPY reads Parquet, CSV and JSON from internal stages. It never loads into a table from "
        "another cloud, unloads nothing, and knows no VALIDATION_MODE, INFER_SCHEMA or "
        "COPY_HISTORY. A transformation needs ON_ERROR = ABORT_STATEMENT."
    ),
    "Files of stages are not encrypted, and lie in a bucket that speaks Google's protocol.",
    (
        "Results come in one piece; a session dies with the server, and after a restart its "
        "tokens are refused with 390104."
    ),
    "One session runs one statement at a time; more than one statement in a text is refused.",
    (
        "Roles, grants, warehouses, resource monitors, clustering, retention and cost are accepted "
        "and mean nothing; SHOW WAREHOUSES knows the session's own, an X-Small. PRIMARY KEY, "
        "UNIQUE and FOREIGN KEY are forgotten."
    ),
    "SWAP WITH and RENAME stay within a schema. No UNDROP, time travel, streams or tasks.",
    (
        "Only the functions fakesnow and DuckDB know. A result without an alias is named by its "
        "text, and a time cast to text shows all its digits. TO_VARCHAR knows formats of dates, "
        "times and binary, not of numbers."
    ),
)
