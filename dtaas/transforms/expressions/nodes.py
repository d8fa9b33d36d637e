"""A compiled expression: what it gives, what it depends on, and how it is worked out."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from dtaas.model.type_text import type_text
from dtaas.model.types import ColumnType
from dtaas.transforms.frame import Frame
from dtaas.transforms.vector import Vector, worked_out

Evaluate: TypeAlias = Callable[[Frame], Vector]


class Expression(Struct, frozen=True, kw_only=True):
    """One node.

    Attributes:
        type: None for a bare NULL, which takes any type.
        sources: columns of the source the value depends on.
        constant: whether it is the same for every row.
    """

    type: ColumnType | None
    nullable: bool
    sources: frozenset[str]
    run: Evaluate
    constant: bool = False

    def words(self) -> str:
        """Return the type for a sentence."""
        return "NULL" if self.type is None else type_text(self.type)


class ExpressionError(Exception):
    """An expression that cannot be compiled, and where.

    Attributes:
        at: offset in the text, counted from 0; None when not known.
    """

    def __init__(self, code: str, detail: str, hint: str = "", at: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.hint = hint
        self.at = at


def combined(
    parts: Sequence[Expression],
    kind: ColumnType,
    kernel: Callable[..., object],
    reason: str,
    *,
    nullable: bool | None = None,
) -> Expression:
    """Return an expression that applies a kernel to the values of others."""

    def run(frame: Frame) -> Vector:
        vectors = [part.run(frame) for part in parts]
        return worked_out(kernel, vectors, frame.rows, reason)

    return Expression(
        type=kind,
        nullable=any(p.nullable for p in parts) if nullable is None else nullable,
        sources=frozenset().union(*(p.sources for p in parts)),
        constant=all(p.constant for p in parts),
        run=run,
    )
