"""The bound on memory in flight."""

from anyio import create_task_group, fail_after, move_on_after, wait_all_tasks_blocked
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.engine.budget import ByteBudget


async def test_a_batch_waits_for_room():
    budget = ByteBudget(100)
    await budget.acquire(80)
    async with create_task_group() as group:
        group.start_soon(budget.acquire, 30)
        await wait_all_tasks_blocked()
        assert budget.held_bytes == 80
        budget.release(80)
    assert budget.held_bytes == 30


async def test_a_batch_larger_than_all_goes_alone():
    budget = ByteBudget(100)
    with fail_after(1):
        await budget.acquire(1000)
    with move_on_after(0) as scope:
        await budget.acquire(1)
    assert scope.cancelled_caught
    assert budget.held_bytes == 1000


async def test_a_lease_gives_back_what_it_holds():
    budget = ByteBudget(100)
    with budget.lease() as lease:
        await lease.take(60)
        await lease.take(20)
        lease.give(60)
        assert budget.held_bytes == 20
    assert budget.held_bytes == 0


@given(st.lists(st.integers(1, 150), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
async def test_it_is_never_exceeded_and_never_stuck(sizes: list[int]):
    budget = ByteBudget(100)
    seen = []

    async def use(size: int) -> None:
        with budget.lease() as lease:
            await lease.take(size)
            seen.append(budget.held_bytes)

    with fail_after(5):
        async with create_task_group() as group:
            for size in sizes:
                group.start_soon(use, size)
    assert budget.held_bytes == 0
    assert max(seen) <= max(100, *sizes)
