"""CASE, COALESCE and their kin: a branch that is not taken cannot fail."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import ColumnType, arrow_type
from dtaas.transforms.expressions.common_type import brought_to, common_type, literal
from dtaas.transforms.expressions.nodes import Expression
from dtaas.transforms.frame import Frame
from dtaas.transforms.vector import Flags, Vector, null_of


def chosen(
    branches: Sequence[tuple[Expression, Expression]], default: Expression | None, at: int | None
) -> Expression:
    """Return CASE WHEN: the value of the first condition that is true."""
    results = [result for _, result in branches]
    kind = common_type([*results, *([] if default is None else [default])], at)
    results = [brought_to(result, kind, at) for result in results]
    last = literal(null_of(kind), kind) if default is None else brought_to(default, kind, at)
    conditions = [when for when, _ in branches]
    parts = [*conditions, *results, last]

    def run(frame: Frame) -> Vector:
        open_rows = np.ones(frame.rows, np.bool_)
        values = last.run(frame)
        taken: list[tuple[Flags, Vector]] = []
        bad = np.zeros(frame.rows, np.bool_)
        reason = ""
        for when, result in zip(conditions, results, strict=True):
            test = when.run(frame)
            if test.bad is not None:
                bad |= test.bad & open_rows
                reason = reason or test.reason
            true = pc.fill_null(test.array(frame.rows), False).to_numpy(zero_copy_only=False)
            here = true & open_rows
            open_rows = open_rows & ~here
            taken.append((here, result.run(frame)))
        output = values.array(frame.rows)
        for here, vector in [(open_rows, values), *taken]:
            if vector.bad is not None:
                bad |= vector.bad & here
                reason = reason or vector.reason
        for here, vector in taken:
            output = pc.if_else(pa.array(here), vector.values, output)
        return Vector(output, bad if bad.any() else None, reason)

    return Expression(
        type=kind,
        nullable=last.nullable or any(r.nullable for r in results),
        sources=frozenset().union(*(p.sources for p in parts)),
        constant=all(p.constant for p in parts),
        run=run,
    )


def first_known(parts: Sequence[Expression], at: int | None) -> Expression:
    """Return COALESCE: the first value that is not NULL."""
    kind = common_type(parts, at)
    sides = [brought_to(part, kind, at) for part in parts]

    def run(frame: Frame) -> Vector:
        output = pa.repeat(null_of(kind), frame.rows)
        missing = np.ones(frame.rows, np.bool_)
        bad = np.zeros(frame.rows, np.bool_)
        reason = ""
        for side in sides:
            vector = side.run(frame)
            if vector.bad is not None:
                bad |= vector.bad & missing
                reason = reason or vector.reason
            output = pc.coalesce(output, vector.values)
            missing = output.is_null().to_numpy(zero_copy_only=False) & ~bad
        return Vector(output, bad if bad.any() else None, reason)

    return Expression(
        type=kind,
        nullable=all(s.nullable for s in sides),
        sources=frozenset().union(*(s.sources for s in sides)),
        constant=all(s.constant for s in sides),
        run=run,
    )


def null_if(value: Expression, same: Expression, kind: ColumnType) -> Expression:
    """Return NULLIF: NULL where `same` is true."""

    def run(frame: Frame) -> Vector:
        vector, test = value.run(frame), same.run(frame)
        equal = pc.fill_null(test.array(frame.rows), False)
        output = pc.if_else(equal, pa.scalar(None, arrow_type(kind)), vector.array(frame.rows))
        return Vector(output, vector.bad, vector.reason)

    return Expression(
        type=kind,
        nullable=True,
        sources=value.sources | same.sources,
        constant=value.constant and same.constant,
        run=run,
    )
