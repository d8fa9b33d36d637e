"""Work beside a block ends with it, and hides none of its errors."""

import anyio
import pytest

from dtaas.concurrency.alongside import alongside

LIMIT_S = 10.0


async def test_what_is_left_of_the_work_is_cancelled() -> None:
    begun, ended = anyio.Event(), anyio.Event()

    async def work() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    with anyio.fail_after(LIMIT_S):
        async with alongside(work):
            await begun.wait()
            assert not ended.is_set()
    assert ended.is_set()


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    error = ValueError("of the block")
    with anyio.fail_after(LIMIT_S), pytest.raises(ValueError, match="of the block") as found:
        async with alongside(anyio.sleep_forever):
            raise error
    assert found.value is error


async def test_work_that_is_done_does_not_end_the_block() -> None:
    done = anyio.Event()

    async def work() -> None:
        done.set()

    with anyio.fail_after(LIMIT_S):
        async with alongside(work):
            await done.wait()
            await anyio.lowlevel.checkpoint()
