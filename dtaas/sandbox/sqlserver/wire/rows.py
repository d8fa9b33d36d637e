"""Rows of one result to ROW and NBCROW tokens."""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.wire.codecs import codec
from dtaas.sandbox.sqlserver.wire.protocol import Token
from dtaas.sandbox.sqlserver.wire.values import Codec, Segment, cells

_ROW: Final = int(Token.ROW)
_NBC_ROW: Final = bytes([Token.NBC_ROW])

_struct = lru_cache(maxsize=4096)(struct.Struct)


class RowPacker:
    """Packs the rows of one result shape.

    Rows go column by column: neighbours of fixed width, with the token and the lengths between
    them, become one `struct` for the row, and no Python runs per value.
    """

    def __init__(self, columns: Sequence[ResultColumn], *, null_bitmap: bool = True) -> None:
        """Prepare for `columns`; `null_bitmap` false for clients older than TDS 7.3.

        Raises:
            UnsupportedTypeError: the wire has no form for a column's type.
        """
        self._codecs = tuple(codec(c.type, nullable=c.nullable) for c in columns)
        self._nullable = [i for i, column in enumerate(columns) if column.nullable]
        self._null_bitmap = null_bitmap
        self._bitmap_bytes = (len(columns) + 7) // 8

    def pack(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the tokens of `rows`, values in wire form.

        Raises:
            ValueError: a row has another number of values than there are columns.
            struct.error, TypeError: a value is not of its column's wire form.
        """
        if not rows:
            return b""
        columns = list(zip(*rows, strict=True))
        if len(columns) != len(self._codecs):
            raise ValueError(f"{len(columns)} values for {len(self._codecs)} columns")
        null_columns = [i for i in self._nullable if None in columns[i]]
        if not null_columns:
            return _join(self._row_segments(columns, {}))
        if self._bitmap_saves(columns, null_columns):
            body = self._row_segments(columns, dict.fromkeys(null_columns, b""), token=False)
            heads: Segment = ("", (self._bitmaps(columns, null_columns),))
            return _join([heads, *body])
        nulls = {i: self._codecs[i].null for i in null_columns}
        return _join(self._row_segments(columns, nulls))

    def _bitmap_saves(self, columns: list[tuple[Any, ...]], null_columns: list[int]) -> bool:
        """Whether the bytes of the NULLs outweigh the bitmaps, as the server decides too."""
        if not self._null_bitmap:
            return False
        null_bytes = sum(columns[i].count(None) * len(self._codecs[i].null) for i in null_columns)
        return null_bytes > self._bitmap_bytes * len(columns[0])

    def _bitmaps(self, columns: list[tuple[Any, ...]], null_columns: list[int]) -> Iterable[bytes]:
        """Return per row the NBCROW token and its bitmap, lowest bit first."""
        bits = [0] * len(columns[0])
        for i in null_columns:
            mask = 1 << i
            bits = [b | mask if v is None else b for b, v in zip(bits, columns[i], strict=True)]
        size = self._bitmap_bytes
        return [_NBC_ROW + b.to_bytes(size, "little") for b in bits]

    def _row_segments(
        self, columns: list[tuple[Any, ...]], nulls: dict[int, bytes], *, token: bool = True
    ) -> list[Segment]:
        segments: list[Segment] = [("B", (repeat(_ROW, len(columns[0])),))] if token else []
        for i, column in enumerate(columns):
            form = self._codecs[i]
            if i in nulls:
                segments.append(("", (_with_nulls(form, column, nulls[i]),)))
            else:
                segments += form.segments(column)
        return segments


def _with_nulls(form: Codec, column: tuple[Any, ...], null: bytes) -> Iterable[bytes]:
    present = [value for value in column if value is not None]
    written = iter(cells(form.segments, present) if present else ())
    return [null if value is None else next(written) for value in column]


def _join(segments: list[Segment]) -> bytes:
    """Merge neighbours of fixed width, run each `struct` over all rows, join row by row."""
    runs: list[Iterable[bytes]] = []
    codes = ""
    arguments: list[Iterable[Any]] = []
    for segment_codes, iterables in [*segments, ("", ())]:
        if segment_codes:
            codes += segment_codes
            arguments += iterables
            continue
        if codes:
            runs.append(map(_struct("<" + codes).pack, *arguments))
            codes, arguments = "", []
        runs += iterables
    if len(runs) == 1:
        return b"".join(runs[0])
    return b"".join(chain.from_iterable(zip(*runs, strict=True)))
