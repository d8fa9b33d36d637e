from collections.abc import Sequence

from anyio import CancelScope, Event, create_task_group, fail_after, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.concurrency.keyed_lock import KeyedLock

LIMIT_S = 5.0


async def test_one_key_is_held_by_one_and_no_key_waits_for_another() -> None:
    lock, held, free = KeyedLock[str](), Event(), Event()
    order: list[str] = []

    async def hold() -> None:
        async with lock.of("a"):
            held.set()
            await free.wait()
            order.append("first")

    async def follow() -> None:
        async with lock.of("a"):
            order.append("second")

    with fail_after(LIMIT_S):
        async with create_task_group() as group:
            group.start_soon(hold)
            await held.wait()
            group.start_soon(follow)
            async with lock.of("b"):
                order.append("other")
                assert len(lock) == 2
            free.set()
    assert order == ["other", "first", "second"]
    assert len(lock) == 0


async def test_whoever_is_cancelled_late_takes_nothing_from_the_next_one() -> None:
    """One waits and is cancelled; before it runs again the holder goes and another one comes."""
    lock, free = KeyedLock[int](), Event()
    inside: list[str] = []

    async def hold(name: str, until: Event) -> None:
        async with lock.of(1):
            assert inside == []
            inside.append(name)
            await until.wait()
            inside.remove(name)

    with fail_after(LIMIT_S):
        async with create_task_group() as group:
            async with lock.of(1):
                waiting = CancelScope()

                async def wait() -> None:
                    with waiting:
                        await hold("nobody", free)

                group.start_soon(wait)
                await wait_all_tasks_blocked()
                waiting.cancel()
            coming = lock.of(1)
            await coming.__aenter__()
            inside.append("the next one")
            group.start_soon(hold, "the last one", free)
            await wait_all_tasks_blocked()
            assert inside == ["the next one"]
            inside.clear()
            free.set()
            await coming.__aexit__(None, None, None)
    assert len(lock) == 0


@settings(deadline=None)
@given(
    lives=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 12)), max_size=12)
)
async def test_whoever_is_cancelled_whenever_leaves_no_lock_and_lets_nobody_in(
    lives: Sequence[tuple[int, int, int]],
) -> None:
    """Each comes for a key, stays for some steps, and is cancelled after some."""
    lock = KeyedLock[int]()
    inside = [0, 0]
    scopes = [CancelScope() for _ in lives]

    async def live(scope: CancelScope, key: int, stays: int) -> None:
        with scope:
            async with lock.of(key):
                inside[key] += 1
                assert inside[key] == 1
                try:
                    for _ in range(stays):
                        await checkpoint()
                finally:
                    inside[key] -= 1

    with fail_after(LIMIT_S):
        async with create_task_group() as group:
            for scope, (key, stays, _) in zip(scopes, lives, strict=True):
                group.start_soon(live, scope, key, stays)
            for step in range(13):
                for scope, (_, _, cancelled_at) in zip(scopes, lives, strict=True):
                    if cancelled_at == step:
                        scope.cancel()
                await checkpoint()
    assert len(lock) == 0
