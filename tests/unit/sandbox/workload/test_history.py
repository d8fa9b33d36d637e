"""The comparison of what was committed with what was seen finds what is planted."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from dtaas.sandbox.workload.history import Change, Findings, commits_of, compare
from dtaas.sandbox.workload.workload import Mix, Workload

Commits = list[list[Change]]


@pytest.fixture(params=range(6))
def committed(request: pytest.FixtureRequest) -> Commits:
    workload = Workload(request.param, mix=Mix(huge_rows=50))
    for _ in range(300):
        workload.step()
    workload.finish()
    return [list(changes) for changes in commits_of(workload.history, "w1")]


def copied(commits: Sequence[Sequence[Change]]) -> Commits:
    return [list(changes) for changes in commits]


def index_of(commits: Commits, op: str) -> tuple[int, int]:
    return next(
        (n, at) for n, changes in enumerate(commits) for at, c in enumerate(changes) if c.op == op
    )


def test_nothing_is_found_where_nothing_is_wrong(committed: Commits) -> None:
    assert compare(committed, copied(committed)).are_none


def test_rows_of_one_step_may_come_in_any_order(committed: Commits) -> None:
    seen = [sorted(changes, key=lambda c: (c.group, str(c.token))) for changes in committed]
    assert compare(committed, seen).are_none


@pytest.mark.parametrize("op", ["I", "U", "D"])
def test_a_lost_change_is_found(committed: Commits, op: str) -> None:
    seen = copied(committed)
    number, at = index_of(seen, op)
    token = seen[number].pop(at).token
    found = compare(committed, seen)
    assert (found.lost, found.doubled, found.wrong) == (1, 0, 0)
    assert found.examples == (f"lost {token}",)


@pytest.mark.parametrize("op", ["I", "U", "D"])
def test_a_doubled_change_is_found(committed: Commits, op: str) -> None:
    seen = copied(committed)
    number, at = index_of(seen, op)
    seen[number].insert(at, seen[number][at])
    found = compare(committed, seen)
    assert (found.lost, found.doubled, found.wrong) == (0, 1, 0)


def test_a_doubled_transaction_is_found(committed: Commits) -> None:
    found = compare(committed, [*copied(committed), committed[0]])
    assert (found.lost, found.doubled) == (0, len(committed[0]))


def test_a_wrong_value_is_found(committed: Commits) -> None:
    seen = copied(committed)
    number, at = index_of(seen, "U")
    change = seen[number][at]
    name = next(n for n in change.row if n.startswith("c"))
    seen[number][at] = replace(change, row={**change.row, name: "planted"})
    assert compare(committed, seen) == Findings(
        wrong=1, examples=(f"{change.token} has {name} = 'planted', not {change.row[name]!r}",)
    )


def test_columns_nobody_read_are_not_compared(committed: Commits) -> None:
    seen = [
        [replace(c, row={n: c.row[n] for n in ("id", "version")}) for c in changes]
        for changes in committed
    ]
    assert compare(committed, seen).are_none


def test_swapped_transactions_are_found(committed: Commits) -> None:
    seen = copied(committed)
    seen[0], seen[1] = seen[1], seen[0]
    found = compare(committed, seen)
    assert found.disordered >= 1
    assert (found.lost, found.doubled, found.wrong) == (0, 0, 0)


def test_a_transaction_in_parts_is_found(committed: Commits) -> None:
    seen = copied(committed)
    number = next(n for n, changes in enumerate(seen) if len(changes) > 1)
    seen[number : number + 1] = [seen[number][:1], seen[number][1:]]
    assert compare(committed, seen).disordered == 1


def test_an_insert_before_its_delete_is_found() -> None:
    gone = Change("D", {"id": 1, "version": 1}, 4)
    come = Change("I", {"id": 1, "version": 2}, 5)
    assert compare([[gone, come]], [[come, gone]]).disordered == 1
