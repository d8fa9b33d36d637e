"""What a judge of histories finds, in rows and in changes."""

from collections.abc import Sequence

from dtaas.sandbox.chaos.verdict import Verdict, of_changes, of_rows
from dtaas.sandbox.workload.history import Change, commits_of
from dtaas.sandbox.workload.workload import Mix, Workload


def committed() -> list[Sequence[Change]]:
    workload = Workload(5, tables=1, mix=Mix(alter=0))
    for _ in range(200):
        workload.step()
    workload.finish()
    return commits_of(workload.history, "w1")


def judged(seen: Sequence[Sequence[Change]], *, since_load: bool = False) -> Verdict:
    return of_changes("w1", committed(), seen, since_load=since_load)


def test_everything_once_is_clean() -> None:
    assert judged(committed()).is_clean


def test_a_lost_and_a_doubled_change_are_found() -> None:
    seen = [list(changes) for changes in committed()]
    gone = seen[3].pop()
    verdict = judged(seen)
    assert (verdict.lost, verdict.doubled) == (1, 0)
    assert str(gone.token) in verdict.examples[0]
    seen = [*committed(), committed()[-1][-1:]]
    verdict = judged(seen)
    assert (verdict.lost, verdict.doubled) == (0, 1)


def test_transactions_in_another_order_are_found() -> None:
    seen = committed()
    seen[2], seen[3] = seen[3], seen[2]
    assert judged(seen).disordered


def test_what_a_load_has_seen_need_not_come_again() -> None:
    seen = committed()[5:]
    assert judged(seen).lost
    assert judged(seen, since_load=True).is_clean
    assert judged([], since_load=True).is_clean


def test_what_is_lost_after_a_load_is_found() -> None:
    seen = committed()[5:]
    del seen[4]
    assert judged(seen, since_load=True).lost


def test_rows_are_missing_extra_or_wrong() -> None:
    expected = {1: {"id": 1, "n": 1}, 2: {"id": 2, "n": 2}, 3: {"id": 3, "n": 3}}
    found = {2: {"id": 2, "n": 0}, 3: {"id": 3, "n": 3}, 4: {"id": 4, "n": 4}}
    verdict = of_rows("w1", expected, found)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (1, 1, 1)
    assert verdict.examples == (
        "w1: row 1 is missing",
        "w1: row 4 is too many",
        "w1: row 2.n is 0, not 2",
    )
    assert of_rows("w1", expected, expected).is_clean


def test_verdicts_add_up() -> None:
    both = Verdict(lost=1, examples=("a",)).with_(Verdict(lost=2, stuck="why", examples=("b",)))
    assert both == Verdict(lost=3, stuck="why", examples=("a", "b"))
    assert not both.is_clean
    assert not Verdict(stuck="why").is_clean
