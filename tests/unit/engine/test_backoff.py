"""When the next attempt comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.failures import InternalError
from dtaas.model.errors import AuthenticationError, ConnectionLostError


def highest(low: float, high: float) -> float:
    assert low == 0
    return high


def test_delay_doubles_up_to_the_cap():
    restarts = Restarts(RestartPolicy(base_s=1, cap_s=5, most=None), highest)
    delays = [restarts.next_delay_s(ConnectionLostError("x"), ran_s=0) for _ in range(5)]
    assert delays == [1, 2, 4, 5, 5]


def test_attempts_end():
    restarts = Restarts(RestartPolicy(most=3), highest)
    delays = [restarts.next_delay_s(ConnectionLostError("x"), ran_s=0) for _ in range(3)]
    assert delays[:2] == [1, 2]
    assert delays[2] is None


def test_a_fatal_error_is_not_tried_again():
    assert (
        Restarts(RestartPolicy(), highest).next_delay_s(AuthenticationError("x"), ran_s=0) is None
    )


def test_a_bug_gets_two_more_chances():
    restarts = Restarts(RestartPolicy(most=None), highest)
    delays = [restarts.next_delay_s(InternalError("x"), ran_s=0) for _ in range(3)]
    assert delays == [1, 2, None]


def test_a_healthy_run_forgets_failures():
    restarts = Restarts(RestartPolicy(most=2, healthy_s=60), highest)
    assert restarts.next_delay_s(ConnectionLostError("x"), ran_s=1) == 1
    assert restarts.next_delay_s(ConnectionLostError("x"), ran_s=61) == 1


def test_the_other_side_may_ask_for_a_longer_wait():
    restarts = Restarts(RestartPolicy(base_s=1), highest)
    assert restarts.next_delay_s(ConnectionLostError("x", retry_after_s=30), ran_s=0) == 30


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_every_delay_lies_between_zero_and_the_cap(luck: list[float]):
    draws = iter(luck)
    policy = RestartPolicy(base_s=0.5, cap_s=20, most=None)
    restarts = Restarts(policy, lambda low, high: low + (high - low) * next(draws))
    for _ in luck:
        delay = restarts.next_delay_s(ConnectionLostError("x"), ran_s=0)
        assert delay is not None
        assert 0 <= delay <= policy.cap_s


@pytest.mark.parametrize("ran_s", [0.0, 299.0])
def test_a_short_run_does_not_forget(ran_s: float):
    restarts = Restarts(RestartPolicy(most=2, healthy_s=300), highest)
    restarts.next_delay_s(ConnectionLostError("x"), ran_s=ran_s)
    assert restarts.next_delay_s(ConnectionLostError("x"), ran_s=ran_s) is None
