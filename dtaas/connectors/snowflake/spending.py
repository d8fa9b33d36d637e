"""Credits: the warehouse seconds that statements cause, as Snowflake bills them.

A warehouse is billed by the second from its resumption until it is suspended, and at least for a
minute. A statement is charged with what the warehouse is awake for longer because of it: the first
after a pause pays for the minute or the idle time behind it, one that runs beside others for what
it outlasts them. So the charges of all tables add up to what one warehouse costs, as far as
nobody else uses it; it is an estimate. One meter per warehouse serves all tasks of the process.
"""

import re
from time import monotonic
from typing import Final

from msgspec import Struct

from dtaas.model.spending import Spending

_CREDITS_AN_HOUR: Final = {
    "x-small": 1,
    "small": 2,
    "medium": 4,
    "large": 8,
    "x-large": 16,
    "2x-large": 32,
    "3x-large": 64,
    "4x-large": 128,
    "5x-large": 256,
    "6x-large": 512,
}
_LEAST_S: Final = 60.0
_HOUR_S: Final = 3600.0
_AT_WORK: Final = re.compile(
    r"\s*(?:COPY|INSERT|MERGE|UPDATE|DELETE|SELECT(?!\s+CURRENT_\w+\(\)\s*$))\b", re.IGNORECASE
)


def needs_warehouse(sql: str) -> bool:
    """Return whether a statement wakes the warehouse: DDL, PUT, transactions do not."""
    return _AT_WORK.match(sql) is not None


class Warehouse:
    """What one warehouse is billed because of us.

    Attributes:
        auto_suspend_s: idle seconds until it is suspended, 0 when it never is: then only the time
            at work counts.
        credits_an_hour: None while its size is not known.
    """

    def __init__(self) -> None:
        self.auto_suspend_s = _LEAST_S
        self.credits_an_hour: int | None = None
        self._resumed_at = float("-inf")
        self._until = float("-inf")

    @property
    def is_known(self) -> bool:
        """Return whether somebody said what it costs."""
        return self.credits_an_hour is not None

    def describe(self, size: str, auto_suspend_s: float | None) -> None:
        """Take its size, as Snowflake or a user spells it, and its idle time."""
        self.credits_an_hour = _CREDITS_AN_HOUR.get(size.strip().lower())
        self.auto_suspend_s = auto_suspend_s or 0.0

    def charge(self, began: float, ended: float) -> float:
        """Return the seconds it is billed for longer because of a statement.

        Args:
            began, ended: of the statement, in seconds of one clock.
        """
        until = ended + self.auto_suspend_s
        if began > self._until:
            self._resumed_at, billed = began, 0.0
            until = max(until, began + _LEAST_S)
            self._until = began
        else:
            billed = max(0.0, self._resumed_at - began)
            self._resumed_at = min(self._resumed_at, began)
        longer = max(0.0, until - self._until)
        self._until += longer
        return billed + longer


class _Spent(Struct):
    queries: int = 0
    billed_s: float = 0.0
    appended_windows: int = 0
    merged_windows: int = 0


class SpendingMeter:
    """What the statements of one destination cost, by their QUERY_TAG."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._spent: dict[str, _Spent] = {}

    def ran(self, tag: str, sql: str, began: float) -> None:
        """Count a statement that has just ended, however it did.

        Args:
            began: on the clock of `now`.
        """
        spent = self._spent.setdefault(tag, _Spent())
        spent.queries += 1
        if needs_warehouse(sql):
            spent.billed_s += self.warehouse.charge(began, now())

    def applied(self, tag: str, *, appended: bool) -> None:
        """Count a window of changes that has gone into its table, as new rows or by MERGE."""
        spent = self._spent.setdefault(tag, _Spent())
        if appended:
            spent.appended_windows += 1
        else:
            spent.merged_windows += 1

    def spent(self, tag: str) -> Spending:
        """Return what the statements of a tag cost."""
        found = self._spent.get(tag, _Spent())
        rate = self.warehouse.credits_an_hour
        return Spending(
            queries=found.queries,
            billed_s=found.billed_s,
            credits=None if rate is None else rate * found.billed_s / _HOUR_S,
            appended_windows=found.appended_windows,
            merged_windows=found.merged_windows,
        )


def now() -> float:
    """Return monotonic seconds."""
    return monotonic()


_WAREHOUSES: Final[dict[tuple[str, str, str], Warehouse]] = {}


def warehouse_of(account: str, host: str, name: str) -> Warehouse:
    """Return the process's meter of a warehouse: its tasks share its awake time."""
    return _WAREHOUSES.setdefault((account.lower(), host.lower(), name.upper()), Warehouse())
