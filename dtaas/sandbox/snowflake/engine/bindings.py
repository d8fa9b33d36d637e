"""Values bound to `?`, as the connector writes them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

_MIDNIGHT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_MINUTES: Final = 1440


def read_bindings(bindings: dict[str, dict[str, Any]]) -> tuple[Any, bool]:
    """Return the values, and whether there are many rows of them.

    Args:
        bindings: position or name to `{"type": …, "value": …}`; a list of values is a column.
    """
    if not all(name.isdigit() for name in bindings):
        return {name: _value(b["type"], b["value"]) for name, b in bindings.items()}, False
    ordered = [bindings[str(at)] for at in range(1, len(bindings) + 1)]
    if any(isinstance(b["value"], list) for b in ordered):
        columns = [[_value(b["type"], value) for value in b["value"]] for b in ordered]
        return [list(row) for row in zip(*columns, strict=True)], True
    return [_value(b["type"], b["value"]) for b in ordered], False


def _value(kind: str, text: str | None) -> Any:
    if text is None:
        return None
    reader = _READERS.get(kind.upper())
    return reader(text) if reader else text


def _fixed(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


def _moment(text: str) -> datetime:
    """Return the moment that many nanoseconds after 1970, cut to microseconds."""
    return _MIDNIGHT + timedelta(microseconds=int(Decimal(text)) // 1000)


def _local(text: str) -> datetime:
    return _moment(text).replace(tzinfo=None)


def _zoned(text: str) -> datetime:
    nanoseconds, _, minutes = text.partition(" ")
    moment = _moment(nanoseconds)
    if not minutes:
        return moment
    return moment.astimezone(timezone(timedelta(minutes=int(minutes) - _UTC_MINUTES)))


def _day(text: str) -> date:
    return (_MIDNIGHT + timedelta(milliseconds=int(text))).date()


def _time(text: str) -> time:
    return (_MIDNIGHT + timedelta(microseconds=int(text) // 1000)).time()


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "FIXED": _fixed,
    "REAL": float,
    "BOOLEAN": lambda text: str(text).lower() == "true",
    "BINARY": bytes.fromhex,
    "DATE": _day,
    "TIME": _time,
    "TIMESTAMP_NTZ": _local,
    "TIMESTAMP_LTZ": _moment,
    "TIMESTAMP_TZ": _zoned,
}
