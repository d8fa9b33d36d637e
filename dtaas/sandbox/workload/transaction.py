"""A transaction of the workload: its effect on rows as they are, and the way back."""

from collections.abc import Mapping

from dtaas.sandbox.workload.history import Change, Row
from dtaas.sandbox.workload.names import ID
from dtaas.sandbox.workload.statements import Statement
from dtaas.sandbox.workload.tables import Table


class Transaction:
    """Work of one session until it commits or rolls back.

    Attributes:
        statements_left: how many more it shall do.
        has_savepoint: whether it may go back to the middle.
    """

    def __init__(self, session: int, statements: int) -> None:
        self.session = session
        self.statements_left = statements
        self.has_savepoint = False
        self._done: list[tuple[Table, Change]] = []
        self._undo: list[tuple[Table, int, Row | None]] = []
        self._owned: set[tuple[Table, int]] = set()
        self._tables: set[Table] = set()
        self._mark = (0, 0)

    def apply(self, table: Table, statement: Statement, *, alone: bool) -> None:
        """Do a statement to the rows; `alone` keeps other sessions off the table until the end."""
        self._tables.add(table)
        table.users.add(self.session)
        if alone:
            table.sole_user = self.session
        for change in statement.changes:
            id_ = _id(change.row)
            self._undo.append((table, id_, table.rows.get(id_)))
            self._owned.add((table, id_))
            table.owners[id_] = self.session
            table.next_id = max(table.next_id, id_ + 1)
            if change.op == "D":
                del table.rows[id_]
            else:
                table.rows[id_] = change.row
            self._done.append((table, change))

    def save(self) -> None:
        """Remember this point."""
        self.has_savepoint = True
        self._mark = len(self._done), len(self._undo)

    def back_to_savepoint(self) -> None:
        """Undo everything since `save`. Locks stay, as the server keeps them."""
        self.has_savepoint = False
        self._restore(*self._mark)

    def commit(self) -> Mapping[str, list[Change]]:
        """End it and return what it changed, by table."""
        changes: dict[str, list[Change]] = {}
        for table, change in self._done:
            changes.setdefault(table.name, []).append(change)
        self._release()
        return changes

    def roll_back(self) -> None:
        """End it as if it had never been."""
        self._restore(0, 0)
        self._release()

    def _restore(self, done: int, undo: int) -> None:
        for table, id_, row in reversed(self._undo[undo:]):
            if row is None:
                table.rows.pop(id_, None)
            else:
                table.rows[id_] = row
        del self._undo[undo:], self._done[done:]

    def _release(self) -> None:
        for table, id_ in self._owned:
            del table.owners[id_]
        for table in self._tables:
            table.users.discard(self.session)
            if table.sole_user == self.session:
                table.sole_user = None


def _id(row: Row) -> int:
    id_ = row[ID]
    if not isinstance(id_, int):
        raise TypeError(id_)
    return id_
