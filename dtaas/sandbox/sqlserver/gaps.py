"""Where the simulated SQL Server stops: what differs from the real one, for people to read."""

from typing import Final

STORAGE_GAPS: Final = (
    (
        "READ COMMITTED reads are always versioned: a reader never waits for a writer, whether "
        "READ_COMMITTED_SNAPSHOT is ON or OFF. READ UNCOMMITTED reads committed rows."
    ),
    (
        "REPEATABLE READ and SERIALIZABLE take a snapshot instead of read locks; where SQL "
        "Server would wait or deadlock, the later writer gets error 1205."
    ),
    "A transaction keeps the isolation level it began with.",
    (
        "Isolation levels hold for the server as a whole: SNAPSHOT is checked (error 3952) "
        "against the current database, not against each database a query names."
    ),
    (
        "Two schemas of sort order exist: Windows order and SQL order. Tailorings of single "
        "languages (Danish aa, Swedish v and w, Spanish ch) and the weights of rare punctuation "
        "are not kept."
    ),
    (
        "Binary collations sort by code point; SQL Server's BIN sorts nchar by its first "
        "character and then by bytes."
    ),
    (
        "The duplicate key value that errors 2601 and 2627 show is folded to lower case for "
        "text and shown in the storage's form for dates, times and binary values."
    ),
    (
        "sql_variant values are equal only when type and value are; their order is none of SQL "
        "Server's."
    ),
    (
        "Foreign keys on text columns take ON DELETE CASCADE, but no ON UPDATE action and no "
        "SET NULL."
    ),
    "Foreign keys need the same type on both sides, not merely a comparable one.",
    ("Partitions exist in the catalog, with exact row counts; SWITCH, SPLIT and MERGE do not."),
    (
        "Row counts in sys.partitions and sys.dm_db_partition_stats are exact and counted when "
        "read; page counts are PostgreSQL's, of 8 KB."
    ),
    "Computed columns are always stored, so their expressions must be deterministic.",
    (
        "Unique keys are checked row by row: an UPDATE that passes through a key another row still "
        "holds, as id = id + 1 does, is refused with error 2627."
    ),
    (
        "Change data capture: the capture process is part of the server and scans "
        "four times a second while its job runs, whatever the polling interval; the cleanup job "
        "works when it is started and has no schedule."
    ),
    (
        "Change tracking: SYS_CHANGE_COLUMNS and SYS_CHANGE_CONTEXT are always NULL, CHANGETABLE "
        "(VERSION …) is refused, SELECT stands for VIEW CHANGE TRACKING, a transaction does not "
        "see its own changes before it commits, and nothing is cleaned up by age."
    ),
    "Texts with characters U+10F7FF to U+10FFFF are refused.",
    (
        "A savepoint is set before each statement of an explicit transaction; thousands of "
        "statements in one transaction are slower than in SQL Server."
    ),
    (
        "Of rights there are sysadmin, db_owner, SELECT, INSERT, UPDATE, DELETE on single tables "
        "and views, and SELECT on schema cdc, for users and for roles of one's own; members of "
        "fixed roles, roles in roles, DENY over a GRANT, and rights on other schemas or on columns "
        "do not exist."
    ),
    (
        "No triggers, sequences, synonyms, stored modules of users, full-text, XML or "
        "columnstore indexes, temporal, external, graph, ledger or memory-optimized tables, "
        "Always Encrypted."
    ),
)
"""One sentence or two a gap."""

LANGUAGE_GAPS: Final = (
    "No CREATE PROCEDURE, FUNCTION or TRIGGER, no cursors, no KILL, BACKUP or RESTORE.",
    (
        "SET options that would change answers are refused with error 195: ANSI_NULLS, "
        "ANSI_PADDING, ANSI_WARNINGS, CONCAT_NULL_YIELDS_NULL and QUOTED_IDENTIFIER OFF, ROWCOUNT "
        "above 0, DATEFORMAT other than mdy, SHOWPLAN and STATISTICS."
    ),
    "A table variable is a temporary table: a rollback takes back what was written to it.",
    (
        "sp_describe_undeclared_parameters always answers with error 11506; drivers then send "
        "NULL parameters as varchar(1)."
    ),
    "A FOR clause, PIVOT, UNPIVOT, ROLLUP, CUBE, GROUPING SETS and OPENROWSET are refused.",
    "sp_who knows its own session only, and WAITFOR TIME is refused.",
)
"""Of the T-SQL front."""
