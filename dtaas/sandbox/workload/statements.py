"""Statements that change rows, each with the changes it makes."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from msgspec import Struct

from dtaas.sandbox.workload.columns import Column, literal
from dtaas.sandbox.workload.history import Change, Row
from dtaas.sandbox.workload.names import ID, NUMBERS, PART, REFERENCE, VERSION
from dtaas.sandbox.workload.tables import Table

_FAR_APART: Final = 1000
_LISTED: Final = 30


class Statement(Struct, frozen=True):
    """A statement, how many rows it counts, and what it does to the table in order."""

    sql: str
    count: int
    changes: Sequence[Change]


class Writer(Struct, frozen=True):
    """Writes statements for one table.

    Attributes:
        version: number of the statement, which the rows it writes carry.
    """

    rng: Random
    table: Table
    version: int

    def insert(self, ids: Sequence[int]) -> Statement:
        """Insert rows, each with values of its own."""
        rows = [self._new_row(id_) for id_ in ids]
        values = ", ".join(f"({', '.join(literal(v) for v in row.values())})" for row in rows)
        sql = f"INSERT INTO dbo.{self.table.name} ({self._names}) VALUES {values}"
        return Statement(sql, len(rows), [self._change("I", row) for row in rows])

    def insert_many(self, first: int, count: int) -> Statement:
        """Insert rows that follow each other, alike but for their ids."""
        model = self._new_row(first)
        values = {name: literal(value) for name, value in model.items()}
        values[ID] = f"{first} + n"
        if self.table.has_reference:
            values[REFERENCE] = f"CONCAT('r', {first} + n, '_', {self.version})"
        sql = (
            f"INSERT INTO dbo.{self.table.name} ({self._names})"
            f" SELECT {', '.join(values.values())} FROM dbo.{NUMBERS} WHERE n < {count}"
        )
        rows = [self._moved(model, {ID: id_}) for id_ in range(first, first + count)]
        return Statement(sql, count, [self._change("I", row) for row in rows])

    def update(self, ids: Sequence[int], columns: Sequence[Column]) -> Statement:
        """Give columns outside of keys a new value, the same in all rows."""
        new = {column.name: column.value(self.rng) for column in columns}
        rows = [{**self.table.rows[id_], VERSION: self.version, **new} for id_ in ids]
        sql = self._set({name: literal(value) for name, value in new.items()}, ids)
        return Statement(sql, len(ids), [self._change("U", row) for row in rows])

    def move(self, ids: Sequence[int]) -> Statement:
        """Move rows to ids never used; `ids` are not further apart than `near` says."""
        offset = self.table.next_id - ids[0]
        return self._move(ids, {id_: {ID: id_ + offset} for id_ in ids}, {ID: f"{ID} + {offset}"})

    def move_part(self, ids: Sequence[int]) -> Statement | None:
        """Change the first column of the key of those rows where that is a change."""
        part = self.table.part.value(self.rng)
        changed = [id_ for id_ in ids if self.table.rows[id_][PART] != part]
        if not changed:
            return None
        return self._move(changed, {id_: {PART: part} for id_ in changed}, {PART: literal(part)})

    def defer(self, ids: Sequence[int]) -> Statement:
        """Change the unique column of several rows, which the server does by delete and insert."""
        text = f"CONCAT('r', {ID}, '_', {self.version})"
        return self._move(
            ids, {i: {REFERENCE: f"r{i}_{self.version}"} for i in ids}, {REFERENCE: text}
        )

    def delete(self, ids: Sequence[int]) -> Statement:
        """Delete rows."""
        sql = f"DELETE FROM dbo.{self.table.name} WHERE {_where(ids, self.table)}"
        return Statement(sql, len(ids), [self._change("D", self.table.rows[i]) for i in ids])

    def _move(
        self, ids: Sequence[int], new: Mapping[int, Row], assigned: dict[str, str]
    ) -> Statement:
        gone = [self._change("D", self.table.rows[id_]) for id_ in ids]
        rows = [{**self.table.rows[id_], VERSION: self.version, **new[id_]} for id_ in ids]
        come = [self._change("I", row, step=1) for row in rows]
        return Statement(self._set(assigned, ids), len(ids), [*gone, *come])

    def _set(self, assigned: dict[str, str], ids: Sequence[int]) -> str:
        pairs = ", ".join(
            f"{n} = {v}" for n, v in ({VERSION: str(self.version)} | assigned).items()
        )
        return f"UPDATE dbo.{self.table.name} SET {pairs} WHERE {_where(ids, self.table)}"

    def _new_row(self, id_: int) -> Row:
        return {
            ID: id_,
            VERSION: self.version,
            **({PART: self.table.part.value(self.rng)} if self.table.has_part else {}),
            **({REFERENCE: f"r{id_}_{self.version}"} if self.table.has_reference else {}),
            **{column.name: column.value(self.rng) for column in self.table.extra},
        }

    def _moved(self, model: Row, new: dict[str, int]) -> Row:
        row = {**model, **new}
        if self.table.has_reference:
            row[REFERENCE] = f"r{new[ID]}_{self.version}"
        return row

    def _change(self, op: str, row: Row, *, step: int = 0) -> Change:
        return Change(op, row, 2 * self.version + step)

    @property
    def _names(self) -> str:
        return ", ".join(self.table.columns)


def near(ids: Sequence[int]) -> Sequence[int]:
    """Return those of the ids, which are in order, that are not far from the first."""
    return [id_ for id_ in ids if id_ - ids[0] < _FAR_APART]


def _where(ids: Sequence[int], table: Table) -> str:
    """Name rows one by one, or by a range where no other row lies between."""
    if len(ids) <= _LISTED:
        return f"{ID} IN ({', '.join(map(str, ids))})"
    wanted = set(ids)
    low, high = min(ids), max(ids)
    others = [i for i in table.rows if low <= i <= high and i not in wanted]
    text = f"{ID} BETWEEN {low} AND {high}"
    return f"{text} AND {ID} NOT IN ({', '.join(map(str, others))})" if others else text
