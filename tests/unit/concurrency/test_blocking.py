"""Threads: a call is waited for, but a droppable one is not when it is cancelled."""

import threading

import anyio
import pytest

from dtaas.concurrency.blocking import Blocking

LIMIT_S = 60.0


@pytest.mark.parametrize("droppable", [True, False])
async def test_only_a_droppable_call_is_left_to_itself(droppable: bool) -> None:
    blocking = Blocking(1)
    run = blocking.droppable if droppable else blocking.__call__
    reached, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        reached.set()
        assert let_go.wait(LIMIT_S)
        ended.set()

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(run, work)
            assert await anyio.to_thread.run_sync(reached.wait, LIMIT_S)
            group.cancel_scope.cancel()
            if not droppable:
                let_go.set()
        assert ended.is_set() is not droppable
        let_go.set()
        assert await anyio.to_thread.run_sync(ended.wait, LIMIT_S)
        assert await run(lambda: 1) == 1  # its place is free
