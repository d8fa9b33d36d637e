"""A random table, and what the workload knows of its rows."""

from collections.abc import Iterable
from random import Random
from typing import Final

from dtaas.sandbox.workload.columns import Column, random_column
from dtaas.sandbox.workload.history import Row
from dtaas.sandbox.workload.names import ID, PART, REFERENCE, VERSION

_MOST_COLUMNS: Final = 9
_KEYLESS_SHARE: Final = 0.15
_HALF: Final = 0.5
_PART: Final = Column(
    PART, "varchar(8)", lambda rng: rng.choice(("north", "south", "east", "west")), False
)


class Table:
    """A table with its rows as they are, work not yet committed included.

    Attributes:
        has_key: without one, rows are named by `id` all the same, but nothing in the server
            says so.
        has_part: whether the key is (part, id).
        has_reference: whether there is a unique column besides the key.
        extra: the random columns.
        dropped: random columns it had once.
        rows: by id.
        owners: ids that an open transaction wrote, with its session.
        users: sessions whose open transaction wrote to the table.
        sole_user: a session that nobody may write beside.
    """

    def __init__(
        self,
        name: str,
        *,
        extra: Iterable[Column],
        has_key: bool,
        has_part: bool = False,
        has_reference: bool = False,
    ) -> None:
        self.name = name
        self.has_key = has_key
        self.has_part = has_part
        self.has_reference = has_reference
        self.extra = list(extra)
        self.dropped: list[Column] = []
        self.rows: dict[int, Row] = {}
        self.next_id = 1
        self.owners: dict[int, int] = {}
        self.users: set[int] = set()
        self.sole_user: int | None = None
        self._first_columns = self._columns_made = len(self.extra)

    @classmethod
    def random(cls, rng: Random, name: str, *, parts: bool = True) -> "Table":
        """Return a random table without rows; without `parts` no key begins with a part."""
        has_key = rng.random() >= _KEYLESS_SHARE
        count = rng.randint(1, _MOST_COLUMNS)
        return cls(
            name,
            extra=[random_column(rng, f"c{n}") for n in range(1, count + 1)],
            has_key=has_key,
            has_part=has_key and rng.random() < _HALF and parts,
            has_reference=has_key and rng.random() < _HALF,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns, the fixed ones first."""
        return (*self._fixed, *(c.name for c in self.extra))

    @property
    def is_altered(self) -> bool:
        """Return whether columns were added or dropped."""
        return self.alterations > 0

    @property
    def alterations(self) -> int:
        """Return how many columns were added or dropped."""
        return len(self.dropped) + self._columns_made - self._first_columns

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns of the primary key, none without one."""
        if not self.has_key:
            return ()
        return (PART, ID) if self.has_part else (ID,)

    @property
    def part(self) -> Column:
        """Return the first column of the key of tables that have it."""
        return _PART

    @property
    def create(self) -> str:
        """Return the statement that makes the table."""
        lines = [f"{ID} int NOT NULL", f"{VERSION} int NOT NULL"]
        lines += [_PART.sql] * self.has_part
        lines += [f"{REFERENCE} varchar(30) NOT NULL UNIQUE"] * self.has_reference
        lines += [column.sql for column in self.extra]
        if self.has_key:
            lines.append(f"CONSTRAINT pk_{self.name} PRIMARY KEY ({', '.join(self.key)})")
        return f"CREATE TABLE dbo.{self.name} ({', '.join(lines)})"

    def new_column_name(self) -> str:
        """Return a name no column of the table ever had."""
        self._columns_made += 1
        return f"c{self._columns_made}"

    def is_open_to(self, session: int) -> bool:
        """Return whether a session may write without waiting for another."""
        return self.sole_user in {None, session}

    def free_ids(self, session: int) -> list[int]:
        """Return the ids of the rows a session may change, in order."""
        return sorted(i for i in self.rows if self.owners.get(i, session) == session)

    @property
    def _fixed(self) -> tuple[str, ...]:
        return (ID, VERSION, *((PART,) * self.has_part), *((REFERENCE,) * self.has_reference))
