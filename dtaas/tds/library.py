"""The compiled decoder, if this installation has one."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).with_name("_decoder.so")
"""A plain C library: one file serves every Python."""


class CColumn(ctypes.Structure):
    """`tds_column` of decoder.h."""

    _fields_ = (
        ("length", ctypes.c_uint8),
        ("how", ctypes.c_uint8),
        ("width", ctypes.c_uint8),
        ("scale", ctypes.c_uint8),
        ("unit", ctypes.c_uint8),
        ("wire", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 2),
        ("table", ctypes.POINTER(ctypes.c_uint16)),
    )


class CArrowArray(ctypes.Structure):
    """`ArrowArray` of Arrow's C data interface, passed through and never read here."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


@cache
def load() -> ctypes.CDLL | None:
    """Return the library, None when it is not there or is for another machine."""
    if not PATH.exists():
        return None
    try:
        found = ctypes.CDLL(str(PATH), use_errno=True)
    except OSError:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("tds_open", pointer, [ctypes.POINTER(CColumn), ctypes.c_int32, ctypes.c_int64]),
        ("tds_close", None, [pointer]),
        ("tds_seed", ctypes.c_int32, [pointer, ctypes.c_char_p, size]),
        ("tds_room", pointer, [pointer, size, ctypes.POINTER(size)]),
        ("tds_fed", ctypes.c_int32, [pointer, size]),
        (
            "tds_next",
            ctypes.c_int64,
            [pointer, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(CArrowArray)],
        ),
        (
            "tds_receive",
            ctypes.c_int64,
            [
                pointer,
                ctypes.c_int,
                ctypes.c_int,
                size,
                ctypes.c_int64,
                ctypes.c_int64,
                ctypes.POINTER(CArrowArray),
            ],
        ),
        ("tds_flush", ctypes.c_int64, [pointer, ctypes.POINTER(CArrowArray)]),
        ("tds_pending", pointer, [pointer, ctypes.POINTER(size)]),
        ("tds_skip", None, [pointer, size]),
        ("tds_bad_column", ctypes.c_int32, [pointer]),
    ):
        function = getattr(found, name)
        function.restype = result
        function.argtypes = arguments
    return found


def why_missing() -> str:
    """Return why there is no decoder, '' when there is one."""
    if load() is not None:
        return ""
    if PATH.exists():
        return "the compiled decoder is for another machine"
    return "this installation was built without a C compiler"
