"""What a history lost, doubled, falsified or put out of order. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from dtaas.sandbox.workload.columns import Value
from dtaas.sandbox.workload.history import Change, Findings, Row, compare

_SHOWN = 5


class Verdict(Struct, frozen=True, kw_only=True):
    """Counts over the tables of a history; see `Findings` for what they count.

    Attributes:
        stuck: why it did not come to its end, '' when it did.
    """

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    disordered: int = 0
    stuck: str = ""
    examples: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Return whether everything arrived once, whole and in order."""
        return not (self.lost or self.doubled or self.wrong or self.disordered or self.stuck)

    def with_(self, other: "Verdict") -> "Verdict":
        """Return both together."""
        return Verdict(
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            wrong=self.wrong + other.wrong,
            disordered=self.disordered + other.disordered,
            stuck=self.stuck or other.stuck,
            examples=(*self.examples, *other.examples),
        )


def of_rows(name: str, expected: Mapping[int, Row], found: Mapping[int, Row]) -> Verdict:
    """Compare the rows of a table as they ended."""
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    wrong = [
        f"{name}: row {id_}.{column} is {found[id_].get(column)!r}, not {value!r}"
        for id_ in sorted(expected.keys() & found.keys())
        for column, value in expected[id_].items()
        if found[id_].get(column) != value
    ]
    examples = [f"{name}: row {id_} is missing" for id_ in sorted(missing)[:_SHOWN]]
    examples += [f"{name}: row {id_} is too many" for id_ in sorted(extra)[:_SHOWN]]
    return Verdict(
        lost=len(missing),
        doubled=len(extra),
        wrong=len(wrong),
        examples=(*examples, *wrong[:_SHOWN]),
    )


def of_changes(
    name: str,
    committed: Sequence[Sequence[Change]],
    seen: Sequence[Sequence[Change]],
    *,
    since_load: bool,
) -> Verdict:
    """Compare the changes of a table.

    Args:
        since_load: a load saw some of the first changes, so that they need not come again.
    """
    if since_load:
        committed = committed[_first_seen(committed, seen) :]
    found: Findings = compare(committed, seen)
    return Verdict(
        lost=found.lost,
        doubled=found.doubled,
        wrong=found.wrong,
        disordered=found.disordered,
        examples=tuple(f"{name}: {example}" for example in found.examples),
    )


def _first_seen(committed: Sequence[Sequence[Change]], seen: Sequence[Sequence[Change]]) -> int:
    """Return which transaction the first one seen is, by a change that has a name of its own."""
    places: dict[tuple[str, Value, Value], int] = {
        change.token: number
        for number, changes in enumerate(committed)
        for change in changes
        if change.op != "D"
    }
    for number, changes in enumerate(seen):
        for change in changes:
            if change.token in places:
                return max(0, places[change.token] - number)
    return len(committed) - len(seen) if len(seen) <= len(committed) else 0
