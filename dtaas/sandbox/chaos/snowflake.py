"""Histories that go to Snowflake: where they go, what goes wrong there, how they are read back."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any, Final

import anyio
import pyarrow as pa
from msgspec import Struct, convert
from msgspec.structs import replace

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.connectors.snowflake.layout import CURRENT, POSITION, Places
from dtaas.connectors.snowflake.names import quoted
from dtaas.connectors.snowflake.sessions import SessionPool
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.load import TargetTable
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    String,
    Timestamp,
    Uuid,
)
from dtaas.sandbox.sandbox import SNOWFLAKE_DATABASE
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.sandbox.snowflake.faults import Fault, Kind
from dtaas.sandbox.workload.history import Row
from dtaas.sandbox.workload.names import ID, PART, REFERENCE, VERSION
from dtaas.sandbox.workload.tables import Table

_TYPES: Final[Mapping[str, ColumnType]] = {
    "int": Integer(32),
    "bigint": Integer(64),
    "bit": Boolean(),
    "decimal(18,4)": Decimal(18, 4),
    "float": Float(64),
    "varchar(40)": String(40),
    "nvarchar(80)": String(80),
    "date": Date(),
    "datetime2(3)": Timestamp(3),
    "varbinary(16)": Binary(16),
    "uniqueidentifier": Uuid(),
    "nvarchar(max)": String(),
}
_FIXED: Final[Mapping[str, ColumnType]] = {
    ID: Integer(32),
    VERSION: Integer(32),
    PART: String(8),
    REFERENCE: String(30),
}
_STEPS: Final = ("^PUT", "^COPY", "^MERGE", "^COMMIT", "SWAP WITH", "^INSERT", "^SELECT", "^ALTER")
_WAYS: Final = re.compile(
    r"(?P<copy>COPY) INTO (?!.*__DTAAS_)|(?P<merge>MERGE) INTO .*__DTAAS_CHANGES", re.DOTALL
)
"""Statements that bring a window into its table: what it is staged in has a name of ours."""
_BEFORE: Final[tuple[Kind, ...]] = ("error", "status", "reset", "expire")
_AFTER: Final[tuple[Kind, ...]] = ("drop", "reset", "expire")


def random_fault(dice: Random) -> Fault:
    """Return something that goes wrong before a statement, or with its reply."""
    if dice.random() < 1 / 2:
        return Fault(match=dice.choice(_STEPS), kind=dice.choice(_BEFORE), code=604)
    return Fault(match=dice.choice(_STEPS), kind=dice.choice(_AFTER), when="after")


class SnowflakeGround(Struct):
    """The emulated account.

    Attributes:
        copied: windows that were copied straight into their table, up to the last `calm`.
        merged: windows that were merged. Both as Snowflake ran them: some were undone, and came
            again.
    """

    emulator: SnowflakeEmulator
    copied: int = 0
    merged: int = 0

    def config(self, name: str) -> dict[str, Any]:
        """Return a connector's configuration with schemas nobody else uses."""
        return self.emulator.connector(
            SNOWFLAKE_DATABASE,
            schema=name,
            metadata_schema=f"DTAAS_{name}",
            identifiers="preserve",
        )

    async def strike(self, dice: Random) -> None:
        """Let something go wrong with the next statement of some kind."""
        await self.emulator.inject(random_fault(dice))

    async def calm(self) -> None:
        """Take back what did not strike yet, and count what was done meanwhile."""
        for said in await self.emulator.log():
            way = _WAYS.match(said.sql) if said.code is None else None
            self.copied += bool(way and way["copy"])
            self.merged += bool(way and way["merge"])
        await self.emulator.clear()


class SnowflakeArrivals:
    """A table in Snowflake, which keeps rows or their versions; read through the connector."""

    def __init__(self, config: Mapping[str, Any], name: str) -> None:
        self._config = convert(config, SnowflakeConfig)
        self._name = name

    def rows(self, table: Table) -> Mapping[int, Row]:
        """Read the table as it is.

        Raises:
            ValueError: two rows have one id, or one change made two versions.
        """
        guids = {c.name for c in table.extra if c.declaration == "uniqueidentifier"}
        found: dict[int, Row] = {}
        # What is read again for new columns comes at the position of a change, as its version.
        once = not table.is_altered
        for row in anyio.run(self._scanned, schema_of(table), once):
            if row[ID] in found:
                raise ValueError(f"{table.name}: two rows have the id {row[ID]}")
            found[row[ID]] = {
                n: v.upper() if n in guids and isinstance(v, str) else v for n, v in row.items()
            }
        return found

    def transactions(self, table: Table) -> None:
        """Return None: only rows are kept."""

    async def _scanned(self, schema: TableSchema, once: bool) -> list[dict[str, Any]]:
        destination = SnowflakeDestination(self._config, task_name="", database="")
        rows: list[dict[str, Any]] = []

        def take(batch: pa.RecordBatch) -> None:
            rows.extend(batch.to_pylist())

        target = destination.target_of(schema.table, None)
        try:
            standing = await destination.standing(target)
            there = set() if standing is None else {name for name, _ in standing.columns}
            held = tuple(c for c in schema.columns if c.name in there)
            await destination.scan(target, replace(schema, columns=held), take)
            if once and CURRENT in there:
                await self._require_one_version(target)
        finally:
            await destination.aclose()
        # A column comes with the first change behind it; until then it is NULL everywhere.
        missing = dict.fromkeys(c.name for c in schema.columns if c not in held)
        return [row | missing for row in rows]

    async def _require_one_version(self, target: TargetTable) -> None:
        table = Places(self._config, task_name="", database="").table(target)
        key = f"{quoted(ID)}, {quoted(POSITION)}"
        sql = f"SELECT {key} FROM {table} GROUP BY {key} HAVING COUNT(*) > 1 LIMIT 5"
        pool = SessionPool(self._config)
        try:
            doubled = await pool.run("dtaas chaos", f"Reading {target}", sql)
        finally:
            await pool.aclose()
        if doubled:
            raise ValueError(f"{target}: two versions of one change: {doubled}")


def schema_of(table: Table) -> TableSchema:
    """Return a workload's table in canonical types."""
    declared = {c.name: _TYPES[c.declaration] for c in table.extra}
    kinds = {name: _FIXED.get(name) or declared[name] for name in table.columns}
    return TableSchema(
        table=TableRef("dbo", table.name),
        columns=tuple(Column(name=n, type=t, nullable=n != ID) for n, t in kinds.items()),
        key=(ID,),
    )
