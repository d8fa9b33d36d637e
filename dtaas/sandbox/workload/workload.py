"""A random workload from a seed: what its sessions do, step by step, and what must come of it.

Steps are played one after another over as many connections as there are sessions. No step ever
waits for another session: rows that an open transaction wrote are left alone until it ends. So the
order of steps is the order of commits, and what must arrive is known without asking the server.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from msgspec import Struct

from dtaas.sandbox.workload.columns import random_column
from dtaas.sandbox.workload.history import Change, Commit, Row
from dtaas.sandbox.workload.names import NUMBERS
from dtaas.sandbox.workload.statements import Statement, Writer, near
from dtaas.sandbox.workload.tables import Table
from dtaas.sandbox.workload.transaction import Transaction

_NO_COUNT: Final = -1
_SAVEPOINT_SHARE: Final = 0.15


class Step(Struct, frozen=True):
    """A batch for one session.

    Attributes:
        count: rows the server must say it changed, -1 where it says nothing.
        alters: name of the table whose columns it changes, '' for all else.
    """

    session: int
    sql: str
    count: int = _NO_COUNT
    alters: str = ""


class Mix(Struct, frozen=True, kw_only=True):
    """How often what happens: weights of the kinds of statements, shares of the rest.

    Attributes:
        most_rows: of an ordinary statement.
        huge_rows: of a statement of the kind `huge`.
        most_statements: of a transaction.
        autocommit: share of statements that are a transaction by themselves.
        rollback: share of the other transactions that are taken back.
        rising: tables only grow, by ids that rise in the order of commits. Whoever writes to a
            table is alone there until its transaction ends, and no key begins with another column.
    """

    insert: float = 5
    update: float = 6
    delete: float = 2.5
    move: float = 1
    defer: float = 1
    huge: float = 0.3
    alter: float = 0.2
    most_rows: int = 12
    huge_rows: int = 2_000
    most_statements: int = 8
    autocommit: float = 0.3
    rollback: float = 0.15
    rising: bool = False


class Workload:
    """Steps from a seed. The same seed and arguments make the same steps.

    Attributes:
        tables: by name.
        history: what the steps so far have committed, in order.
    """

    def __init__(
        self, seed: int, *, tables: int = 3, sessions: int = 3, mix: Mix | None = None
    ) -> None:
        self._rng = Random(seed)
        self._mix = mix or Mix()
        self.sessions = sessions
        names = [f"w{number}" for number in range(1, tables + 1)]
        self.tables: Mapping[str, Table] = {
            n: Table.random(self._rng, n, parts=not self._mix.rising) for n in names
        }
        self.history: list[Commit] = []
        self._open: dict[int, Transaction] = {}
        self._version = 0
        self._writers: Mapping[str, Callable[[Writer, list[int]], Statement | None]] = {
            "insert": self._insert,
            "update": self._update,
            "delete": lambda writer, ids: writer.delete(self._few(ids)) if ids else None,
            "move": self._move,
            "defer": self._defer,
            "huge": self._huge,
        }

    def setup(self) -> list[str]:
        """Return the batches that make the tables, in an empty database."""
        numbers = (
            f"CREATE TABLE dbo.{NUMBERS} (n int NOT NULL PRIMARY KEY);\n"
            f"DECLARE @n int = 1; INSERT INTO dbo.{NUMBERS} VALUES (0);\n"
            f"WHILE @n < {self._mix.huge_rows} BEGIN\n"
            f"INSERT INTO dbo.{NUMBERS} SELECT n + @n FROM dbo.{NUMBERS}; SET @n = @n * 2; END"
        )
        return [numbers, *(table.create for table in self.tables.values())]

    def tracking(self) -> list[str]:
        """Return the batches that switch on change data capture, an instance a table."""
        return ["EXEC sys.sp_cdc_enable_db"] + [
            f"EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{name}',"
            f" @role_name = NULL, @capture_instance = N'{name}'"
            for name in self.tables
        ]

    def rows(self, table: str) -> Mapping[int, Row]:
        """Return the rows of a table by id. Only what is committed, when no transaction is open."""
        return self.tables[table].rows

    def step(self) -> Step:
        """Return the next step; `history` and rows are from now on those after it."""
        if self._rng.random() < self._share(self._mix.alter):
            step = self._alter()
            if step is not None:
                return step
        session = self._rng.randrange(self.sessions)
        transaction = self._open.get(session)
        if transaction is None:
            if self._rng.random() < self._mix.autocommit:
                return self._autocommit(session)
            statements = self._rng.randint(1, self._mix.most_statements)
            self._open[session] = Transaction(session, statements)
            return Step(session, "BEGIN TRANSACTION")
        return self._go_on(transaction)

    def finish(self) -> list[Step]:
        """Return the steps that end all open transactions."""
        return [self._end(transaction) for transaction in list(self._open.values())]

    def _go_on(self, transaction: Transaction) -> Step:
        if transaction.statements_left == 0:
            return self._end(transaction)
        if self._rng.random() < _SAVEPOINT_SHARE:
            if transaction.has_savepoint:
                transaction.back_to_savepoint()
                return Step(transaction.session, "ROLLBACK TRANSACTION middle")
            transaction.save()
            return Step(transaction.session, "SAVE TRANSACTION middle")
        transaction.statements_left -= 1
        return self._write(transaction)

    def _end(self, transaction: Transaction) -> Step:
        del self._open[transaction.session]
        if self._rng.random() < self._mix.rollback:
            transaction.roll_back()
            return Step(transaction.session, "ROLLBACK TRANSACTION")
        self._note(transaction.commit())
        return Step(transaction.session, "COMMIT TRANSACTION")

    def _autocommit(self, session: int) -> Step:
        transaction = Transaction(session, 1)
        step = self._write(transaction)
        self._note(transaction.commit())
        return step

    def _note(self, changes: Mapping[str, list[Change]]) -> None:
        if changes:
            self.history.append(Commit(changes))

    def _write(self, transaction: Transaction) -> Step:
        """Return a statement of a random kind, doing nothing where every table is taken."""
        session = transaction.session
        tables = [t for t in self.tables.values() if t.is_open_to(session)]
        if not tables:
            return Step(session, f"SELECT COUNT(*) FROM dbo.{NUMBERS} WHERE n < 0")
        table = self._rng.choice(tables)
        # Without a key the server looks at every row, locked ones too.
        others = table.users - {session}
        kinds = {name: float(getattr(self._mix, name)) for name in self._writers}
        if self._mix.rising:
            kinds = {name: kinds[name] for name in ("insert", "huge")}
        if others:
            kinds["huge"] = 0.0
        if others and not table.has_key:
            kinds = {"insert": 1.0}
        self._version += 1
        kind = self._rng.choices(list(kinds), list(kinds.values()))[0]
        writer = Writer(self._rng, table, self._version)
        statement = self._writers[kind](writer, table.free_ids(session))
        if statement is None:
            kind, statement = "insert", self._insert(writer, [])
        alone = kind == "huge" or self._mix.rising or (not table.has_key and kind != "insert")
        transaction.apply(table, statement, alone=alone)
        return Step(session, statement.sql, statement.count)

    def _insert(self, writer: Writer, _ids: list[int]) -> Statement:
        """Insert under new ids, or under ids of rows deleted before."""
        table = writer.table
        count = self._rng.randint(1, self._mix.most_rows)
        if self._mix.rising:
            return writer.insert(range(table.next_id, table.next_id + count))
        ids: list[int] = []
        while len(ids) < count:
            again = self._rng.randrange(1, table.next_id + 1)
            taken = again in table.rows or again in table.owners or again in ids
            ids.append(max(table.next_id, *ids, again) + 1 if taken else again)
        return writer.insert(ids)

    def _update(self, writer: Writer, ids: list[int]) -> Statement | None:
        columns = writer.table.extra
        if not ids or not columns:
            return None
        chosen = self._rng.sample(columns, self._rng.randint(1, len(columns)))
        return writer.update(self._few(ids), chosen)

    def _move(self, writer: Writer, ids: list[int]) -> Statement | None:
        if not ids or not writer.table.has_key:
            return None
        if writer.table.has_part and self._rng.random() < 1 / 2:
            return writer.move_part(self._few(ids))
        return writer.move(near(self._few(ids)))

    def _defer(self, writer: Writer, ids: list[int]) -> Statement | None:
        few = self._few(ids) if ids else []
        # A single row's unique column may be updated in place: nobody says what is logged then.
        return writer.defer(few) if writer.table.has_reference and len(few) > 1 else None

    def _huge(self, writer: Writer, ids: list[int]) -> Statement:
        most = self._mix.huge_rows
        columns = writer.table.extra
        if self._mix.rising or len(ids) < most / 2 or not columns:
            return writer.insert_many(writer.table.next_id, self._rng.randint(most // 2, most))
        if self._rng.random() < 1 / 2:
            return writer.update(ids[:most], [self._rng.choice(columns)])
        return writer.delete(ids[:most])

    def _few(self, ids: list[int]) -> list[int]:
        """Return some of the ids, in order."""
        count = min(len(ids), self._rng.randint(1, self._mix.most_rows))
        if self._rng.random() < 1 / 2:
            first = self._rng.randrange(len(ids) - count + 1)
            return ids[first : first + count]
        return sorted(self._rng.sample(ids, count))

    def _alter(self) -> Step | None:
        """Add or drop a column of a table that no open transaction has written to."""
        idle = [table for table in self.tables.values() if not table.users]
        if not idle:
            return None
        table, session = self._rng.choice(idle), self._idle_session()
        if session is None:
            return None
        if len(table.extra) > 1 and self._rng.random() < 1 / 3:
            return self._drop_column(table, session)
        return self._add_column(table, session)

    def _add_column(self, table: Table, session: int) -> Step:
        column = random_column(self._rng, table.new_column_name(), is_nullable=True)
        table.extra.append(column)
        table.rows = {id_: {**row, column.name: None} for id_, row in table.rows.items()}
        sql = f"ALTER TABLE dbo.{table.name} ADD {column.sql}"
        return Step(session, sql, alters=table.name)

    def _drop_column(self, table: Table, session: int) -> Step:
        column = self._rng.choice(table.extra)
        table.extra.remove(column)
        table.dropped.append(column)
        table.rows = {
            id_: {name: value for name, value in row.items() if name != column.name}
            for id_, row in table.rows.items()
        }
        sql = f"ALTER TABLE dbo.{table.name} DROP COLUMN {column.name}"
        return Step(session, sql, alters=table.name)

    def _idle_session(self) -> int | None:
        idle = [s for s in range(self.sessions) if s not in self._open]
        return self._rng.choice(idle) if idle else None

    def _share(self, weight: float) -> float:
        mix = self._mix
        every = mix.insert + mix.update + mix.delete + mix.move + mix.defer + mix.huge + mix.alter
        return weight / every
