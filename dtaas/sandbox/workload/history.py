"""What a workload committed, and what of it somebody saw: nothing lost, doubled or out of order."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from dtaas.sandbox.workload.columns import Value
from dtaas.sandbox.workload.names import ID, VERSION

Row: TypeAlias = Mapping[str, Value]
_Token: TypeAlias = tuple[str, Value, Value]
_SHOWN: Final = 5


class Change(Struct, frozen=True):
    """A change of one row.

    Attributes:
        op: 'I', 'U' or 'D'. A row whose key or unique column moves is a 'D' and an 'I'.
        row: the row after it, of a delete the row before it. Somebody who saw a change gives the
            columns he knows: `id` always, `version` unless it is a delete.
        group: changes of one group come from one step of one statement, in any order.
    """

    op: str
    row: Row
    group: int = 0

    @property
    def token(self) -> _Token:
        """Return what tells a change from all others of its table, but for repeated deletes."""
        return self.op, self.row[ID], None if self.op == "D" else self.row[VERSION]


class Commit(Struct, frozen=True):
    """A committed transaction: its changes by table, in order."""

    changes: Mapping[str, Sequence[Change]]


class Findings(Struct, frozen=True, kw_only=True):
    """How what was seen differs from what was committed.

    Attributes:
        lost: changes committed but not seen.
        doubled: changes seen more often than committed, or never committed.
        wrong: changes whose values differ.
        disordered: transactions whose changes came in another order, or in parts.
        examples: a few of them in words.
    """

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    disordered: int = 0
    examples: tuple[str, ...] = ()

    @property
    def are_none(self) -> bool:
        """Return whether nothing differs."""
        return not (self.lost or self.doubled or self.wrong or self.disordered)


def commits_of(history: Iterable[Commit], table: str) -> list[Sequence[Change]]:
    """Return the transactions that changed a table, in the order of their commits."""
    return [changes for commit in history if (changes := commit.changes.get(table))]


def compare(committed: Sequence[Sequence[Change]], seen: Sequence[Sequence[Change]]) -> Findings:
    """Hold the transactions of one table, as seen, against those committed.

    Args:
        committed: of one table, in the order of commits: see `commits_of`.
        seen: the same as somebody read them, grouped by commit.
    """
    expected = Counter(c.token for changes in committed for c in changes)
    found = Counter(c.token for changes in seen for c in changes)
    lost, doubled = expected - found, found - expected
    wrong = _wrong(committed, seen)
    disordered = [] if lost or doubled else _disordered(committed, seen)
    examples = [f"lost {token}" for token in list(lost)[:_SHOWN]]
    examples += [f"doubled {token}" for token in list(doubled)[:_SHOWN]]
    examples += wrong[:_SHOWN] + disordered[:_SHOWN]
    return Findings(
        lost=lost.total(),
        doubled=doubled.total(),
        wrong=len(wrong),
        disordered=len(disordered),
        examples=tuple(examples),
    )


def _wrong(committed: Sequence[Sequence[Change]], seen: Sequence[Sequence[Change]]) -> list[str]:
    """Compare the values of inserts and updates, which have names of their own: their tokens."""
    known = {c.token: c.row for changes in committed for c in changes if c.op != "D"}
    return [
        f"{change.token} has {name} = {value!r}, not {row.get(name)!r}"
        for changes in seen
        for change in changes
        if (row := known.get(change.token)) is not None
        for name, value in change.row.items()
        if row.get(name) != value
    ]


def _disordered(
    committed: Sequence[Sequence[Change]], seen: Sequence[Sequence[Change]]
) -> list[str]:
    if len(committed) != len(seen):
        return [f"{len(committed)} transactions came as {len(seen)}"]
    return [
        f"transaction {number} of {len(committed)} came in another order or in parts"
        for number, (ours, theirs) in enumerate(zip(committed, seen, strict=True), 1)
        if not _same_order(ours, theirs)
    ]


def _same_order(ours: Sequence[Change], theirs: Sequence[Change]) -> bool:
    """Return whether each group of changes is together, and the groups are in order."""
    if len(ours) != len(theirs):
        return False
    groups: dict[int, list[_Token]] = {}
    for change in ours:
        groups.setdefault(change.group, []).append(change.token)
    at = 0
    for tokens in groups.values():
        if Counter(tokens) != Counter(c.token for c in theirs[at : at + len(tokens)]):
            return False
        at += len(tokens)
    return True
