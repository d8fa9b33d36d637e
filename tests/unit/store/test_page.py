"""Long lists let others have their turn, and are counted only where they go on."""

from collections.abc import Sequence
from typing import Any

import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint
from sqlalchemy import Column, Integer, MetaData, Row, Table, create_engine, event, select

from dtaas.store.page import Window, fetch_page, page_of

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


async def test_a_long_list_lets_others_have_their_turn() -> None:
    rows: Any = [*range(1000)]
    turns = 0
    at: list[int] = []

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    def meaning(row: Row[Any]) -> Any:
        at.append(turns)
        return row

    async with create_task_group() as group:
        group.start_soon(other)
        page = await page_of((rows, 4000), Window(limit=1000), meaning)
        group.cancel_scope.cancel()
    assert (page.items, page.total, page.limit) == (tuple(range(1000)), 4000, 1000)
    assert all(at.count(turn) <= 100 for turn in set(at))
