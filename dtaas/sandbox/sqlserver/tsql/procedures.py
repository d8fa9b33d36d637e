"""System procedures: T-SQL over the catalog views where that says it, Python where it cannot."""

from collections.abc import Mapping
from typing import Final

from dtaas.sandbox.sqlserver.results import Columns, Done, Item, Message, ResultColumn, Rows
from dtaas.sandbox.sqlserver.tsql import procedures_capture, procedures_capture_jobs
from dtaas.sandbox.sqlserver.tsql import procedures_catalog as catalog_texts
from dtaas.sandbox.sqlserver.tsql.batch_cursor import BatchCursor
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.procedure import Procedure
from dtaas.sandbox.sqlserver.tsql.procedures_describe import (
    describe_first_result_set,
    describe_undeclared_parameters,
)
from dtaas.sandbox.sqlserver.tsql.procedures_types import datatype_info
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

_SYSNAME: Final = SqlType("nvarchar", 128, collation=DEFAULT_COLLATION)
_SELECT: Final = 0xC1


def plain_name(name: str) -> str:
    """Return a procedure's name without database and schema, in lower case."""
    cursor = BatchCursor(name, frozenset())
    words = [t.text for t in cursor.tokens if t.kind in {Kind.NAME, Kind.QUOTED}]
    return words[-1].lower() if words else ""


async def _rename(frame: Frame, context: Context) -> list[Item]:
    """sp_rename: the storage's own statement."""
    values = frame.values
    quoted = [
        "NULL" if values[name] is None else "N'" + str(values[name]).replace("'", "''") + "'"
        for name in ("@objname", "@newname", "@objtype")
    ]
    messages = await context.storage.define(f"EXEC sp_rename {', '.join(quoted)}")
    caution = (
        "Caution: Changing any part of an object name could break scripts and stored procedures."
    )
    return [*messages, Message(number=15477, text=caution, line=frame.line)]


async def _who(frame: Frame, context: Context) -> list[Item]:
    """sp_who: this session only."""
    columns = (
        ResultColumn(name="spid", type=SqlType("smallint")),
        ResultColumn(name="ecid", type=SqlType("smallint")),
        ResultColumn(name="status", type=SqlType("nchar", 30, collation=DEFAULT_COLLATION)),
        ResultColumn(name="loginame", type=_SYSNAME),
        ResultColumn(name="hostname", type=SqlType("nchar", 128, collation=DEFAULT_COLLATION)),
        ResultColumn(name="blk", type=SqlType("char", 5, collation=DEFAULT_COLLATION)),
        ResultColumn(name="dbname", type=_SYSNAME),
        ResultColumn(name="cmd", type=SqlType("nchar", 26, collation=DEFAULT_COLLATION)),
        ResultColumn(name="request_id", type=SqlType("int")),
    )
    client, storage = context.client, context.storage
    row = (
        storage.spid,
        0,
        f"{'runnable':30}",
        client.login,
        f"{client.host:128}",
        f"{'0':5}",
        storage.database,
        f"{'SELECT':26}",
        0,
    )
    context.last.rows = 1
    count = None if frame.options.nocount else 1
    return [Columns(columns), Rows([row]), Done(count, _SELECT)]


PROCEDURES: Final[Mapping[str, Procedure]] = {
    **catalog_texts.PROCEDURES,
    **procedures_capture.PROCEDURES,
    **procedures_capture_jobs.PROCEDURES,
    "sp_datatype_info": Procedure("@data_type int = 0, @ODBCVer tinyint = 2", datatype_info),
    "sp_datatype_info_90": Procedure("@data_type int = 0, @ODBCVer tinyint = 2", datatype_info),
    "sp_datatype_info_100": Procedure("@data_type int = 0, @ODBCVer tinyint = 2", datatype_info),
    "sp_describe_first_result_set": Procedure(
        "@tsql nvarchar(max), @params nvarchar(max) = NULL, @browse_information_mode tinyint = 0",
        describe_first_result_set,
    ),
    "sp_describe_undeclared_parameters": Procedure(
        "@tsql nvarchar(max), @params nvarchar(max) = NULL", describe_undeclared_parameters
    ),
    "sp_rename": Procedure(
        "@objname nvarchar(1035), @newname sysname, @objtype varchar(13) = NULL", _rename
    ),
    "sp_who": Procedure("@loginame sysname = NULL", _who),
}
"""By lower-case name."""
