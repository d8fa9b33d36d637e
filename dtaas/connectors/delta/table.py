"""One Delta table: loads published, changes merged, rows read back. All of it blocks.

Every commit carries application transactions (Delta's own `txn` actions) that say what it was:

    dtaas/load/<load_id>          1: the load is published
    dtaas/<generation>/high, low  the position the table stands at, 5 bytes each
    dtaas/epoch/<owner>           the daemon that wrote last, where several share the tasks

They are part of the commit, so data and position can never disagree, and they survive checkpoints.
A commit whose reply was lost is found again by them, and two commits of the same stream cannot
both win: the library lets transactions of one name conflict.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any, Final

import pyarrow as pa
import structlog
from deltalake import (
    CommitProperties,
    DeltaTable,
    Field,
    Schema,
    TableFeatures,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from dtaas.connectors.delta.errors import delta_errors
from dtaas.connectors.delta.forms import nullable, to_stored
from dtaas.connectors.fold import deletes, kept_columns
from dtaas.model.changes import CHANGE_FIELDS, POSITION_BYTES
from dtaas.model.errors import DestinationConflictError, DtaasError, OwnershipLostError
from dtaas.model.ids import LoadId
from dtaas.model.load import Owner
from dtaas.model.positions import Held

_MS: Final = 1000
_HALF: Final = POSITION_BYTES // 2
_ATTEMPTS: Final = 5
_NOTE: Final = "dtaas"
"""Name of the note in a commit's own record: `load <id>` or `stream <generation>`. Transactions can
only be asked for by name; the newest notes tell which names there are."""
_NEWEST: Final = 50
"""Commits in which the notes are looked for: tidyings write some without."""
_TIMES: Final = "timestamp_ntz"
_TIMES_FEATURE: Final = "timestampNtz"
TIDY_EVERY: Final = 100
"""Commits between two tidyings: each merge leaves files smaller than readers like."""

log = structlog.get_logger()


class Table:
    """The table at one address."""

    def __init__(self, uri: str, options: Mapping[str, str], owner: Owner | None = None) -> None:
        """Name the table; writes are fenced by the epoch of `owner`, if it has one."""
        self.uri = uri
        self._options = dict(options)
        self._owner = owner

    def open(self) -> DeltaTable | None:
        """Return the table as it is now, None when there is none."""
        with delta_errors(f"Opening {self.uri}"):
            try:  # `is_deltatable` would hold the interpreter while it waits for the network
                return DeltaTable(self.uri, storage_options=self._options)
            except TableNotFoundError:
                return None

    def raise_epoch(self) -> None:
        """Note that the owner writes from now on: daemons that had the task before cannot.

        Raises:
            OwnershipLostError: a still later owner was here.
            DestinationConflictError: somebody else keeps writing.
        """
        for attempts_left in reversed(range(_ATTEMPTS)):
            table = self.open()
            if table is None:
                return
            try:
                self._append_nothing(table, [])
            except DestinationConflictError:
                if not attempts_left:
                    raise
            else:
                return

    def has_load(self, load_id: LoadId) -> bool:
        """Return whether a load is published."""
        return self._published(self.open(), load_id)

    def publish(
        self, load_id: LoadId, schema: pa.Schema, files: Sequence[AddAction], *, replace: bool
    ) -> bool:
        """Make files what readers see, in one commit. Returns whether that was done before.

        Args:
            replace: instead of the rows that are there, not beside them.

        Raises:
            DestinationConflictError: somebody else changed the table at the same moment.
        """
        table = self.open()
        if self._published(table, load_id):
            return True
        marks = self._marked(table, [Transaction(_load_name(load_id), 1)], f"load {load_id}")
        try:
            self._commit(table, schema, files, marks, replace=replace)
        except DtaasError:
            if not self.has_load(load_id):  # else it went through, and the reply was lost
                raise
        return False

    def create(self, schema: pa.Schema) -> None:
        """Make the table without rows unless it is there."""
        with delta_errors(f"Making {self.uri}"):
            DeltaTable.create(
                self.uri, Schema.from_arrow(schema), mode="ignore", storage_options=self._options
            )

    def position(self, table: DeltaTable, generation: LoadId) -> bytes | None:
        """Return the position the table holds of a stream, None when it holds none."""
        with delta_errors(f"Reading the position of {self.uri}"):
            halves = [table.transaction_version(name) for name in _position_names(generation)]
        if None in halves:
            return None
        return b"".join(int(half or 0).to_bytes(_HALF, "big") for half in halves)

    def held(self) -> Held:
        """Return what the newest commits of ours say of load and stream."""
        table = self.open()
        if table is None:
            return Held()
        with delta_errors(f"Reading the log of {self.uri}"):
            notes = [entry.get(_NOTE, "") for entry in table.history(_NEWEST)]
        told = [note.split(" ") for note in notes if note]
        load = next((name for kind, name in told if kind == "load"), None)
        generation = next((name for kind, name in told if kind == "stream"), None)
        position = None if generation is None else self.position(table, LoadId(generation))
        return Held(
            load=None if load is None else LoadId(load),
            generation=None if generation is None else LoadId(generation),
            position=None if position is None else position.hex(),
        )

    def merge(
        self,
        table: DeltaTable,
        changes: pa.Table,
        *,
        key: Sequence[str],
        schema: pa.Schema,
        generation: LoadId,
        position: bytes,
    ) -> None:
        """Apply folded changes and set the position, in one commit.

        Args:
            changes: one change row per key.
            key: names as stored.
            schema: the columns changes bring, in order, in their stored form.
        """
        kept = kept_columns(changes)
        source, kept_places = _merge_source(changes, schema, kept)
        merge = table.merge(
            source,
            predicate=" AND ".join(f"t.{_quoted(k)} = s.c{schema.names.index(k)}" for k in key),
            source_alias="s",
            target_alias="t",
            commit_properties=self._marked(
                table, _position_marks(generation, position), f"stream {generation}"
            ),
        )
        values = {_quoted(name): f"s.c{i}" for i, name in enumerate(schema.names)}
        updates = values | {
            _quoted(name): f"CASE WHEN s.k{i} THEN t.{_quoted(name)} ELSE s.c{i} END"
            for i, name in enumerate(schema.names)
            if i in kept_places
        }
        with delta_errors(f"Applying changes to {self.uri}"):
            merge.when_matched_delete("s.deleted").when_matched_update(
                updates
            ).when_not_matched_insert(values, predicate="NOT s.deleted").execute()

    def move(self, table: DeltaTable, generation: LoadId, position: bytes) -> None:
        """Set the position alone: nothing changed up to there."""
        self._append_nothing(table, _position_marks(generation, position), f"stream {generation}")

    def add_columns(self, table: DeltaTable, columns: Sequence[pa.Field]) -> None:
        """Add columns, NULL in the rows that are there."""
        with delta_errors(f"Adding columns to {self.uri}"):
            fields = Schema.from_arrow(nullable(pa.schema(list(columns)))).fields
            table.alter.add_columns([Field(f.name, f.type, nullable=True) for f in fields])

    def rewrite(self, table: DeltaTable, schema: pa.Schema) -> None:
        """Write all rows anew with wider types, in one commit.

        Delta's own widening is a feature few engines can read. The rows wait in a temporary file:
        the library cannot read a table while it writes one.
        """
        with delta_errors(f"Widening columns of {self.uri}"), TemporaryFile() as spool:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_stream(spool, schema, options=options) as writer:
                for batch in self.rows(table):
                    columns = [batch.column(f.name).cast(f.type) for f in schema]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            spool.seek(0)
            with pa.ipc.open_stream(spool) as rows:
                write_deltalake(table, rows, mode="overwrite", schema_mode="overwrite")

    def rows(self, table: DeltaTable) -> Iterator[pa.RecordBatch]:
        """Yield all rows as stored."""
        with delta_errors(f"Reading {self.uri}"):
            yield from pa.RecordBatchReader.from_stream(table.scan())

    def tidy(self, table: DeltaTable, *, every: int = TIDY_EVERY) -> None:
        """At every so many versions, join small files and remove those outside the retention.

        A failure changes nothing that readers see, and the next time does its work.
        """
        if table.version() % every:
            return
        try:
            with delta_errors(f"Joining files of {self.uri}"):
                table.optimize.compact()
        except DtaasError as error:
            log.warning("delta_not_tidied", uri=self.uri, code=error.code, detail=error.detail)
        self.vacuum(table)

    def vacuum(self, table: DeltaTable) -> None:
        """Remove files that no version within the table's retention needs. May fail, unharmed."""
        try:
            with delta_errors(f"Tidying {self.uri}"):
                table.vacuum(dry_run=False)
        except DtaasError as error:
            log.warning("delta_not_tidied", uri=self.uri, code=error.code, detail=error.detail)

    def _append_nothing(self, table: DeltaTable, marks: list[Transaction], note: str = "") -> None:
        properties = self._marked(table, marks, note)
        if not properties.app_transactions:
            return
        with delta_errors(f"Noting a position or an owner at {self.uri}"):
            table.create_write_transaction(
                [], "append", table.schema(), commit_properties=properties
            )

    def _marked(
        self, table: DeltaTable | None, marks: list[Transaction], note: str
    ) -> CommitProperties:
        """Return what a commit carries: `marks`, a note of what they are, and the owner's epoch.

        Two commits that both name an epoch conflict, so an earlier owner cannot slip in between.

        Raises:
            OwnershipLostError: a later owner has written the table.
        """
        owner = self._owner
        noted = {_NOTE: note} if note else None
        if owner is None or not owner.epoch:
            return CommitProperties(app_transactions=marks, custom_metadata=noted)
        name = f"dtaas/epoch/{owner.installation}-{owner.task_id}"
        with delta_errors(f"Reading the owner of {self.uri}"):
            found = table.transaction_version(name) if table is not None else None
        if found is not None and found > owner.epoch:
            raise OwnershipLostError(
                f"{self.uri} belongs to a later owner of the task (epoch {found}, ours is"
                f" {owner.epoch}).",
                hint="Another daemon has taken the task over; nothing needs to be done.",
            )
        return CommitProperties(
            app_transactions=[*marks, Transaction(name, owner.epoch)], custom_metadata=noted
        )

    def _published(self, table: DeltaTable | None, load_id: LoadId) -> bool:
        if table is None:
            return False
        with delta_errors(f"Reading {self.uri}"):
            return table.transaction_version(_load_name(load_id)) is not None

    def _commit(
        self,
        table: DeltaTable | None,
        schema: pa.Schema,
        files: Sequence[AddAction],
        marks: CommitProperties,
        *,
        replace: bool,
    ) -> None:
        delta_schema = Schema.from_arrow(schema)
        with delta_errors(f"Publishing at {self.uri}"):
            if table is None:
                create_table_with_add_actions(
                    self.uri,
                    delta_schema,
                    list(files),
                    storage_options=self._options,
                    commit_properties=marks,
                )
                return
            _allow_times(table, delta_schema)
            mode = "overwrite" if replace else "append"
            actions: list[AddAction | RemoveAction] = list(files)
            table.create_write_transaction(actions, mode, delta_schema, commit_properties=marks)


