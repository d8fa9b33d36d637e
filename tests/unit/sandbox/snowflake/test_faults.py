import re

import pytest

from dtaas.sandbox.snowflake.faults import Fault, Faults


def test_a_fault_hits_after_those_it_lets_pass_and_as_often_as_it_shall() -> None:
    faults = Faults()
    faults.add([Fault(match="^commit", kind="drop", skip=1, times=2)])
    taken = [faults.take("before", sql) is not None for sql in ("COMMIT", "BEGIN", *["COMMIT"] * 3)]
    assert taken == [False, False, True, True, False]
    assert faults.waiting == []


def test_before_and_after_are_apart() -> None:
    faults = Faults()
    faults.add([Fault(match="x", kind="exit", when="after")])
    assert faults.take("before", "x") is None
    assert faults.take("after", "x") is not None


def test_a_bad_expression_is_refused_and_none_of_its_batch_is_kept() -> None:
    faults = Faults()
    with pytest.raises(re.error):
        faults.add([Fault(match="fine", kind="drop"), Fault(match="(", kind="drop")])
    assert faults.waiting == []
