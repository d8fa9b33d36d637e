"""Long lists are counted only where they go on."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, select

from dtaas.store.page import Window, fetch_page

_TABLE = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))


@pytest.mark.parametrize(
    ("limit", "offset", "found", "questions"),
    [
        (50, 0, range(10), 1),
        (4, 8, range(8, 10), 1),
        (10, 0, range(10), 2),  # full: there may be more
        (4, 0, range(4), 2),
        (4, 40, range(0), 2),  # beyond the end: nothing tells how long it is
    ],
)
def test_counts_only_where_the_list_goes_on(
    limit: int, offset: int, found: Sequence[int], questions: int
) -> None:
    asked: list[str] = []
    engine = create_engine("sqlite://")
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    with engine.connect() as connection:
        _TABLE.create(connection)
        connection.execute(_TABLE.insert(), [{"n": n} for n in range(10)])
        asked.clear()
        rows, total = fetch_page(
            connection,
            select(_TABLE),
            Window(limit=limit, offset=offset),
            {"n": _TABLE.c.n},
            _TABLE.c.n,
        )
    assert ([row.n for row in rows], total, len(asked)) == ([*found], 10, questions)
    engine.dispose()
