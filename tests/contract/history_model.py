"""The history of a table's rows in plain Python, and random changes of it."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from dtaas.model.changes import change_schema
from dtaas.model.schema import TableSchema
from tests.contract.change_rows import place

BEGAN = datetime(2026, 1, 1, 8)
"""When the load began, in UTC."""
UNLOGGED = '["body"]'
Values = tuple[Any, ...]
"""Key first."""
Change = tuple[str, Values, str | None]
"""Operation, values, `_unchanged`."""


class Transaction(Struct, frozen=True):
    """Changes that committed together."""

    number: int
    changes: Sequence[Change]

    @property
    def at(self) -> datetime:
        """When it committed: some commit within the same moment."""
        return BEGAN + timedelta(seconds=self.number // 2)


class Version(Struct, frozen=True, order=True):
    """One state of one row."""

    key: Any
    position: str
    values: Values
    valid_from: datetime
    valid_to: datetime | None

    @property
    def current(self) -> bool:
        """Return whether it is the row's state now."""
        return self.valid_to is None


class History:
    """What a target that keeps every version holds in the end."""

    def __init__(self, loaded: Iterable[Values], position: str, at: datetime = BEGAN) -> None:
        self.closed: list[Version] = []
        self.now = {v[0]: Version(v[0], position, v, at, None) for v in loaded}

    def reload(self, rows: Mapping[Any, Values], position: str, at: datetime) -> None:
        """Load the table anew."""
        for key in {*self.now, *rows}:
            old, new = self.now.get(key), rows.get(key)
            if old is None or new is None or old.values != new:
                self._step(key, new, position, at)

    def commit(self, transaction: Transaction) -> None:
        """Apply a transaction: a row has one version for what it was left as."""
        left: dict[Any, Values | None] = {}
        for op, values, unlogged in transaction.changes:
            key = values[0]
            old = self.now.get(key)
            before = left.get(key, old.values if old is not None else None)
            if op == "D":
                left[key] = None
            elif unlogged:
                left[key] = (*values[:2], before[2] if before else None, *values[3:])
            else:
                left[key] = values
        for key, state in left.items():
            self._step(key, state, place(transaction.number).hex(), transaction.at)

    def _step(self, key: Any, state: Values | None, position: str, at: datetime) -> None:
        old = self.now.pop(key, None)
        if old is not None:
            at = max(at, old.valid_from)
            self.closed.append(replace(old, valid_to=at))
        if state is not None:
            self.now[key] = Version(key, position, state, at, None)

    def versions(self) -> list[Version]:
        """Return all versions by key and position."""
        return sorted([*self.closed, *self.now.values()])


def random_transaction(dice: random.Random, number: int, state: dict[int, Values]) -> Transaction:
    """Change `state`, and return the transaction that did."""
    changes: list[Change] = []
    for _ in range(dice.randint(1, 4)):
        key = dice.randrange(12)
        if key in state and dice.random() < 0.25:
            del state[key]
            changes.append(("D", (key, None, None, None), None))
        elif key in state and dice.random() < 0.15:  # the key itself changes
            moved = (key + 20, *state.pop(key)[1:])
            state[moved[0]] = moved
            changes += [("D", (key, None, None, None), None), ("I", moved, None)]
        elif key in state and dice.random() < 0.5:
            state[key] = (key, f"t{dice.randrange(99)}", *state[key][2:])
            changes.append(("U", (*state[key][:2], None, state[key][3]), UNLOGGED))
        else:
            op = "U" if key in state else "I"
            state[key] = (key, f"n{dice.randrange(99)}", f"body {number}", None)
            changes.append((op, state[key], None))
    return Transaction(number, changes)


def batches_of(schema: TableSchema, transactions: Sequence[Transaction]) -> pa.RecordBatch:
    """Return transactions as change rows."""
    arrow = change_schema(schema)
    rows = [
        [op, place(t.number).hex(), n, f"{n:020x}", t.at, unlogged, *values]
        for t in transactions
        for n, (op, values, unlogged) in enumerate(t.changes)
    ]
    arrays = [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(arrow)]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)
