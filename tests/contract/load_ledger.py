"""What every LoadLedger promises. Subclass; provide `ledger` and `new_task`."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.model.errors import InUseError, NotFoundError
from dtaas.model.ids import ExecutionId
from dtaas.model.store_ports import LoadLedger
from tests.contract.store_samples import (
    OTHER,
    TABLE,
    NewTask,
    load_id,
    receipt,
    result,
    table_load,
)

_numbers = itertools.count(1000)
RUN = ExecutionId(7)


class LoadLedgerContract:
    async def test_an_open_load_comes_back_as_it_was_planned(
        self, ledger: LoadLedger, new_task: NewTask
    ) -> None:
        task = await new_task()
        assert await ledger.open_load(task.id, TABLE) is None
        planned = table_load(task.id, 1)
        await ledger.save_load(planned)
        assert await ledger.open_load(task.id, TABLE) == planned
        assert await ledger.open_load(task.id, OTHER) is None

    async def test_a_table_has_one_open_load(self, ledger: LoadLedger, new_task: NewTask) -> None:
        one, two = await new_task(), await new_task()
        await ledger.save_load(table_load(one.id, 1))
        with pytest.raises(InUseError):
            await ledger.save_load(table_load(one.id, 2))
        await ledger.save_load(table_load(one.id, 3, OTHER))
        await ledger.save_load(table_load(two.id, 4))
        found = await ledger.open_load(one.id, TABLE)
        assert found is not None
        assert found.load_id == load_id(1)

    @pytest.mark.parametrize("end", ["committed", "abandoned"])
    async def test_a_closed_load_makes_room_for_the_next(
        self, ledger: LoadLedger, new_task: NewTask, end: str
    ) -> None:
        task = await new_task()
        await ledger.save_load(table_load(task.id, 1))
        for _ in range(2):
            if end == "committed":
                await ledger.mark_committed(load_id(1), result(), execution_id=RUN)
            else:
                await ledger.mark_abandoned(load_id(1))
        assert await ledger.open_load(task.id, TABLE) is None
        await ledger.save_load(table_load(task.id, 2))

    @given(indexes=st.lists(st.integers(0, 9), max_size=20))
    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_receipts_are_kept_once_and_in_chunk_order(
        self, indexes: list[int], ledger: LoadLedger, new_task: NewTask
    ) -> None:
        task, number = await new_task(), next(_numbers)
        await ledger.save_load(table_load(task.id, number))
        for index in indexes:
            await ledger.save_receipt(load_id(number), receipt(index))
        wanted = [receipt(index) for index in sorted(set(indexes))]
        assert list(await ledger.receipts(load_id(number))) == wanted

    async def test_a_chunk_written_again_replaces_its_receipt(
        self, ledger: LoadLedger, new_task: NewTask
    ) -> None:
        task = await new_task()
        await ledger.save_load(table_load(task.id, 1))
        await ledger.save_receipt(load_id(1), receipt(0, rows=100))
        await ledger.save_receipt(load_id(1), receipt(0, rows=101))
        assert list(await ledger.receipts(load_id(1))) == [receipt(0, rows=101)]

    async def test_a_closed_load_takes_no_new_chunk(
        self, ledger: LoadLedger, new_task: NewTask
    ) -> None:
        task = await new_task()
        await ledger.save_load(table_load(task.id, 1))
        await ledger.save_receipt(load_id(1), receipt(0))
        await ledger.mark_committed(load_id(1), result(), execution_id=RUN)
        await ledger.save_receipt(load_id(1), receipt(0))
        with pytest.raises(NotFoundError):
            await ledger.save_receipt(load_id(1), receipt(1))
        assert list(await ledger.receipts(load_id(1))) == [receipt(0)]

    async def test_unknown_loads_are_refused(self, ledger: LoadLedger) -> None:
        with pytest.raises(NotFoundError):
            await ledger.save_receipt(load_id(404), receipt(0))
        with pytest.raises(NotFoundError):
            await ledger.mark_committed(load_id(404), result(), execution_id=RUN)
        with pytest.raises(NotFoundError):
            await ledger.mark_abandoned(load_id(404))
        assert list(await ledger.receipts(load_id(404))) == []

    async def test_a_committed_load_stays_committed(
        self, ledger: LoadLedger, new_task: NewTask
    ) -> None:
        task = await new_task()
        await ledger.save_load(table_load(task.id, 1))
        await ledger.mark_committed(load_id(1), result(100), execution_id=RUN)
        await ledger.mark_abandoned(load_id(1))
        await ledger.mark_committed(load_id(1), result(999), execution_id=ExecutionId(8))
        found = await ledger.committed_in(RUN, TABLE)
        assert found is not None
        assert (found.rows, found.already_committed) == (100, True)
        assert await ledger.committed_in(ExecutionId(8), TABLE) is None

    async def test_knows_what_an_execution_committed(
        self, ledger: LoadLedger, new_task: NewTask
    ) -> None:
        task = await new_task()
        await ledger.save_load(table_load(task.id, 1))
        await ledger.save_load(table_load(task.id, 2, OTHER))
        assert await ledger.committed_in(RUN, TABLE) is None
        # The execution that publishes need not be the one that planned.
        await ledger.mark_committed(load_id(1), result(5), execution_id=ExecutionId(9))
        assert await ledger.committed_in(RUN, TABLE) is None
        found = await ledger.committed_in(ExecutionId(9), TABLE)
        assert found is not None
        assert (found.rows, found.bytes, found.files, found.location) == (
            5,
            50,
            1,
            "s3://b/orders/",
        )
        assert await ledger.committed_in(ExecutionId(9), OTHER) is None
