import pytest

from dtaas.model.drift import (
    Difference,
    DriftPolicy,
    SchemaChangeKind,
    SchemaChangeState,
    decided,
    differences,
    schema_diff,
    values_fit,
)
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Binary, ColumnType, Decimal, Float, Integer, String, Timestamp

TABLE = TableRef("dbo", "t")
ID = Column(name="id", type=Integer(32), nullable=False, native_type="int")
NAME = Column(name="name", type=String(10), nullable=True, native_type="nvarchar(10)")
WIDE = Column(name="name", type=String(20), nullable=True, native_type="nvarchar(20)")
OTHER = Column(name="other", type=Integer(64), nullable=True, native_type="bigint")
K, S, P = SchemaChangeKind, SchemaChangeState, DriftPolicy


def table(*columns: Column, key: tuple[str, ...] = ("id",)) -> TableSchema:
    return TableSchema(table=TABLE, columns=columns, key=key)


def native(declared: str) -> Column:
    return Column(name="name", type=NAME.type, nullable=True, native_type=declared)


@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        (table(ID, NAME), []),
        (table(NAME, ID), []),
        (table(ID, NAME, OTHER), [(K.COLUMN_ADDED, "other")]),
        (table(ID), [(K.COLUMN_DROPPED, "name")]),
        (table(ID, WIDE), [(K.TYPE_CHANGED, "name")]),
        (table(ID, native("sysname")), [(K.TYPE_CHANGED, "name")]),
        (table(ID, NAME, key=()), [(K.KEY_CHANGED, None)]),
        (table(ID, OTHER), [(K.COLUMN_ADDED, "other"), (K.COLUMN_DROPPED, "name")]),
        (
            table(
                ID, Column(name="title", type=NAME.type, nullable=True, native_type="nvarchar(10)")
            ),
            [(K.COLUMN_RENAMED, "title")],
        ),
        (
            table(
                ID, Column(name="name", type=NAME.type, nullable=False, native_type="nvarchar(10)")
            ),
            [(K.NULLABILITY_CHANGED, "name")],
        ),
    ],
)
def test_differences_are_named_by_kind(
    after: TableSchema, kinds: list[tuple[SchemaChangeKind, str | None]]
) -> None:
    found = differences(table(ID, NAME), after)
    assert [(d.kind, d.column) for d in found] == kinds


def test_versions_are_compared_by_name() -> None:
    diff = schema_diff((ID, NAME), (WIDE, OTHER))
    assert (diff.added, diff.dropped) == ((OTHER,), (ID,))
    assert [(c.column, c.before, c.after) for c in diff.changed] == [("name", NAME, WIDE)]


ADDED = Difference(kind=K.COLUMN_ADDED, column="other", after=OTHER)
DROPPED = Difference(kind=K.COLUMN_DROPPED, column="name", before=NAME)
RENAMED = Difference(kind=K.COLUMN_RENAMED, column="title", before=NAME, after=NAME)
WIDENED = Difference(kind=K.TYPE_CHANGED, column="name", before=NAME, after=WIDE)
ALIKE = Difference(kind=K.TYPE_CHANGED, column="name", before=NAME, after=native("sysname"))
NARROWED = Difference(kind=K.TYPE_CHANGED, column="name", before=WIDE, after=NAME)
NULLED = Difference(kind=K.NULLABILITY_CHANGED, column="name", before=NAME, after=NAME)
KEYED = Difference(kind=K.KEY_CHANGED, key=(("id",), ()))
GONE = Difference(kind=K.TABLE_DROPPED)

TABLE_OF_DECISIONS = {
    P.EVOLVE: [S.APPLIED] * 8 + [S.FAILED],
    P.ADD_COLUMNS_ONLY: [
        S.APPLIED, S.IGNORED, S.APPLIED, S.FAILED, S.APPLIED, S.APPLIED, S.IGNORED, S.FAILED,
        S.FAILED,
    ],
    P.IGNORE: [
        S.IGNORED, S.IGNORED, S.IGNORED, S.FAILED, S.APPLIED, S.APPLIED, S.IGNORED, S.FAILED,
        S.FAILED,
    ],
    P.PAUSE: [S.PENDING] * 8 + [S.FAILED],
    P.FAIL: [S.FAILED] * 9,
}  # fmt: skip
EVERY = (ADDED, DROPPED, RENAMED, WIDENED, ALIKE, NARROWED, NULLED, KEYED, GONE)


@pytest.mark.parametrize("policy", DriftPolicy)
def test_every_kind_is_decided_by_every_policy(policy: DriftPolicy) -> None:
    found = [decided(policy, one, approval=False) for one in EVERY]
    assert [state for state, _ in found] == TABLE_OF_DECISIONS[policy]
    assert all(note for state, note in found if state is not S.APPLIED)


@pytest.mark.parametrize("policy", [P.EVOLVE, P.ADD_COLUMNS_ONLY])
def test_what_changes_a_destination_waits_for_approval(policy: DriftPolicy) -> None:
    plain = [decided(policy, one, approval=False)[0] for one in EVERY]
    asked = [decided(policy, one, approval=True)[0] for one in EVERY]
    harmless = {DROPPED, ALIKE, NARROWED, NULLED}
    for one, before, now in zip(EVERY, plain, asked, strict=True):
        waits = before is S.APPLIED and one not in harmless
        assert now is (S.PENDING if waits else before), one.kind


def test_what_a_destination_cannot_do_is_named() -> None:
    state, note = decided(P.EVOLVE, WIDENED, approval=True, impossible="It holds numbers.")
    assert (state, note) == (S.FAILED, "It holds numbers.")
    assert decided(P.IGNORE, ADDED, approval=False, impossible="x")[0] is S.IGNORED


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (Integer(64), Integer(16)),
        (Decimal(20, 4), Decimal(10, 4)),
        (String(None), String(10)),
        (String(20), String(10)),
        (Binary(None), Binary(8)),
        (Binary(16), Binary(8)),
        (Float(64), Float(32)),
    ],
)
def test_a_narrower_type_fits_and_a_wider_does_not(wide: ColumnType, narrow: ColumnType) -> None:
    assert values_fit(changed(wide, narrow))
    assert values_fit(changed(wide, wide))
    assert not values_fit(changed(narrow, wide))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Decimal(20, 4), Decimal(20, 2)),
        (Integer(64), String(10)),
        (String(40), Integer(16)),
        (Timestamp(7), Timestamp(3)),  # another form, though every value is one of the other
        (Binary(40), String(4)),
    ],
)
def test_another_form_does_not_fit(before: ColumnType, after: ColumnType) -> None:
    assert not values_fit(changed(before, after))


def changed(before: ColumnType, after: ColumnType) -> Difference:
    old, new = (Column(name="c", type=t, nullable=True, native_type="") for t in (before, after))
    return Difference(kind=K.TYPE_CHANGED, column="c", before=old, after=new)


def test_what_does_not_fit_a_destination_after_all_is_refused() -> None:
    """A destination that sees two kinds where the model sees one has the last word."""
    state, note = decided(P.EVOLVE, NARROWED, approval=False, impossible="It is another kind.")
    assert (state, note) == (S.FAILED, "It is another kind.")
