"""The workload generator: repeatable, never waiting, and right about what must come of it."""

from collections import Counter

import pytest

from dtaas.sandbox.workload.names import ID
from dtaas.sandbox.workload.workload import Mix, Step, Workload

SEEDS = range(12)
KINDS = ("BEGIN", "COMMIT", "ROLLBACK TRANSACTION", "SAVE", "INSERT", "UPDATE", "DELETE", "ALTER")


def played(seed: int, steps: int = 400, mix: Mix | None = None) -> tuple[Workload, list[Step]]:
    workload = Workload(seed, mix=mix or Mix(huge_rows=100))
    done = [workload.step() for _ in range(steps)]
    return workload, done + workload.finish()


def test_the_same_seed_makes_the_same_steps() -> None:
    (one, first), (two, second) = played(7), played(7)
    assert one.setup() == two.setup()
    assert first == second
    assert one.history == two.history


def test_other_seeds_make_other_steps() -> None:
    assert played(1)[1] != played(2)[1]


def test_every_kind_of_step_comes() -> None:
    steps = [step.sql for seed in SEEDS for step in played(seed)[1]]
    missing = [kind for kind in KINDS if not any(sql.startswith(kind) for sql in steps)]
    assert not missing
    assert any("ROLLBACK TRANSACTION middle" in sql for sql in steps)
    assert any("DROP COLUMN" in sql for sql in steps)
    assert any(
        sql.startswith("UPDATE") and "SET version" in sql and "id = id +" in sql for sql in steps
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_history_played_again_gives_the_final_rows(seed: int) -> None:
    """Rolled back work must be in neither; rows are compared on the columns both have."""
    workload, _ = played(seed)
    for name, table in workload.tables.items():
        rows: dict[object, dict[str, object]] = {}
        for commit in workload.history:
            for change in commit.changes.get(name, ()):
                if change.op == "D":
                    del rows[change.row[ID]]
                else:
                    assert (change.op == "U") == (change.row[ID] in rows)
                    rows[change.row[ID]] = dict(change.row)
        final = workload.rows(name)
        assert rows.keys() == final.keys()
        for id_, row in final.items():
            assert {n: rows[id_].get(n) for n in table.columns} == row


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_has_a_name_of_its_own(seed: int) -> None:
    workload, _ = played(seed)
    for name in workload.tables:
        tokens = Counter(
            change.token
            for commit in workload.history
            for change in commit.changes.get(name, ())
            if change.op != "D"
        )
        assert not [token for token, count in tokens.items() if count > 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_sessions_never_write_what_another_has_written_and_not_committed(seed: int) -> None:
    workload = Workload(seed, sessions=4, mix=Mix(huge_rows=100))
    for _ in range(400):
        before = {n: (dict(t.owners), t.sole_user) for n, t in workload.tables.items()}
        step = workload.step()
        for name, table in workload.tables.items():
            owners, sole_user = before[name]
            new = {i for i, s in table.owners.items() if s == step.session}
            assert not [i for i in new if owners.get(i, step.session) != step.session]
            if f"dbo.{name} " in step.sql or f"dbo.{name} (" in step.sql:
                assert sole_user in {None, step.session}


def test_overlapping_transactions_commit_in_another_order() -> None:
    _, steps = played(3)
    begun = [s.session for s in steps if s.sql.startswith("BEGIN")]
    ended = [s.session for s in steps if s.sql in {"COMMIT TRANSACTION", "ROLLBACK TRANSACTION"}]
    assert len(begun) == len(ended)
    assert begun != ended


def test_columns_are_altered_only_where_no_transaction_is_open() -> None:
    mix = Mix(alter=5, huge_rows=100)
    for seed in SEEDS:
        workload = Workload(seed, mix=mix)
        for _ in range(200):
            users = {name: set(table.users) for name, table in workload.tables.items()}
            step = workload.step()
            if step.alters:
                assert not users[step.alters]


@pytest.mark.parametrize("seed", SEEDS)
def test_rising_tables_take_every_commit_behind_all_that_is_there(seed: int) -> None:
    workload, steps = played(seed, mix=Mix(rising=True, alter=0.5, huge=0.5, huge_rows=100))
    highest = dict.fromkeys(workload.tables, 0)
    for commit in workload.history:
        for name, changes in commit.changes.items():
            ids = [change.row[ID] for change in changes]
            assert {change.op for change in changes} == {"I"}
            assert all(isinstance(id_, int) and id_ > highest[name] for id_ in ids)
            highest[name] = max(ids)  # type: ignore[type-var, assignment]
    assert sum(highest.values()) > 100
    assert len({step.session for step in steps if step.sql.startswith("COMMIT")}) == 3
    assert all(table.key in {(), (ID,)} for table in workload.tables.values())
