"""Which column a table's watermark is: the one the user named, or the only one that will do."""

from collections.abc import Collection
from typing import Final

from dtaas.connectors.sqlserver.catalog import SqlTable
from dtaas.connectors.sqlserver.incremental.values import is_moment, is_number, is_rowversion
from dtaas.connectors.sqlserver.quoting import identifier
from dtaas.connectors.sqlserver.types import SqlColumn, declaration
from dtaas.model.errors import WatermarkNeededError
from dtaas.model.watermark import Watermark, WatermarkKind

_FITS: Final = {
    WatermarkKind.ROWVERSION: (is_rowversion, "a rowversion"),
    WatermarkKind.KEY: (is_number, "a whole number of at most 64 bits"),
    WatermarkKind.MODIFIED_AT: (
        is_moment,
        "a datetime, datetime2, smalldatetime or datetimeoffset",
    ),
}


def choose(
    table: SqlTable, wanted: Watermark | None, *, identities: Collection[str], field: str
) -> tuple[SqlColumn, WatermarkKind, Watermark]:
    """Return a table's watermark column and its kind.

    Args:
        identities: names of the table's identity columns.
        field: path of the setting, for the error.

    Raises:
        WatermarkNeededError: see the port.
    """
    wanted = wanted or _default(table, identities, field)
    found = {c.name: c for c in table.columns}
    column = found.get(wanted.column)
    if column is None:
        raise WatermarkNeededError(
            f"Table {table.ref} has no column {wanted.column!r} to be its watermark.",
            hint=f"Name one of: {', '.join(found)}.",
            field=f"{field}.column",
        )
    kind = wanted.kind or _kind(column)
    if kind is None or not _FITS[kind][0](column):
        needed = " or ".join(_FITS[k][1] for k in ([kind] if kind else WatermarkKind))
        raise WatermarkNeededError(
            f"Column {identifier(column.name)} of {table.ref} is {declaration(column)}: "
            f"as {kind or 'a watermark'} it must be {needed}.",
            hint=_advice(table, identities),
            field=f"{field}.column",
        )
    if column.nullable and kind is not WatermarkKind.ROWVERSION:
        raise WatermarkNeededError(
            f"Column {identifier(column.name)} of {table.ref} may be NULL: such rows would never "
            "be seen.",
            hint="Make it NOT NULL, or load a view that puts another column's value in its place.",
            field=f"{field}.column",
        )
    return column, kind, wanted


def _default(table: SqlTable, identities: Collection[str], field: str) -> Watermark:
    versions = [c.name for c in table.columns if is_rowversion(c)]
    if versions:
        return Watermark(column=versions[0])
    keys = [c.name for c in table.columns if c.name in identities and is_number(c)]
    if len(keys) == 1 and not any(is_moment(c) for c in table.columns):
        return Watermark(column=keys[0])
    raise WatermarkNeededError(
        f"It is not clear which column of {table.ref} tells new rows from old ones.",
        hint=_advice(table, identities),
        field=field,
    )


def _kind(column: SqlColumn) -> WatermarkKind | None:
    return next((kind for kind, (fits, _) in _FITS.items() if fits(column)), None)


def _advice(table: SqlTable, identities: Collection[str]) -> str:
    """Return what to write, or what to add to the table when nothing will do."""
    usable = [
        c.name
        for c in table.columns
        if is_rowversion(c) or (is_moment(c) and not c.nullable) or c.name in identities
    ]
    if not usable:
        return (
            "Add a rowversion column to the table, or name an ascending key in table_mappings: "
            '"watermark": {"column": …, "kind": "key"}.'
        )
    return (
        f"Name it in table_mappings, such as "
        f'"watermark": {{"column": "{usable[0]}"}}; there are: {", ".join(usable)}.'
    )
