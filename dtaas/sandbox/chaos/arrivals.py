"""What arrived of a workload's table, read back as a stranger would, in the workload's values."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from dtaas.sandbox.chaos.lake_reader import METADATA, READ_AGAIN, LakeReader
from dtaas.sandbox.workload.history import Change, Row
from dtaas.sandbox.workload.names import ID
from dtaas.sandbox.workload.tables import Table


class Arrivals(Protocol):
    """One table at a destination. Its methods block."""

    def rows(self, table: Table) -> Mapping[int, Row]:
        """Return the rows by id."""
        ...

    def transactions(self, table: Table) -> Sequence[Sequence[Change]] | None:
        """Return the transactions in the order of their commits, None where nobody keeps them."""
        ...


class LakeArrivals:
    """Loads and change files."""

    def __init__(self, reader: LakeReader) -> None:
        self._reader = reader

    def rows(self, table: Table) -> Mapping[int, Row]:
        """Apply the changes to the load."""
        state = self._reader.state((ID,))
        return {key: _plain(_named(row, table), table) for (key,), row in state.items()}

    def transactions(self, table: Table) -> Sequence[Sequence[Change]]:
        """Return the changes by commit LSN, as they lie in the files.

        Rows read again for the sake of new columns are no transactions.
        """
        changes = [row for row in self._reader.changes() if row["_command_id"] != READ_AGAIN]
        return [
            [_change(row, table) for row in rows]
            for _, rows in groupby(changes, key=lambda row: row["_lsn"])
        ]


def _named(row: Mapping[str, Any], table: Table) -> Row:
    return {name: row.get(name) for name in table.columns}


def _change(row: Mapping[str, Any], table: Table) -> Change:
    skipped = METADATA | set(json.loads(row["_unchanged"] or "[]"))
    if row["_op"] == "D":
        skipped |= set(table.columns) - {ID, *table.key}
    return Change(row["_op"], _plain({n: v for n, v in row.items() if n not in skipped}, table))


def _plain(row: Row, table: Table) -> Row:
    """Return a row as the server's own driver would give it."""
    guids = {c.name for c in (*table.extra, *table.dropped) if c.declaration == "uniqueidentifier"}
    return {n: v.upper() if n in guids and isinstance(v, str) else v for n, v in row.items()}


class DeltaArrivals:
    """A Delta Lake table, which keeps rows and not changes."""

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        self._uri = uri
        self._options = dict(options)

    def rows(self, table: Table) -> Mapping[int, Row]:
        """Read the table's newest version.

        Raises:
            ValueError: two rows have one id.
        """
        from deltalake import DeltaTable  # noqa: PLC0415 - an extra

        found: dict[int, Row] = {}
        delta = DeltaTable(self._uri, storage_options=self._options)
        for row in delta.to_pyarrow_dataset().to_table().to_pylist():
            if row[ID] in found:
                raise ValueError(f"{table.name}: two rows have the id {row[ID]}")
            found[row[ID]] = _plain(_named(row, table), table)
        return found

    def transactions(self, table: Table) -> None:
        """Return None: only rows are kept."""
