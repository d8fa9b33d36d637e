"""RAISERROR's formats."""

from typing import Any

import pytest

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.messages import format_message


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("plain", (), "plain"),
        ("%s has %d rows", ("orders", 3), "orders has 3 rows"),
        ("100%%", (), "100%"),
        ("%5d|%-5d|%05d", (1, 2, 3), "    1|2    |00003"),
        ("%.2s", ("abc",), "ab"),
        ("%*d", (4, 7), "   7"),
        ("%x %X %o %u", (255, 255, 8, 5), "ff FF 10 5"),
        ("%u", (-1,), "4294967295"),
        ("%s %d", (None,), "(null) (null)"),
    ],
)
def test_formats_as_printf(text: str, arguments: tuple[Any, ...], expected: str) -> None:
    assert format_message(text, arguments) == expected


@pytest.mark.parametrize(("text", "argument"), [("%d", "text"), ("%s", 5)])
def test_refuses_another_type(text: str, argument: Any) -> None:
    with pytest.raises(SqlError) as caught:
        format_message(text, [argument])
    assert caught.value.number == 2786


def test_cuts_long_messages() -> None:
    assert len(format_message("%s", ["x" * 5000])) == 2047
