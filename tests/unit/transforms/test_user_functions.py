"""Functions of other packages: found by entry point, checked, and run like our own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from dtaas.model.transformations import ApplyFunction, OnError
from dtaas.model.type_text import type_text
from dtaas.transforms.functions import catalogue
from tests.unit.transforms.orders import compiled, ran, table

CODE = '''
import pyarrow as pa
import pyarrow.compute as pc


def initials(values: pa.Array, *, separator: str = ".") -> pa.Array:
    """Keep the first character of each text.

    More is not said.
    """
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(values, 0, 1), "", separator)


def halves(values: pa.Array) -> pa.Array:
    """Divide by two, which odd numbers cannot be."""
    if pc.any(pc.equal(pc.bit_wise_and(values, 1), 1)).as_py():
        raise ValueError("odd")
    return pc.divide(values, 2)


def shorter(values: pa.Array) -> pa.Array:
    return values.slice(0, len(values) // 2)


def unsaid(values: pa.Array, separator) -> pa.Array:
    return values
'''
POINTS = """[dtaas.functions]
initials = their_functions:initials
halves = their_functions:halves
shorter = their_functions:shorter
unsaid = their_functions:unsaid
nowhere = their_functions:nowhere
upper = their_functions:initials
"""
SCHEMA = table("id integer!", "name string(20)", key=("id",))
ROWS = pa.RecordBatch.from_pydict(
    {"id": [2, 4, 5], "name": ["Ann", None, "Ö"]}, schema=SCHEMA.arrow_schema()
)


@pytest.fixture(autouse=True)
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that is installed for one test."""
    (tmp_path / "their_functions.py").write_text(CODE)
    installed = tmp_path / "their_functions-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-functions\nVersion: 1\n"
    )
    (installed / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue._points.cache_clear()
    yield
    sys.modules.pop("their_functions", None)
    catalogue._points.cache_clear()


def test_a_function_of_another_package_runs_like_our_own() -> None:
    step = ApplyFunction(column="name", function="initials", arguments={"separator": "!"})
    found = compiled(step, schema=SCHEMA)
    assert [type_text(c.type) for c in found.output.columns] == ["integer", "string"]
    done = ran(step, rows=ROWS, schema=SCHEMA)
    assert done.batch.column("name").to_pylist() == ["A!", None, "Ö!"]


def test_values_it_refuses_meet_the_policy_of_the_step() -> None:
    step = ApplyFunction(column="id", function="halves", to="half", on_error=OnError.REJECT)
    done = ran(step, rows=ROWS, schema=SCHEMA)
    assert done.batch.column("half").to_pylist() == [1, 2]
    assert done.rejected is not None
    assert done.rejected.rows.column("id").to_pylist() == [5]


def test_it_is_listed_with_its_arguments() -> None:
    listed = {f.name: f for f in catalogue.all_functions()}
    assert listed["initials"].description == "Keep the first character of each text."
    assert [(p.name, p.kind, p.default) for p in listed["initials"].parameters] == [
        ("separator", "string", ".")
    ]
    assert {"unsaid", "nowhere"}.isdisjoint(listed)  # cannot be loaded
    assert listed["upper"] is catalogue.OURS["upper"]  # ours cannot be taken over


@pytest.mark.parametrize(
    ("step", "code", "word"),
    [
        (ApplyFunction(column="name", function="nobody"), "unknown_function", "nobody"),
        (ApplyFunction(column="name", function="nowhere"), "unknown_function", "nowhere"),
        (ApplyFunction(column="name", function="unsaid"), "unknown_function", "separator"),
        (ApplyFunction(column="name", function="halves"), "type_mismatch", "halves"),
        (
            ApplyFunction(column="name", function="initials", arguments={"x": 1}),
            "bad_argument",
            "x",
        ),
    ],
)
def test_what_cannot_work_is_told_before_a_row_is_read(
    step: ApplyFunction, code: str, word: str
) -> None:
    (problem,) = compiled(step, schema=SCHEMA).problems
    assert problem.code == code
    assert word in problem.detail


def test_a_function_that_loses_rows_stops_the_table() -> None:
    with pytest.raises(RuntimeError, match="shorter gave"):
        ran(ApplyFunction(column="name", function="shorter"), rows=ROWS, schema=SCHEMA)
