"""Both ends of a task that streams, compared while it streams, and put right by key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from dtaas.concurrency.bus import EventBus
from dtaas.connectors.registry import Registry
from dtaas.engine.progress import utc_now
from dtaas.model.changes import Capture
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskMode
from dtaas.model.verification import Difference, Verdict, Verification, VerificationStatus
from dtaas.services.control import TaskControl
from dtaas.services.verification import VerificationService
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting
from tests.integration.streaming.test_streaming import COLUMNS, arrived
from tests.integration.streaming.test_streaming_delta import DeltaSetting

T = TableRef("dbo", "t")
ROWS = tuple(f"{i}, N'row {i}', N'long {i}', {i}" for i in range(300))


@asynccontextmanager
async def proving(life: Life) -> AsyncIterator[VerificationService]:
    service = VerificationService(
        verifications=life.store.verifications,
        states=life.store.engine,
        streams=life.store.streams,
        registry=Registry(),
        control=TaskControl(
            store=life.store.engine,
            runner=life.supervisor,
            bus=EventBus(),
            now=utc_now,
            changing=anyio.Lock(),
        ),
        runner=life.supervisor,
        now=utc_now,
    )
    async with anyio.create_task_group() as group:
        group.start_soon(service.serve)
        yield service
        group.cancel_scope.cancel()


async def verified(service: VerificationService, life: Life) -> Verification:
    order = await service.order(life.task_id)
    with anyio.fail_after(LIMIT_S):
        while True:
            found = await service.get(life.task_id, order.id)
            if found.status in {VerificationStatus.COMPLETED, VerificationStatus.FAILED}:
                assert found.status is VerificationStatus.COMPLETED, found.error
                assert all(t.error is None for t in found.tables), found.tables
                return found
            await anyio.sleep(0.02)


async def repaired(service: VerificationService, life: Life, found: Verification) -> Verification:
    """Order the repair and let the source move on, as sources do, until all is right."""
    await service.repair(life.task_id, found.id)
    with anyio.fail_after(LIMIT_S):
        while not (again := await verified(service, life)).proved:
            await anyio.sleep(0.1)
    return again


async def keep_changing(database: Database) -> None:
    """Change rows above 200 for ever."""
    turn = 0
    while True:
        turn += 1
        await database.run(
            f"UPDATE t SET n = {turn} WHERE id BETWEEN 200 AND 240",
            f"DELETE FROM t WHERE id = {1000 + turn - 3}",
            f"INSERT INTO t VALUES ({1000 + turn}, N'new', NULL, {turn})",
        )


@pytest.mark.parametrize("capture", [Capture.CDC, Capture.CHANGE_TRACKING])
async def test_equal_ends_are_proved_while_rows_change(setting: Setting, capture: Capture) -> None:
    await setting.database.create(T, COLUMNS, *ROWS)
    async with setting.life(T, capture=capture) as life, proving(life) as service:
        await life.start()
        await life.streaming()
        async with anyio.create_task_group() as group:
            group.start_soon(keep_changing, setting.database)
            found = await verified(service, life)
            group.cancel_scope.cancel()
        table = found.tables[0]
        assert table.verdict in {Verdict.EQUAL, Verdict.UNSETTLED}, table
        assert not table.keys
        await arrived(setting, T)
        found = await verified(service, life)
        assert found.proved, found.tables
        stream = await life.store.streams.stream(life.task_id, T)
        assert stream is not None
        assert stream.verified_through is not None
        assert found.tables[0].verified_through == stream.verified_through.hex()
        assert found.tables[0].source_rows == found.tables[0].destination_rows


async def test_rows_that_differ_are_named_and_repaired_by_key(
    tmp_path: Path, database: Database
) -> None:
    setting = DeltaSetting(tmp_path, database)
    await database.create(T, COLUMNS, *ROWS)
    async with setting.life(T) as life, proving(life) as service:
        await life.start()
        await life.streaming()
        damage = DeltaTable(str(setting.lake / "dbo" / "t"))
        damage.delete("id = 7")
        damage.update({"n": "-1"}, predicate="id = 8")
        damage.update({"id": "9999"}, predicate="id = 9")
        async with anyio.create_task_group() as group:
            group.start_soon(keep_changing, database)
            found = await verified(service, life)
            table = found.tables[0]
            assert table.verdict is Verdict.DIFFERENT
            assert {(k.key["id"], k.difference, k.columns) for k in table.keys} == {
                ("7", Difference.MISSING, ()),
                ("8", Difference.CHANGED, ("n",)),
                ("9", Difference.MISSING, ()),
                ("9999", Difference.EXTRA, ()),
            }
            assert table.different_rows == 4
            assert table.verified_through is None
            await service.repair(life.task_id, found.id)
            with anyio.fail_after(LIMIT_S):
                while (await verified(service, life)).tables[0].verdict is Verdict.DIFFERENT:
                    await anyio.sleep(0.1)
            group.cancel_scope.cancel()
        with anyio.fail_after(LIMIT_S):
            while not (await verified(service, life)).proved:
                await anyio.sleep(0.1)


def damage_lake(setting: Setting) -> None:
    """Lose, double and change a row of the load."""
    (file,) = (setting.lake / "dbo" / "t").rglob("part-*.parquet")
    rows = pq.read_table(file)
    at = {value: i for i, value in enumerate(rows.column("id").to_pylist())}
    left = rows.filter(pc.not_equal(rows.column("id"), 5))
    changed = left.set_column(
        left.schema.get_field_index("name"),
        left.schema.field("name"),
        pc.if_else(pc.equal(left.column("id"), 6), "wrong", left.column("name")),
    )
    pq.write_table(pa.concat_tables([changed, rows.slice(at[10], 1)]), file)


async def test_a_damaged_lake_is_told_row_by_row(setting: Setting) -> None:
    await setting.database.create(T, COLUMNS, *ROWS)
    async with setting.life(T) as life, proving(life) as service:
        await life.start()
        await life.streaming()
        damage_lake(setting)
        found = await verified(service, life)
        assert {(k.key["id"], k.difference, k.columns) for k in found.tables[0].keys} == {
            ("5", Difference.MISSING, ()),
            ("6", Difference.CHANGED, ("name",)),
            ("10", Difference.DOUBLED, ()),
        }
        await setting.database.run("UPDATE t SET n = 0 WHERE id = 1")
        await repaired(service, life, found)  # a doubled row: the table is loaded anew


async def test_a_full_load_is_verified_and_loaded_anew(setting: Setting) -> None:
    await setting.database.create(T, COLUMNS, *ROWS)
    async with setting.life(T, mode=TaskMode.FULL_LOAD) as life, proving(life) as service:
        await life.start()
        await life.until(lambda task, _: task.status == "idle")
        found = await verified(service, life)
        assert found.proved
        assert found.tables[0].verified_through is None  # a full load has no position
        await setting.database.run("UPDATE t SET n = -5 WHERE id = 17")
        found = await verified(service, life)
        assert [k.key for k in found.tables[0].keys] == [{"id": "17"}]
        await repaired(service, life, found)


@pytest.mark.parametrize("rows", [0, 1])
async def test_small_tables_are_proved(setting: Setting, rows: int) -> None:
    await setting.database.create(T, COLUMNS, *ROWS[:rows])
    async with setting.life(T) as life, proving(life) as service:
        await life.start()
        await life.streaming()
        assert (await verified(service, life)).proved
