"""The procedures of change data capture.

Source: Microsoft Learn, "Change data capture stored procedures (Transact-SQL)".
"""

from collections.abc import Mapping
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import Item, SqlError
from dtaas.sandbox.sqlserver.tsql.capture_orders import (
    CaptureOrder,
    DisableDatabase,
    DisableTable,
    EnableDatabase,
    EnableTable,
)
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.procedure import Procedure

ENABLED: Final = """
DECLARE @database sysname = DB_NAME();
IF (SELECT is_cdc_enabled FROM sys.databases WHERE database_id = DB_ID()) = 0
BEGIN
  RAISERROR (22901, 16, 1, @database);
  RETURN 1;
END;
"""
"""Begins a procedure that needs a database with change data capture."""

_HELP: Final = f"""{ENABLED}
SELECT s.name AS source_schema, o.name AS source_table, c.capture_instance, c.object_id,
  c.source_object_id, c.start_lsn, c.end_lsn, c.supports_net_changes, c.has_drop_pending,
  c.role_name, c.index_name, c.filegroup_name, c.create_date,
  CAST((SELECT STRING_AGG(CAST(QUOTENAME(i.column_name) AS nvarchar(max)), N', ')
      WITHIN GROUP (ORDER BY i.index_ordinal) FROM cdc_procedures.index_columns AS i
    WHERE i.object_id = c.object_id) AS nvarchar(max)) AS index_column_list,
  CAST((SELECT STRING_AGG(CAST(QUOTENAME(k.column_name) AS nvarchar(max)), N', ')
      WITHIN GROUP (ORDER BY k.column_ordinal) FROM cdc_procedures.captured_columns AS k
    WHERE k.object_id = c.object_id) AS nvarchar(max)) AS captured_column_list
FROM cdc_procedures.change_tables AS c
JOIN sys.objects AS o ON o.object_id = c.source_object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE (@source_schema IS NULL OR s.name = @source_schema)
  AND (@source_name IS NULL OR o.name = @source_name)
ORDER BY s.name, o.name, c.start_lsn
"""


async def _enable_database(_: Frame, context: Context) -> list[Item]:
    return await _carry_out(EnableDatabase(), context)


async def _disable_database(_: Frame, context: Context) -> list[Item]:
    return await _carry_out(DisableDatabase(), context)


async def _enable_table(frame: Frame, context: Context) -> list[Item]:
    values = frame.values
    role = values["@role_name"]
    if role == "":
        raise SqlError(
            22907,
            "Parameter @role_name cannot be empty. Specify a value for @role_name and retry the "
            "operation. Supply null as the value if no role is to be used to gate access to "
            "captured change data.",
        )
    net_changes = values["@supports_net_changes"]
    return await _carry_out(
        EnableTable(
            schema=_required(values, "@source_schema"),
            name=_required(values, "@source_name"),
            role=role,
            instance=_trimmed(values["@capture_instance"]),
            net_changes=None if net_changes is None else bool(net_changes),
            index=values["@index_name"],
            columns=values["@captured_column_list"],
            filegroup=values["@filegroup_name"],
            partition_switch=bool(values["@allow_partition_switch"]),
        ),
        context,
    )


async def _disable_table(frame: Frame, context: Context) -> list[Item]:
    values = frame.values
    return await _carry_out(
        DisableTable(
            schema=_required(values, "@source_schema"),
            name=_required(values, "@source_name"),
            instance=_required(values, "@capture_instance").rstrip(),
        ),
        context,
    )


async def _carry_out(order: CaptureOrder, context: Context) -> list[Item]:
    return [*await context.storage.capture(order)]


def _required(values: Mapping[str, Any], name: str) -> str:
    if values[name] is None:
        raise SqlError(
            22963,
            f"Parameter '{name}' cannot be null or empty. Specify a value for the named parameter "
            "and retry the operation.",
        )
    return str(values[name])


def _trimmed(value: str | None) -> str | None:
    return None if value is None else value.rstrip()


PROCEDURES: Final[Mapping[str, Procedure]] = {
    "sp_cdc_enable_db": Procedure("", _enable_database),
    "sp_cdc_disable_db": Procedure("", _disable_database),
    "sp_cdc_enable_table": Procedure(
        "@source_schema sysname, @source_name sysname, @role_name sysname,"
        " @capture_instance sysname = NULL, @supports_net_changes bit = NULL,"
        " @index_name sysname = NULL, @captured_column_list nvarchar(max) = NULL,"
        " @filegroup_name sysname = NULL, @allow_partition_switch bit = 1",
        _enable_table,
    ),
    "sp_cdc_disable_table": Procedure(
        "@source_schema sysname, @source_name sysname, @capture_instance sysname", _disable_table
    ),
    "sp_cdc_help_change_data_capture": Procedure(
        "@source_schema sysname = NULL, @source_name sysname = NULL", _HELP
    ),
}
"""By lower-case name."""
