"""Types of columns: figures of sys.columns, and refusals."""

import pytest

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.column_types import figures, make_type, type_text
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX


def _type(name: str, *arguments: int):
    return make_type(name, arguments, collation=DEFAULT_COLLATION, column="c")


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("bit", (), (1, 1, 0)),
        ("int", (), (4, 10, 0)),
        ("integer", (), (4, 10, 0)),
        ("decimal", (), (9, 18, 0)),
        ("decimal", (9,), (5, 9, 0)),
        ("dec", (19, 4), (9, 19, 4)),
        ("numeric", (20, 4), (13, 20, 4)),
        ("decimal", (38, 38), (17, 38, 38)),
        ("float", (), (8, 53, 0)),
        ("float", (24,), (4, 24, 0)),
        ("real", (), (4, 24, 0)),
        ("money", (), (8, 19, 4)),
        ("date", (), (3, 10, 0)),
        ("time", (), (5, 16, 7)),
        ("time", (0,), (3, 8, 0)),
        ("datetime2", (3,), (7, 23, 3)),
        ("datetime2", (0,), (6, 19, 0)),
        ("datetimeoffset", (4,), (9, 31, 4)),
        ("datetime", (), (8, 23, 3)),
        ("nvarchar", (40,), (80, 0, 0)),
        ("nvarchar", (MAX,), (-1, 0, 0)),
        ("char", (), (1, 0, 0)),
        ("varbinary", (16,), (16, 0, 0)),
        ("sysname", (), (256, 0, 0)),
        ("rowversion", (), (8, 0, 0)),
        ("xml", (), (-1, 0, 0)),
        ("hierarchyid", (), (892, 0, 0)),
    ],
)
def test_figures(name: str, arguments: tuple[int, ...], shown: tuple[int, int, int]) -> None:
    found = figures(_type(name, *arguments))
    assert (found.max_length, found.precision, found.scale) == shown


def test_collation_is_only_for_text() -> None:
    assert _type("varchar", 5).collation == DEFAULT_COLLATION
    assert _type("int").collation is None
    assert _type("xml").collation is None


@pytest.mark.parametrize(
    ("name", "arguments", "number"),
    [
        ("varchar", (8001,), 131),
        ("nvarchar", (4001,), 131),
        ("varchar", (0,), 1001),
        ("char", (MAX,), 1001),
        ("decimal", (39,), 2750),
        ("decimal", (5, 6), 183),
        ("time", (8,), 1002),
        ("float", (54,), 2717),
        ("int", (4,), 2716),
    ],
)
def test_refused(name: str, arguments: tuple[int, ...], number: int) -> None:
    with pytest.raises(SqlError) as caught:
        _type(name, *arguments)
    assert caught.value.number == number


@pytest.mark.parametrize(
    "text", ["decimal(10,2)", "datetime2(3)", "nvarchar(max)", "varbinary(8)", "int"]
)
def test_type_text(text: str) -> None:
    name, _, rest = text.partition("(")
    arguments = tuple(MAX if a == "max" else int(a) for a in rest.rstrip(")").split(",") if a)
    assert type_text(_type(name, *arguments)) == text
