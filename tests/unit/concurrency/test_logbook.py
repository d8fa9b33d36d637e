from typing import Any

import msgspec

from dtaas.concurrency.logbook import ACCESS_LOGGER, KEPT_LINES, LogBook


def write(book: LogBook, event: str, **fields: Any) -> None:
    line = {"event": event, "level": "info", "timestamp": "2026-01-05T08:30:00Z"} | fields
    assert book(None, "info", line) is line


def test_lines_are_numbered_and_the_oldest_go_first() -> None:
    book = LogBook()
    for number in range(KEPT_LINES + 10):
        write(book, f"event_{number}")
    kept = book.after(0, most=3)
    assert [line.number for line in kept] == [11, 12, 13]
    assert book.last_number == KEPT_LINES + 10


def test_filters_by_level_and_task() -> None:
    book = LogBook()
    write(book, "a", level="debug")
    write(book, "b", task_id=1)
    write(book, "c", level="error", task_id=2)
    assert [line.event for line in book.after(0, level="info", most=9)] == ["b", "c"]
    assert [line.event for line in book.after(0, task_id=2, most=9)] == ["c"]


def test_lines_around_an_execution_belong_to_it() -> None:
    book = LogBook()
    write(book, "task_due", task_id=1)
    write(book, "execution_begun", task_id=1, execution_id=7)
    write(book, "task_life_failed", task_id=1)
    write(book, "elsewhere", task_id=2)
    write(book, "execution_ended", task_id=1, execution_id=7)
    write(book, "task_due", task_id=1)
    taken = book.take(100)
    assert [(line.event, line.execution_id) for line in taken] == [
        ("execution_begun", 7),
        ("task_life_failed", 7),
        ("execution_ended", 7),
    ]
    assert book.take(100) == []


def test_whatever_is_logged_can_be_kept() -> None:
    book = LogBook()
    circle: list[object] = []
    circle.append(circle)
    write(book, "x" * 10_000, odd=object(), circle=circle, many=(1, {"a": 2}))
    write(book, "y", exc_info=ValueError("no"))
    first, second = book.after(0, most=2)
    assert len(first.event) == 4_000
    assert list(first.fields["many"]) == [1, {"a": 2}]
    assert all(msgspec.json.encode(line.fields) for line in (first, second))
    assert second.fields["exception"] == "ValueError: no"


def test_answers_to_requests_are_not_kept() -> None:
    book = LogBook()
    write(book, "request_served", logger=ACCESS_LOGGER)
    assert book.last_number == 0
