"""What the server says about capture instances, whichever way the login may ask for it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from dtaas.connectors.sqlserver.catalog import SqlTable
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.changes import SourceState, TrackedTable


class InstanceRow(Struct, frozen=True, kw_only=True):
    """A row of cdc.change_tables.

    Attributes:
        identity: tells it from a later one of the same name.
        start: b"" until the capture process has come to it.
    """

    name: str
    object_id: int
    identity: str
    start: bytes


class CapturedRow(Struct, frozen=True, kw_only=True):
    """A row of cdc.captured_columns."""

    name: str
    column_id: int
    computed: bool
    ordinal: int


class Metadata(Protocol):
    """Answers about the capture instances of one database."""

    async def instances(self, table: SqlTable) -> list[InstanceRow]:
        """Return the instances of a table that the login may read, oldest first."""
        ...

    async def captured(self, table: SqlTable, row: InstanceRow) -> list[CapturedRow]:
        """Return the columns an instance captures, in the order of their ordinals."""
        ...

    async def held(self, table: SqlTable, row: InstanceRow) -> Mapping[str, SqlColumn]:
        """Return the columns of change rows by name, as they can be read now."""
        ...

    async def history(self, table: SqlTable, row: InstanceRow) -> Mapping[bytes, str]:
        """Return the DDL since the instance was made, by position."""
        ...

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Return what is new of all tracked tables; see the port."""
        ...
