import threading
import time

import pytest

from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.locks import TableLocks

LIMIT_S = 20.0


def _take(locks: TableLocks, table: str, owner: int, limit_s: float = LIMIT_S) -> None:
    locks.acquire(table, owner, limit_s=limit_s, cancelled=lambda: False)


def test_an_owner_may_take_its_table_again() -> None:
    locks = TableLocks()
    _take(locks, "t", 1)
    _take(locks, "t", 1)
    assert locks.held() == {"t": 1}
    locks.release(1)
    assert locks.held() == {}


def test_another_waits_until_it_is_released() -> None:
    locks = TableLocks()
    _take(locks, "t", 1)
    other = threading.Thread(target=_take, args=(locks, "t", 2))
    other.start()
    locks.release(1)
    other.join(LIMIT_S)
    assert locks.held() == {"t": 2}


def test_a_wait_ends_at_its_limit_or_when_cancelled() -> None:
    locks = TableLocks()
    _take(locks, "t", 1)
    with pytest.raises(StatementError) as late:
        _take(locks, "t", 2, limit_s=0.0)
    with pytest.raises(StatementError) as cancelled:
        locks.acquire("t", 2, limit_s=LIMIT_S, cancelled=lambda: True)
    assert (late.value.code, cancelled.value.code) == (625, 604)


def test_the_last_of_a_circle_is_refused_at_once() -> None:
    locks = TableLocks()
    for owner in (1, 2, 3):
        _take(locks, f"t{owner}", owner)
    waiting = [
        threading.Thread(target=_take, args=(locks, f"t{owner + 1}", owner)) for owner in (1, 2)
    ]
    for thread in waiting:
        thread.start()
    until = time.monotonic() + LIMIT_S
    while len(locks.waiting()) < 2 and time.monotonic() < until:
        pass
    with pytest.raises(StatementError, match="deadlock") as refused:
        _take(locks, "t1", 3)
    locks.release(3)
    waiting[1].join(LIMIT_S)
    locks.release(2)
    waiting[0].join(LIMIT_S)
    assert refused.value.code == 625
    assert locks.held() == {"t1": 1, "t2": 1}
