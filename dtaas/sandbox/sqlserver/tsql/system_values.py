"""Values the session itself knows: @@ variables and functions without arguments.

A function is a variable whose name ends in `()`: the compiler reads `SCOPE_IDENTITY()` as the
variable `scope_identity()` when the scope has one of that name.

Source: Microsoft Learn, "Configuration functions", "System functions (Transact-SQL)".
"""

from collections.abc import Mapping
from typing import Final

from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

_INT: Final = SqlType("int")
_SMALLINT: Final = SqlType("smallint")
_NUMERIC: Final = SqlType("numeric", precision=38)
_TEXT: Final = SqlType("nvarchar", 300, collation=DEFAULT_COLLATION)
_SYSNAME: Final = SqlType("nvarchar", 128, collation=DEFAULT_COLLATION)
_MESSAGE: Final = SqlType("nvarchar", 4000, collation=DEFAULT_COLLATION)

VERSION: Final = (
    "Microsoft SQL Server 2022 (RTM-CU14) (KB5038325) - 16.0.4135.4 (X64) \n"
    "\tSimulated by the DTaaS sandbox\n\tDeveloper Edition (64-bit)"
)

SYSTEM_VALUES: Final[Mapping[str, SqlType]] = {
    "@@connections": _INT,
    "@@cursor_rows": _INT,
    "@@datefirst": SqlType("tinyint"),
    "@@error": _INT,
    "@@fetch_status": _INT,
    "@@identity": _NUMERIC,
    "@@langid": _SMALLINT,
    "@@language": _SYSNAME,
    "@@lock_timeout": _INT,
    "@@max_connections": _INT,
    "@@max_precision": SqlType("tinyint"),
    "@@microsoftversion": _INT,
    "@@nestlevel": _INT,
    "@@options": _INT,
    "@@procid": _INT,
    "@@rowcount": _INT,
    "@@servername": _SYSNAME,
    "@@servicename": _SYSNAME,
    "@@spid": _SMALLINT,
    "@@textsize": _INT,
    "@@trancount": _INT,
    "@@version": _TEXT,
    "app_name()": _SYSNAME,
    "context_info()": SqlType("varbinary", 128),
    "error_line()": _INT,
    "error_message()": _MESSAGE,
    "error_number()": _INT,
    "error_procedure()": _SYSNAME,
    "error_severity()": _INT,
    "error_state()": _INT,
    "host_name()": _SYSNAME,
    "rowcount_big()": SqlType("bigint"),
    "scope_identity()": _NUMERIC,
    "xact_state()": _SMALLINT,
}
"""Their types, by lower-case name."""

FIXED_VALUES: Final[Mapping[str, int | str]] = {
    "@@connections": 1,
    "@@cursor_rows": 0,
    "@@fetch_status": 0,
    "@@langid": 0,
    "@@max_connections": 32767,
    "@@max_precision": 38,
    "@@microsoftversion": 0x10001027,
    "@@procid": 0,
    "@@servicename": "MSSQLSERVER",
    "@@version": VERSION,
}
"""Those that never change."""

ANSI_OPTIONS: Final = 8 | 16 | 32 | 64 | 256 | 4096
"""@@OPTIONS that are always on: warnings, padding, nulls, arithabort, quoted names, concat null."""
XACT_ABORT_OPTION: Final = 16384
NOCOUNT_OPTION: Final = 512
IMPLICIT_TRANSACTIONS_OPTION: Final = 2
