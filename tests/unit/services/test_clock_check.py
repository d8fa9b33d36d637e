"""The clock: synchronised, off, or not to be asked."""

import ctypes
import struct
from pathlib import Path

import pytest

from dtaas.model.check import StepStatus
from dtaas.services import host_check
from dtaas.services.clock_check import ClockState, clock_state

Told = ctypes.Array[ctypes.c_char]


def kernel(state: int, error_us: int):
    def adjtimex(told: Told) -> int:
        assert told.raw == bytes(len(told))  # nothing is set
        struct.pack_into("@l", told, 24, error_us)
        return state

    return adjtimex


def test_what_the_kernel_says(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert clock_state(kernel(0, 1500), nothing) == ClockState(synchronised=True, off_by_s=0.0015)
    assert clock_state(kernel(5, 16_000_000), nothing) == ClockState(
        synchronised=False, off_by_s=16.0
    )
    assert clock_state(kernel(-1, 0), nothing) == ClockState(synchronised=None)
    nothing.touch()
    assert clock_state(kernel(-1, 0), nothing) == ClockState(synchronised=True)


def test_the_real_kernel_answers() -> None:
    assert isinstance(clock_state(), ClockState)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ClockState(synchronised=True, off_by_s=0.01), StepStatus.OK),
        (ClockState(synchronised=True, off_by_s=2.0), StepStatus.WARNING),
        (ClockState(synchronised=False), StepStatus.WARNING),
        (ClockState(synchronised=None), StepStatus.SKIPPED),
    ],
)
def test_what_the_doctor_makes_of_it(state: ClockState, status: StepStatus) -> None:
    finding = host_check._clock(state)
    assert finding.status is status
    assert bool(finding.fix) is (status is not StepStatus.OK)
