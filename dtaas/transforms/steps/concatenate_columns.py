"""concatenate_columns: several columns as one text."""

from dtaas.model.transformations import ConcatenateColumns, NullParts
from dtaas.model.type_text import type_text
from dtaas.model.types import Binary, ColumnType, Date, Integer, String, Uuid
from dtaas.transforms.casting import text_of
from dtaas.transforms.frame import Frame
from dtaas.transforms.joining import join_texts
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Known, Scope
from dtaas.transforms.steps.step import Kernel


def compile_concatenate_columns(step: ConcatenateColumns, scope: Scope) -> Kernel:
    """Return what joins the columns."""
    parts = [scope.find(name, f"columns[{i}]") for i, name in enumerate(step.columns)]
    for index, part in enumerate(parts):
        if isinstance(part.type, Binary):
            raise StepError(
                "type_mismatch", f"columns[{index}]",
                f"{part.name} is {type_text(part.type)}, which is no text.", "Cast it first.",
            )  # fmt: skip
    writers = [(part.name, text_of(part.type)) for part in parts]
    joined = Known(
        name=step.to,
        type=String(_limit(parts, step)),
        nullable=step.nulls is NullParts.NULL and any(p.nullable for p in parts),
        sources=frozenset().union(*(p.sources for p in parts)),
    )
    dropped = tuple(dict.fromkeys(step.columns)) if step.drop_sources else ()
    for name in dropped:
        scope.drop(name)
    scope.add(joined, "to")

    def run(frame: Frame) -> None:
        texts = [write(frame.columns[name]) for name, write in writers if write is not None]
        result = join_texts(texts, step.separator, step.nulls)
        for name in dropped:
            del frame.columns[name]
        frame.columns[step.to] = result

    return run


def _limit(parts: list[Known], step: ConcatenateColumns) -> int | None:
    widths = [_width(part.type) for part in parts]
    known = [w for w in widths if w is not None]
    if len(known) < len(widths):
        return None
    return max(1, sum(known) + len(step.separator) * (len(parts) - 1))


def _width(kind: ColumnType) -> int | None:
    match kind:
        case String(max_chars=limit):
            return limit
        case Uuid():
            return 36
        case Integer():
            return 20
        case Date():
            return 10
        case _:
            return None
