"""Versions of rows, as a window's changes make them."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from dtaas.connectors.fold import folded
from dtaas.connectors.history import VALID_FROM, VALID_TO, Step, committed_key, versions
from dtaas.model.changes import COMMIT_TIME, LSN, OP, UNCHANGED
from tests.contract.history_model import (
    BEGAN,
    UNLOGGED,
    History,
    Transaction,
    Values,
    Version,
    batches_of,
    random_transaction,
)
from tests.contract.merging_destination import SCHEMA

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def steps_of(
    transactions: list[Transaction], *, pieces: int = 1, otherwise: datetime = NOON
) -> list[dict[str, Any]]:
    """Fold as a writer does, piece by piece, and return the steps."""
    rows: pa.Table | None = None
    for n in range(pieces):
        size = -(-len(transactions) // pieces)
        part = pa.Table.from_batches([batches_of(SCHEMA, transactions[n * size : (n + 1) * size])])
        whole = part if rows is None else pa.concat_tables([rows, part])
        rows = folded(whole, committed_key(SCHEMA.key))
    assert rows is not None
    return versions(rows, SCHEMA.key, otherwise=otherwise).to_pylist()


def applied(held: list[Version], steps: list[dict[str, Any]]) -> list[Version]:
    """Do to versions what a destination does with steps."""
    now = {v.key: v for v in held if v.current}
    result = [v for v in held if not v.current]
    prior = dict(now)
    for step in steps:
        key = step["id"]
        if step[OP] == Step.CLOSE:
            old = now.pop(key, None)
            if old is not None:
                until = max(step[VALID_TO], old.valid_from)
                result.append(Version(key, old.position, old.values, old.valid_from, until))
    result += now.values()
    for step in steps:
        if step[OP] != Step.VERSION:
            continue
        values = [step[c.name] for c in SCHEMA.columns]
        old = prior.get(step["id"])
        if step[UNCHANGED]:
            assert step[UNCHANGED] == UNLOGGED
            values[2] = old.values[2] if old else None
        floor = old.valid_from if old else step[VALID_FROM]
        until = step[VALID_TO]
        result.append(
            Version(
                step["id"],
                step[LSN],
                tuple(values),
                max(step[VALID_FROM], floor),
                None if until is None else max(until, floor),
            )
        )
    return sorted(result)


@pytest.mark.parametrize("seed", range(40))
def test_any_changes_make_the_history_plain_python_makes(seed: int) -> None:
    dice = random.Random(seed)
    loaded: list[Values] = [(i, f"n{i}", f"b{i}", None) for i in range(6)]
    history, state = History(loaded, "00"), {row[0]: row for row in loaded}
    held, number = history.versions(), 0
    for _ in range(5):
        window = []
        for _ in range(dice.randint(1, 12)):
            number += 1
            window.append(random_transaction(dice, number, state))
            history.commit(window[-1])
        held = applied(held, steps_of(window, pieces=dice.randint(1, 3)))
        assert held == history.versions()
    assert {v.key: v.values for v in held if v.current} == state


def test_a_transaction_leaves_one_version_or_none() -> None:
    steps = steps_of(
        [
            Transaction(
                2,
                [
                    ("I", (1, "a", "x", None), None),
                    ("U", (1, "b", None, None), UNLOGGED),
                    ("I", (2, "gone", "y", None), None),
                    ("D", (2, None, None, None), None),
                ],
            )
        ]
    )
    made = [s for s in steps if s[OP] == Step.VERSION]
    assert [(s["id"], s['odd "name"'], s["body"], s[UNCHANGED]) for s in made] == [
        (1, "b", "x", None)
    ]
    assert sorted(s["id"] for s in steps if s[OP] == Step.CLOSE) == [1, 2]


def test_times_of_a_row_never_fall_and_missing_ones_are_given() -> None:
    rows = batches_of(
        SCHEMA,
        [Transaction(n, [("U", (1, f"v{n}", "b", None), None)]) for n in (10, 20, 30)],
    )
    times = [BEGAN + timedelta(seconds=9), None, BEGAN]
    place = rows.schema.get_field_index(COMMIT_TIME)
    rows = rows.set_column(
        place, rows.schema.field(place), pa.array(times, rows.schema.field(place).type)
    )
    otherwise = (BEGAN + timedelta(seconds=5)).replace(tzinfo=UTC)
    steps = versions(pa.Table.from_batches([rows]), SCHEMA.key, otherwise=otherwise).to_pylist()
    nine = BEGAN + timedelta(seconds=9)
    assert [(s[OP], s[VALID_FROM], s[VALID_TO]) for s in steps] == [
        ("C", None, nine),
        ("V", nine, nine),
        ("V", nine, nine),
        ("V", nine, None),
    ]


def test_nothing_changes_nothing() -> None:
    assert steps_of([]) == []
