"""Work that goes on beside a block and ends with it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from anyio import create_task_group


@asynccontextmanager
async def alongside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run `work` beside the block, and cancel what is left of it when the block ends.

    An error of the block comes out as it is, not in a group.

    Args:
        work: does not fail: whatever happens in it is nobody's reason to give the block up.
    """
    failure: Exception | None = None
    async with create_task_group() as group:
        group.start_soon(work)
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - raised below, outside of the group
            failure = exc
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
