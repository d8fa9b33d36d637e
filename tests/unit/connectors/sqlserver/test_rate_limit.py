"""The read-rate limit."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.sqlserver.rate_limit import RateLimit


def test_no_limit_never_waits() -> None:
    assert RateLimit(0).debt_s(10**12, now_s=0.0) == 0.0


def test_second_batch_pays_for_the_first() -> None:
    limit = RateLimit(1000)
    assert limit.debt_s(500, now_s=100.0) == 0.0  # the burst of half a second
    assert limit.debt_s(1000, now_s=100.0) == pytest.approx(1.0)
    assert limit.debt_s(1000, now_s=101.0) == pytest.approx(1.0)


@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=30),
    rate=st.floats(10, 10_000),
)
def test_rate_holds_over_any_sequence_that_waits(sizes: list[int], rate: float) -> None:
    limit = RateLimit(rate)
    now_s = began_s = 50.0
    for size in sizes:
        now_s += limit.debt_s(size, now_s=now_s)
    assert sum(sizes) <= rate * (now_s - began_s) + rate * 0.5 + 1e-6 * sum(sizes)


async def test_take_waits() -> None:
    limit = RateLimit(1000)
    with anyio.fail_after(5):
        began_s = anyio.current_time()
        await limit.take(510)
        assert anyio.current_time() - began_s >= 0.009
