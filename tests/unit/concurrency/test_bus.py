from datetime import UTC, datetime

import anyio
from hypothesis import given
from hypothesis import strategies as st

from dtaas.concurrency.bus import EventBus, Taken
from dtaas.model.events import Event, TaskRemoved
from dtaas.model.ids import TaskId


def removed(task_id: int) -> TaskRemoved:
    return TaskRemoved(at=datetime(2026, 1, 1, tzinfo=UTC), task_id=TaskId(task_id))


async def test_every_listener_gets_every_event_in_order():
    bus = EventBus()
    with bus.subscribe() as one, bus.subscribe() as two:
        for n in range(3):
            bus.publish(removed(n))
        with anyio.fail_after(1):
            expected = Taken(tuple(removed(n) for n in range(3)))
            assert await one.take() == expected
            assert await two.take() == expected


async def test_a_waiting_listener_is_woken():
    bus = EventBus()
    got: list[Event] = []

    async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        with bus.subscribe() as feed:
            task_status.started()
            got.extend((await feed.take()).events)

    with anyio.fail_after(1):
        async with anyio.create_task_group() as group:
            await group.start(listen)
            bus.publish(removed(7))
    assert got == [removed(7)]


async def test_taking_waits_again_after_everything_was_taken():
    bus = EventBus()
    with bus.subscribe() as feed:
        bus.publish(removed(1))
        await feed.take()
        with anyio.move_on_after(0.01) as scope:
            await feed.take()
    assert scope.cancelled_caught


async def test_no_event_comes_after_leaving():
    bus = EventBus()
    with bus.subscribe() as feed:
        pass
    bus.publish(removed(1))
    assert feed.take_nowait() == Taken(())


async def test_a_slow_listener_is_told_once_and_others_miss_nothing():
    bus = EventBus()
    with bus.subscribe(2) as slow, bus.subscribe() as fast:
        for n in range(3):
            bus.publish(removed(n))
        assert await slow.take() == Taken((removed(2),), missed=True)
        bus.publish(removed(9))
        assert await slow.take() == Taken((removed(9),))
        assert len((await fast.take()).events) == 4


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_events_are_whole_unless_said_otherwise(capacity: int, steps: list[bool]):
    """Publishing (True) and looking (False) in any order: a gap is always reported."""
    bus = EventBus()
    published = 0
    next_expected = 0
    with bus.subscribe(capacity) as feed:
        for publish in [*steps, False]:
            if publish:
                bus.publish(removed(published))
                published += 1
                continue
            taken = feed.take_nowait()
            ids = [e.task_id for e in taken.events if isinstance(e, TaskRemoved)]
            first = published - len(ids) if taken.missed else next_expected
            assert ids == list(range(first, published))
            assert len(ids) <= capacity
            next_expected = published
