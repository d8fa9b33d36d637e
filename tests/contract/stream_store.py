"""What every StreamStore promises. Subclass; provide `streams` and `new_task`."""

import pytest
from msgspec.structs import replace

from dtaas.model.change_ports import StreamStore
from dtaas.model.changes import ChangeWindow, StreamState
from dtaas.model.errors import CheckpointRegressionError, NotFoundError
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.schema import TableRef
from tests.contract.change_destination import AT, position, stream_of
from tests.contract.store_samples import NewTask


def state_of(task_id: TaskId, name: str, at: int = 10) -> StreamState:
    stream = replace(stream_of(base=at, name=name), task_id=task_id)
    return StreamState(stream=stream, position=position(at), applied=position(at), identity="fork")


class StreamStoreContract:
    async def test_a_stream_comes_back_as_it_was(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        state = replace(
            state_of(task.id, "Łódź ]'\"; 😀"), verified_through=position(9), watermark="x"
        )
        table = state.stream.tracked.table
        assert await streams.stream(task.id, table) is None
        await streams.open(state)
        assert await streams.stream(task.id, table) == state
        assert list(await streams.streams(task.id)) == [state]

    async def test_an_intent_stays_until_the_window_is_done(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        state = state_of(task.id, "t")
        table = state.stream.tracked.table
        await streams.open(state)
        window = ChangeWindow(
            table=table, after=position(10), to=position(15), expected_rows=3, commit_time=AT
        )
        await streams.intend(task.id, table, window)
        assert await streams.stream(task.id, table) == replace(state, intent=window)
        await streams.advance_idle(task.id, [table], position(99))  # it is not idle
        assert await streams.stream(task.id, table) == replace(state, intent=window)
        await streams.advance(task.id, table, position(15))
        assert await streams.stream(task.id, table) == replace(
            state, position=position(15), applied=position(15)
        )

    async def test_a_position_only_moves_forward(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        state = state_of(task.id, "t", 0x80)
        table = state.stream.tracked.table
        await streams.open(state)
        for back in (0x7F, 0):
            with pytest.raises(CheckpointRegressionError):
                await streams.advance(task.id, table, position(back))
        await streams.advance_idle(task.id, [table], position(0x7F))
        await streams.advance(task.id, table, position(0x80))
        found = await streams.stream(task.id, table)
        assert found is not None
        assert found.position == position(0x80)

    async def test_idle_tables_move_in_one_write_and_alone(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        """Airbyte 37772: what has no changes keeps up all the same."""
        task, other = await new_task(), await new_task()
        names = [f"t{n:04}" for n in range(450)]
        for name in (*names, "busy"):
            await streams.open(state_of(task.id, name))
        await streams.open(state_of(other.id, names[0]))
        await streams.advance_idle(task.id, [TableRef("dbo", n) for n in names], position(77))
        found = {s.stream.tracked.table.name: s for s in await streams.streams(task.id)}
        assert {found[name].position for name in names} == {position(77)}
        assert {found[name].applied for name in names} == {position(10)}
        assert found["busy"].position == position(10)
        assert [s.position for s in await streams.streams(other.id)] == [position(10)]

    async def test_a_new_generation_may_begin_anywhere(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        old = state_of(task.id, "t", 50)
        await streams.open(old)
        new = state_of(task.id, "t", 20)
        new = replace(new, stream=replace(new.stream, generation=LoadId("f" * 32)))
        await streams.open(new)
        assert list(await streams.streams(task.id)) == [new]

    async def test_forgetting_is_idempotent_and_for_one_table(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        """Airbyte 3520: resetting one table leaves the others where they are."""
        task = await new_task()
        await streams.open(state_of(task.id, "a"))
        await streams.open(state_of(task.id, "b"))
        for _ in range(2):
            await streams.forget(task.id, TableRef("dbo", "a"))
        assert [s.stream.tracked.table.name for s in await streams.streams(task.id)] == ["b"]

    async def test_what_is_not_there_cannot_move(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        table = TableRef("dbo", "nowhere")
        window = ChangeWindow(table=table, after=position(1), to=position(2))
        with pytest.raises(NotFoundError):
            await streams.intend(task.id, table, window)
        with pytest.raises(CheckpointRegressionError):
            await streams.advance(task.id, table, position(2))
        await streams.advance_idle(task.id, [table], position(2))
        assert list(await streams.streams(task.id)) == []

    async def test_an_instance_is_shared_when_another_task_reads_it(
        self, streams: StreamStore, new_task: NewTask
    ) -> None:
        task, other = await new_task(), await new_task()
        mine = state_of(task.id, "t")
        tracked = replace(mine.stream.tracked, instance="ci", instance_id="7 now")
        await streams.open(replace(mine, stream=replace(mine.stream, tracked=tracked)))
        assert not await streams.shares(task.id, tracked)
        theirs = replace(mine.stream, task_id=other.id, tracked=tracked)
        await streams.open(replace(mine, stream=theirs))
        assert await streams.shares(task.id, tracked)
        assert not await streams.shares(task.id, replace(tracked, instance_id="8 now"))
        moved = replace(tracked, instance_id="9 now", predecessor=tracked)
        await streams.open(replace(mine, stream=replace(theirs, tracked=moved)))
        assert not await streams.shares(task.id, tracked)
        found = await streams.stream(other.id, tracked.table)
        assert found is not None
        assert found.stream.tracked == moved
