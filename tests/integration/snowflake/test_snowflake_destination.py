"""What every destination promises, kept by Snowflake.

Each exception names the gap of the emulator that makes it necessary.
"""

from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.load import WriteMode
from dtaas.model.types import Integer, String, Timestamp, TimestampTz
from tests.contract.destination import (
    ODD_NAMES,
    VALUES,
    DestinationContract,
    expected,
    load_of,
    rows_of,
    schema_of,
    whole_load,
    write_chunk,
)
from tests.integration.snowflake.conftest import REAL, Run, destination_of

GAPS = {
    "Timestamps hold microseconds": {
        name for name, kind, _ in VALUES if isinstance(kind, Timestamp) and kind.digits > 6
    },
    "TIMESTAMP_TZ keeps the instant and loses the offset": {
        name for name, kind, _ in VALUES if isinstance(kind, TimestampTz)
    },
}
NOT_HELD: set[str] = set() if REAL else set().union(*GAPS.values())


class TestSnowflake(DestinationContract):
    values = tuple(value for value in VALUES if value[0] not in NOT_HELD)
    # No identifier of Snowflake holds a NUL: such a name is refused, see test_names.py.
    odd_names = tuple(name for name in ODD_NAMES if "\0" not in name and name not in NOT_HELD)

    async def test_a_table_is_emptied_and_filled_once(
        self, destination: SnowflakeDestination, run: Run
    ) -> None:
        schema = schema_of()
        old, new = rows_of(schema, 0, 40), rows_of(schema, 100, 180)
        first = load_of(destination, schema, mode=WriteMode.TRUNCATE_INSERT)
        await whole_load(destination, first, old)
        table = destination._places.table(first.target)
        await run(f'ALTER TABLE {table} ADD COLUMN "MINE" VARCHAR')
        load = load_of(destination, schema, mode=WriteMode.TRUNCATE_INSERT)
        await destination.begin(load)
        receipt = await write_chunk(destination, load, 0, new)
        for again in (False, True):
            assert (await destination.commit(load, [receipt])).already_committed is again
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, new)
        described = [row[0] for row in await run(f"DESCRIBE TABLE {table}")]
        assert "MINE" in described  # it is the same table, not another one in its place

    async def test_columns_may_have_names_that_queries_could_give(
        self, destination: SnowflakeDestination
    ) -> None:
        schema = schema_of("named", [("c2", String(9)), ("C3", String(9)), ("c1", String(9))])
        rows = pa.RecordBatch.from_pylist(
            [{"id": 1, "c2": "two", "C3": "three", "c1": "one"}], schema=schema.arrow_schema()
        )
        load = load_of(destination, schema)
        await whole_load(destination, load, rows)
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    @pytest.mark.parametrize(
        ("mode", "kept"), [(WriteMode.APPEND, 3), (WriteMode.TRUNCATE_INSERT, 0)]
    )
    async def test_a_load_into_the_same_table_takes_new_columns(
        self, destination: SnowflakeDestination, mode: WriteMode, kept: int
    ) -> None:
        narrow = schema_of(mode)
        await whole_load(
            destination, load_of(destination, narrow, mode=mode), rows_of(narrow, 0, 3)
        )
        wide = schema_of(mode, [("name", String(90)), ("more", Integer(32))])
        rows = pa.RecordBatch.from_pylist(
            [{"id": 7, "name": "n" * 80, "more": 1}], schema=wide.arrow_schema()
        )
        load = load_of(destination, wide, mode=mode)
        await whole_load(destination, load, rows)
        found: list[dict[str, Any]] = []
        await destination.scan(load.target, wide, lambda b: found.extend(b.to_pylist()))
        assert len(found) == kept + 1
        assert rows.to_pylist()[0] in found

    async def test_a_column_that_refuses_null_takes_it_when_the_source_does(
        self, destination: SnowflakeDestination, run: Run
    ) -> None:
        schema = schema_of("relaxed", [("name", String(9))])
        load = load_of(destination, schema, mode=WriteMode.APPEND)
        await destination.begin(load)
        table = destination._places.table(load.target)
        await run(f'CREATE TABLE {table} ("id" NUMBER(19,0) NOT NULL, "name" VARCHAR(9) NOT NULL)')
        told = (await destination.ddl(load.target, schema, load.options)).evolve
        assert told == (f'ALTER TABLE {table} ALTER COLUMN "name" DROP NOT NULL',)
        rows = pa.RecordBatch.from_pylist([{"id": 1, "name": None}], schema=schema.arrow_schema())
        await whole_load(destination, load, rows)
        assert await run(f'SELECT "id", "name" FROM {table}') == [(1, None)]
        assert (await destination.ddl(load.target, schema, load.options)).evolve == ()

    @pytest.fixture
    async def destination(self, config: SnowflakeConfig) -> AsyncIterator[SnowflakeDestination]:
        destination = destination_of(config)
        yield destination
        await destination.aclose()
