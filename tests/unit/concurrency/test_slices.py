"""Long work on the event loop lets others have their turn."""

from anyio import create_task_group
from anyio.lowlevel import checkpoint

from dtaas.concurrency.slices import in_slices


async def test_others_have_their_turn_after_every_hundred() -> None:
    turns = 0
    at: list[int] = []

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    def doubled(number: int) -> int:
        at.append(turns)
        return 2 * number

    async with create_task_group() as group:
        group.start_soon(other)
        found = await in_slices(doubled, range(1050))
        group.cancel_scope.cancel()
    assert found == [2 * number for number in range(1050)]
    assert [at.count(turn) for turn in sorted(set(at))] == [100] * 10 + [50]


async def test_nothing_is_nothing() -> None:
    assert await in_slices(str, ()) == []
