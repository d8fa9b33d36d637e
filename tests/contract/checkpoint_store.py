"""What every CheckpointStore promises. Subclass; provide `checkpoints` and `new_task`."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.model.errors import CheckpointRegressionError, NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import CheckpointStore
from tests.contract.store_samples import OTHER, TABLE, NewTask

_numbers = itertools.count()

# Neighbours around the places where a comparison of text or signed bytes would go wrong.
_POSITIONS = st.sampled_from(
    [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 1 << 79, (1 << 80) - 1]
)


def position(number: int) -> bytes:
    return number.to_bytes(10, "big")


class CheckpointStoreContract:
    async def test_none_before_the_first(
        self, checkpoints: CheckpointStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        assert await checkpoints.load(task.id, TABLE) is None

    @given(moves=st.lists(_POSITIONS, min_size=1, max_size=8))
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_only_moves_forward(
        self, moves: list[int], checkpoints: CheckpointStore, new_task: NewTask
    ) -> None:
        task, table = await new_task(), TableRef("dbo", f"t{next(_numbers)}")
        highest = -1
        for move in moves:
            if move >= highest:
                await checkpoints.advance(task.id, table, position(move))
                highest = move
            else:
                with pytest.raises(CheckpointRegressionError):
                    await checkpoints.advance(task.id, table, position(move))
            assert await checkpoints.load(task.id, table) == position(highest)

    async def test_the_same_again_is_a_no_op(
        self, checkpoints: CheckpointStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        for _ in range(3):
            await checkpoints.advance(task.id, TABLE, position(5))
        assert await checkpoints.load(task.id, TABLE) == position(5)

    async def test_tasks_and_tables_are_independent(
        self, checkpoints: CheckpointStore, new_task: NewTask
    ) -> None:
        one, two = await new_task(), await new_task()
        await checkpoints.advance(one.id, TABLE, position(9))
        await checkpoints.advance(two.id, TABLE, position(4))
        await checkpoints.advance(one.id, OTHER, position(1))
        await checkpoints.forget(two.id, TABLE)
        assert await checkpoints.load(one.id, TABLE) == position(9)
        assert await checkpoints.load(one.id, OTHER) == position(1)
        assert await checkpoints.load(two.id, TABLE) is None

    async def test_may_begin_anywhere_after_forgetting(
        self, checkpoints: CheckpointStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        await checkpoints.advance(task.id, TABLE, position(9))
        for _ in range(2):
            await checkpoints.forget(task.id, TABLE)
        await checkpoints.advance(task.id, TABLE, position(3))
        assert await checkpoints.load(task.id, TABLE) == position(3)


class StoredCheckpointsContract(CheckpointStoreContract):
    """What a CheckpointStore beside stored tasks promises too."""

    async def test_no_position_for_a_task_that_is_gone(self, checkpoints: CheckpointStore) -> None:
        with pytest.raises(NotFoundError):
            await checkpoints.advance(TaskId(12345), TABLE, position(1))
        assert await checkpoints.load(TaskId(12345), TABLE) is None
