"""Tables that keep every version of their rows: the statements that continue them.

    _DTAAS_VALID_FROM   when the version came: its transaction's commit at the source, or when the
                        load began that found it, in UTC
    _DTAAS_VALID_TO     when it was replaced or deleted, NULL while it is current
    _DTAAS_CURRENT      whether it is
    _DTAAS_POSITION     log position of the transaction that made it, or of the load

Each statement closes versions and adds new ones at once. Its source has two rows for a version that
takes another one's place: one that matches what is closed, and one that matches nothing.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from dtaas.connectors.history import Step
from dtaas.connectors.snowflake.layout import (
    CURRENT,
    POSITION,
    VALID_FROM,
    VALID_TO,
    TargetColumn,
    names_of,
)
from dtaas.connectors.snowflake.names import quoted, text
from dtaas.connectors.snowflake.statements import OP, keep_flag

FROM: Final = '"__DTAAS_FROM"'
TO: Final = '"__DTAAS_TO"'
AT: Final = '"__DTAAS_AT"'
STAGED: Final = (
    f"{FROM} TIMESTAMP_NTZ(6)",
    f"{TO} TIMESTAMP_NTZ(6)",
    f"{AT} VARCHAR(20)",
)
"""What a window's temporary table has beside the rows."""
_PRIOR: Final = '"__DTAAS_PRIOR"'
_OWN: Final = ", ".join(quoted(name) for name in (VALID_FROM, VALID_TO, CURRENT, POSITION))
_FROM, _TO, _CURRENT = quoted(VALID_FROM), quoted(VALID_TO), quoted(CURRENT)


def moment(at: datetime | None) -> str:
    """Return an expression of a time in UTC; of now where there is none."""
    if at is None:
        return "TO_TIMESTAMP_NTZ(CURRENT_TIMESTAMP())"
    plain = at.astimezone(UTC).replace(tzinfo=None)
    return f"'{plain.isoformat(' ', 'microseconds')}'::TIMESTAMP_NTZ(6)"


def first_values(at: datetime | None, position: str) -> dict[str, str]:
    """Return what our columns hold in a table that a load makes."""
    return {VALID_FROM: moment(at), VALID_TO: "NULL", CURRENT: "TRUE", POSITION: text(position)}


def merge_versions(
    table: str,
    staging: str,
    columns: Sequence[TargetColumn],
    key: Sequence[str],
    kept: Collection[str],
    *,
    within: str,
    bounds: tuple[str, str] | None,
) -> str:
    """Return MERGE of a window's `versions`.

    Args:
        within: the condition of the transaction, as for `merge`.
        kept: source names of columns of which some rows keep the closed version's value.
        bounds: literals between which the first key column of all rows lies, as for `merge`.
    """
    by_source = {c.source: c for c in columns}
    keys = [by_source[name] for name in key]
    casts = {c.source: c.stored.cast.format(c=f"S.{c.name}") for c in columns}

    def matched(alias: str) -> str:
        terms = [f"{alias}.{c.name} = {casts[c.source]}" for c in keys]
        terms.append(f"{alias}.{_CURRENT}")
        if bounds is not None:
            terms.append(f"{alias}.{keys[0].name} BETWEEN {bounds[0]} AND {bounds[1]}")
        return " AND ".join(terms)

    priors = [f"P.{_FROM} AS {_PRIOR}"]
    values = []
    for i, column in enumerate(columns):
        value = casts[column.source]
        if column.source in kept:
            priors.append(f"P.{column.name} AS {_prior(i)}")
            value = f"CASE WHEN S.{keep_flag(i)} THEN S.{_prior(i)} ELSE {value} END"
        values.append(value)
    return _merge(
        table,
        f"SELECT S.*, {', '.join(priors)} FROM {staging} AS S LEFT JOIN {table} AS P"
        f" ON {matched('P')} WHERE {within}",
        matched("T"),
        names_of(columns),
        values,
    )


def merge_load(
    table: str,
    staging: str,
    columns: Sequence[TargetColumn],
    key: Sequence[str],
    *,
    within: str,
    at: datetime | None,
    position: str,
) -> str:
    """Return MERGE of a whole load: rows that differ get a version, rows that are gone are closed.

    Args:
        within: the condition of the transaction, as for `merge`.
        at: when the load began.
        position: of the source, as the load found it.
    """
    keys = [c for c in columns if c.source in key]
    casts = {c.source: c.stored.cast.format(c=f"S.{c.name}") for c in columns}
    joined = " AND ".join([f"P.{c.name} = {casts[c.source]}" for c in keys] + [f"P.{_CURRENT}"])
    differs = " OR ".join(
        f"{c.stored.read.format(c=f'P.{c.name}')} IS DISTINCT FROM"
        f" {c.stored.read.format(c=casts[c.source])}"
        for c in columns
    )
    own = f"{moment(at)} AS {FROM}, {{to}} AS {TO}, {text(position)} AS {AT}, {{prior}} AS {_PRIOR}"
    gone = ", ".join(f"P.{c.name}" for c in columns)
    came = ", ".join(f"{casts[c.source]} AS {c.name}" for c in columns)
    close = own.format(to=moment(at), prior=f"P.{_FROM}")
    add = own.format(to="NULL", prior=f"P.{_FROM}")
    source = (
        f"SELECT {text(Step.CLOSE)} AS {OP}, {gone}, {close} FROM {table} AS P"
        f" LEFT JOIN {staging} AS S ON {joined} WHERE P.{_CURRENT} AND ({differs})"
        f" AND {within}"
        f" UNION ALL SELECT {text(Step.VERSION)} AS {OP}, {came}, {add} FROM {staging} AS S"
        f" LEFT JOIN {table} AS P ON {joined} WHERE (P.{_CURRENT} IS NULL OR ({differs}))"
        f" AND {within}"
    )
    on = " AND ".join([f"T.{c.name} = S.{c.name}" for c in keys] + [f"T.{_CURRENT}"])
    return _merge(table, source, on, names_of(columns), [f"S.{c.name}" for c in columns])


def _merge(table: str, source: str, on: str, names: str, values: Sequence[str]) -> str:
    """Return MERGE of steps. No version ends before it began, whatever the clocks say."""
    since = f"GREATEST(S.{FROM}, COALESCE(S.{_PRIOR}, S.{FROM}))"
    until = (
        f"CASE WHEN S.{TO} IS NULL THEN NULL"
        f" ELSE GREATEST(S.{TO}, COALESCE(S.{_PRIOR}, S.{TO})) END"
    )
    return (
        f"MERGE INTO {table} AS T USING ({source}) AS S ON S.{OP} = {text(Step.CLOSE)} AND {on}"
        f" WHEN MATCHED THEN UPDATE SET {_TO} = GREATEST(T.{_FROM}, S.{TO}), {_CURRENT} = FALSE"
        f" WHEN NOT MATCHED AND S.{OP} = {text(Step.VERSION)} THEN INSERT ({names}, {_OWN})"
        f" VALUES ({', '.join(values)}, {since}, {until}, S.{TO} IS NULL, S.{AT})"
    )


def _prior(number: int) -> str:
    return f'"__DTAAS_PRIOR_{number}"'
