"""split_column: a text into new columns, by delimiter, pattern or position."""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.transformations import SplitBy, SplitColumn
from dtaas.model.type_text import type_text
from dtaas.model.types import String
from dtaas.transforms.frame import Frame
from dtaas.transforms.functions.function import TEXT, text_limit
from dtaas.transforms.functions.text import checked_pattern
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Known, Scope
from dtaas.transforms.steps.step import Kernel

_Split: TypeAlias = Callable[[pa.Array], list[pa.Array]]


def compile_split_column(step: SplitColumn, scope: Scope) -> Kernel:
    """Return what splits the column."""
    known = scope.find(step.column)
    if not isinstance(known.type, TEXT):
        raise StepError(
            "type_mismatch", "column", f"{step.column} is {type_text(known.type)}, not text.",
            "Cast it to string first.",
        )  # fmt: skip
    split = _SPLITS[step.by](step)
    if step.drop_source:
        scope.drop(step.column)
    for index, name in enumerate(step.into):
        scope.add(
            Known(
                name=name,
                type=String(text_limit(known.type)),
                nullable=True,
                sources=known.sources,
            ),
            f"into[{index}]",
        )

    def run(frame: Frame) -> None:
        parts = split(frame.columns[step.column])
        if step.drop_source:
            del frame.columns[step.column]
        frame.columns.update(zip(step.into, parts, strict=True))

    return run


def _by_delimiter(step: SplitColumn) -> _Split:
    if not step.delimiter:
        raise StepError("bad_argument", "delimiter", "The delimiter must not be empty.")
    most = len(step.into) - 1 if step.keep_rest else None

    def split(values: pa.Array) -> list[pa.Array]:
        if most == 0:
            return [values]
        lists = pc.split_pattern(values, pattern=step.delimiter, max_splits=most)
        return [_part(lists, index) for index in range(len(step.into))]

    return split


def _part(lists: pa.ListArray, index: int) -> pa.Array:
    """Return the part of each list at a place, NULL where it is shorter."""
    offsets = lists.offsets.to_numpy()
    places = offsets[:-1] + index
    beyond = places >= offsets[1:]
    return lists.values.take(pa.array(np.where(beyond, 0, places), mask=beyond))


def _by_regex(step: SplitColumn) -> _Split:
    pattern = checked_pattern(step.pattern)
    named, groups = named_groups(pattern)
    if groups != len(step.into):
        raise StepError(
            "bad_argument", "pattern",
            f"The pattern has {groups} groups for {len(step.into)} new columns.",
            "Put one pair of parentheses around the text of each.",
        )  # fmt: skip

    def split(values: pa.Array) -> list[pa.Array]:
        found = pc.extract_regex(values, named)
        return [pc.struct_field(found, [index]) for index in range(groups)]

    return split


def named_groups(pattern: str) -> tuple[str, int]:
    """Return a pattern whose groups all have names, which Arrow wants, and how many they are."""
    found: list[str] = []
    groups, in_class, at = 0, False, 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            found.append(pattern[at : at + 2])
            at += 2
            continue
        if in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            if pattern[at + 1 : at + 2] == "]":  # a bracket that comes first is meant itself
                found.append("[]")
                at += 2
                continue
        elif character == "(" and pattern[at + 1 : at + 2] != "?":
            groups += 1
            character = f"(?P<part{groups}>"
        elif character == "(" and pattern[at + 1 : at + 4] == "?P<":
            groups += 1
        found.append(character)
        at += 1
    return "".join(found), groups


def _by_position(step: SplitColumn) -> _Split:
    positions = step.positions
    if len(positions) != len(step.into) - 1:
        raise StepError(
            "bad_argument", "positions",
            f"{len(step.into)} new columns begin at {len(step.into) - 1} positions, not "
            f"{len(positions)}.", "The first one begins at 0.",
        )  # fmt: skip
    if any(b <= a for a, b in pairwise(positions)):
        raise StepError("bad_argument", "positions", "Positions must rise.")
    starts: tuple[int, ...] = (0, *positions)
    stops: tuple[int | None, ...] = (*positions, None)

    def split(values: pa.Array) -> list[pa.Array]:
        return [
            pc.utf8_slice_codeunits(values, start, stop)
            for start, stop in zip(starts, stops, strict=True)
        ]

    return split


_SPLITS = {
    SplitBy.DELIMITER: _by_delimiter,
    SplitBy.REGEX: _by_regex,
    SplitBy.POSITION: _by_position,
}
