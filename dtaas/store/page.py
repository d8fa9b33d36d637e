"""Lists in pages: one shape, one way to sort and count."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from dtaas.concurrency.slices import in_slices
from dtaas.model.errors import ValidationFailedError

T = TypeVar("T")

MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 50


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list.

    Attributes:
        total: how many items the whole list has, over all pages.
    """

    items: tuple[T, ...]
    total: int
    limit: int
    offset: int


class Window(Struct, frozen=True, kw_only=True):
    """Which part of a list, in which order.

    Attributes:
        limit: most items, 1 to 1000.
        sort: a column the list can be sorted by, with `-` before it for the reverse order.
    """

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort: str = ""


FIRST_PAGE: Final = Window()


async def page_of(
    fetched: tuple[Sequence[Row[Any]], int], window: Window, of: Callable[[Row[Any]], T]
) -> Page[T]:
    """Return a page of what the rows mean.

    Args:
        fetched: what `fetch_page` returned.
        of: what a row means.
    """
    rows, total = fetched
    items = await in_slices(of, rows)
    return Page(items=tuple(items), total=total, limit=window.limit, offset=window.offset)


def fetch_page(
    connection: Connection,
    query: Select[Any],
    window: Window,
    sortable: Mapping[str, ColumnElement[Any]],
    tie_breaker: ColumnElement[Any],
) -> tuple[list[Row[Any]], int]:
    """Return the rows of a page and how many rows there are in all.

    Args:
        sortable: columns by the name the caller may give; the first is the default.
        tie_breaker: unique column that makes the order total, so that pages never overlap.

    Raises:
        ValidationFailedError: limit, offset or sort are not possible.
    """
    if not 1 <= window.limit <= MAX_LIMIT:
        raise ValidationFailedError(f"limit must be 1 to {MAX_LIMIT}.", field="$.limit")
    if window.offset < 0:
        raise ValidationFailedError("offset must not be negative.", field="$.offset")
    name = window.sort.removeprefix("-") or next(iter(sortable))
    if name not in sortable:
        raise ValidationFailedError(
            f"The list cannot be sorted by {name!r}.",
            hint=f"Use one of: {', '.join(sortable)}; with - before it for the reverse order.",
            field="$.sort",
        )
    order = (sortable[name], tie_breaker)
    down = window.sort.startswith("-")
    rows = connection.execute(
        query.order_by(*(c.desc() if down else c.asc() for c in order))
        .limit(window.limit)
        .offset(window.offset)
    ).all()
    if 0 < len(rows) < window.limit or (not rows and window.offset == 0):
        return list(rows), window.offset + len(rows)  # the list ends here: nothing to count
    total = connection.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
    return list(rows), total or 0
