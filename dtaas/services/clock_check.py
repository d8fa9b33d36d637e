"""Whether the machine's clock is kept right: schedules, tokens and ages of changes trust it."""

import ctypes
import errno
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

_STRUCT_BYTES: Final = 256
"""adjtimex(2): `struct timex` holds 208 bytes on 64-bit Linux."""
_MAX_ERROR: Final = struct.Struct("@l")
_MAX_ERROR_AT: Final = 24
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""
_SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")


class ClockState(Struct, frozen=True):
    """What is known of the clock.

    Attributes:
        synchronised: None when the kernel does not tell us (systemd's ProtectClock).
        off_by_s: the most it may be wrong by, where that is known.
    """

    synchronised: bool | None
    off_by_s: float | None = None


def clock_state(
    adjtimex: Callable[[ctypes.Array[ctypes.c_char]], int] | None = None,
    marker: Path = _SYNCHRONISED,
) -> ClockState:
    """Ask the kernel, and where that is forbidden systemd-timesyncd's marker."""
    told = ctypes.create_string_buffer(_STRUCT_BYTES)  # all zero: only look
    state = (adjtimex or _adjtimex)(told)
    if state < 0:
        return ClockState(synchronised=True if marker.exists() else None)
    (error_us,) = _MAX_ERROR.unpack_from(told, _MAX_ERROR_AT)
    return ClockState(synchronised=state != _TIME_ERROR, off_by_s=error_us / 1e6)


def _adjtimex(told: ctypes.Array[ctypes.c_char]) -> int:
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError:  # a C library without it
        return -errno.ENOSYS
    return int(call(told))
