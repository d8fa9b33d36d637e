"""What the procedures of change data capture ask of the storage."""

from msgspec import Struct


class EnableDatabase(Struct, frozen=True):
    """sys.sp_cdc_enable_db."""


class DisableDatabase(Struct, frozen=True):
    """sys.sp_cdc_disable_db."""


class EnableTable(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_enable_table, with its parameters as given."""

    schema: str
    name: str
    role: str | None
    instance: str | None = None
    net_changes: bool | None = None
    index: str | None = None
    columns: str | None = None
    filegroup: str | None = None
    partition_switch: bool = True


class DisableTable(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_disable_table; instance is a name or `all`."""

    schema: str
    name: str
    instance: str


CaptureOrder = EnableDatabase | DisableDatabase | EnableTable | DisableTable
