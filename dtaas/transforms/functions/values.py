"""Functions of any column: NULL, and parts of JSON."""

import re
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import Binary, ColumnType, Json, String, Variant, arrow_type
from dtaas.transforms.constants import constant
from dtaas.transforms.functions.function import ANY, Arguments, Function, Parameter, Run
from dtaas.transforms.problems import StepError

_STEP: Final = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,9})\]|\[\"([^\"]*)\"\]")


def _coalesce(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    value, wider = constant(arguments["value"], kind, "value")
    target = arrow_type(wider)
    return wider, lambda v: pc.coalesce(v.cast(target), value)


def _null_if(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    value, wider = constant(arguments["value"], kind, "value")
    target = arrow_type(wider)

    def run(values: pa.Array) -> pa.Array:
        same = pc.fill_null(pc.equal(values.cast(target), value), False)
        return pc.if_else(same, pa.scalar(None, values.type), values)

    return kind, run


def json_path(path: str) -> list[str | int]:
    """Return the steps of a path such as `$.items[0].name`.

    Raises:
        StepError: it is none.
    """
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            break
        steps.append(int(step[2]) if step[2] else step[1] or step[3])
        at = step.end()
    if not path.startswith("$") or at != len(path):
        raise StepError(
            "bad_argument", "path", f"{path!r} is no JSON path.",
            'Write one such as $.items[0].name or $["a key"].',
        )  # fmt: skip
    return steps


def _json_extract(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    steps = json_path(str(arguments["path"]))

    def run(values: pa.Array) -> pa.Array:
        codes = values.dictionary_encode()
        found = [_at(text, steps) for text in codes.dictionary.to_pylist()]
        return pa.array(found, pa.string()).take(codes.indices)

    return String(None), run


def _member(whole: Any, step: str | int) -> Any:
    """Return a part of a document, None where there is none."""
    if isinstance(whole, list):
        return whole[step] if isinstance(step, int) and step < len(whole) else None
    return whole.get(step) if isinstance(whole, dict) else None


def _at(text: str | None, steps: list[str | int]) -> str | None:
    if text is None:
        return None
    try:
        at: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise pa.ArrowInvalid(str(error)) from None
    for step in steps:
        at = _member(at, step)
    if at is None or isinstance(at, str):
        return at
    return msgspec.json.encode(at).decode()


_NOT_BYTES: Final = tuple(t for t in ANY if t is not Binary)
VALUE_FUNCTIONS: Final = (
    Function(
        name="coalesce",
        group="nulls",
        description="A value instead of NULL",
        build=_coalesce,
        takes=_NOT_BYTES,
        parameters=(Parameter(name="value", kind="any", description="The value"),),
        fills_null=True,
    ),
    Function(
        name="null_if",
        group="nulls",
        description="NULL instead of a value",
        build=_null_if,
        takes=_NOT_BYTES,
        parameters=(Parameter(name="value", kind="any", description="The value"),),
        may_null=True,
    ),
    Function(
        name="json_extract",
        group="json",
        description="The value at a path of a JSON document as text, else NULL",
        build=_json_extract,
        takes=(String, Json, Variant),
        parameters=(Parameter(name="path", kind="string", description="Such as $.items[0].name"),),
        may_null=True,
    ),
)