def entry(path: str, *, rows: int, size: int) -> AddAction:
    """Return the log's entry of a data file that is there; `path` is below the table."""
    stats = f'{{"numRecords":{rows}}}'
    written_ms = int(time.time() * _MS)
    return AddAction(path, size, {}, written_ms, data_change=True, stats=stats)


def arrow_schema(table: DeltaTable) -> pa.Schema:
    """Return the table's columns as Arrow fields of our stored forms."""
    return nullable(pa.schema(table.schema().to_arrow()))


def require_moved(found: bytes | None, wanted: bytes, uri: str) -> None:
    """Refuse to go on when a commit did not leave the position it should have.

    Raises:
        DestinationConflictError: somebody else wrote the stream.
    """
    if found != wanted:
        raise DestinationConflictError(
            f"{uri} stands at {found.hex() if found else 'no position'}, not at {wanted.hex()}.",
            hint="Let only one daemon run the task.",
        )


def _merge_source(
    changes: pa.Table, schema: pa.Schema, kept: Mapping[str, Any]
) -> tuple[pa.Table, frozenset[int]]:
    """Return what the merge reads, and which columns may keep the table's value.

    Columns go by number, as any name may be the table's own.
    """
    arrays: dict[str, Any] = {}
    keeping = set()
    names = changes.column_names[len(CHANGE_FIELDS) :]
    for i, (name, field) in enumerate(zip(names, schema, strict=True)):
        arrays[f"c{i}"] = to_stored(changes[name].combine_chunks(), field.type)
        if name in kept:
            keeping.add(i)
            arrays[f"k{i}"] = pa.array(kept[name])
    return pa.table({**arrays, "deleted": deletes(changes)}), frozenset(keeping)


def _allow_times(table: DeltaTable, wanted: Schema) -> None:
    """Let a table have times without a zone if columns are of that type: it is one of its features.

    The library sees to that wherever it makes or alters a table, but not where a commit brings
    other columns: it takes them, and nobody can open the table again.
    """
    has = table.protocol().reader_features or []
    needs = any(getattr(f.type, "type", None) == _TIMES for f in wanted.fields)
    if needs and _TIMES_FEATURE not in has:
        table.alter.add_feature(
            TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True
        )


def _load_name(load_id: LoadId) -> str:
    return f"dtaas/load/{load_id}"


def _position_names(generation: LoadId) -> tuple[str, str]:
    return f"dtaas/{generation}/high", f"dtaas/{generation}/low"


def _position_marks(generation: LoadId, position: bytes) -> list[Transaction]:
    halves = position[:_HALF], position[_HALF:]
    return [
        Transaction(name, int.from_bytes(half, "big"))
        for name, half in zip(_position_names(generation), halves, strict=True)
    ]


def _quoted(name: str) -> str:
    """Return a column's name as an identifier of the library's SQL."""
    return '"' + name.replace('"', '""') + '"'
