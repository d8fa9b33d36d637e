"""Publishing a load: data is there already; one conditional write makes it what readers see.

Order: manifest → pointer → file lists → `_SUCCESS` → removal of old loads. A crash between any
two leaves either the old load or the new one, whole; a replay goes on where it stopped.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import structlog
from msgspec.structs import replace

from dtaas.connectors.lake.encode import encoder
from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.manifest import LoadFile, Manifest, Pointer, decode, encode
from dtaas.connectors.lake.objects import ObjectStore, PreconditionFailedError
from dtaas.connectors.lake.ownership import check, refuse_older
from dtaas.connectors.lake.partitions import folder
from dtaas.model.errors import (
    DestinationConflictError,
    DestinationUnavailableError,
    SchemaChangedError,
)
from dtaas.model.ids import LoadId
from dtaas.model.load import (
    ChunkReceipt,
    CommitResult,
    DataFile,
    FileFormat,
    TableLoad,
    TargetTable,
    WriteMode,
)

log = structlog.get_logger()
_ATTEMPTS = 5


class Published:
    """What a target's pointer and manifests say."""

    def __init__(self, store: ObjectStore, target: TargetTable) -> None:
        self._store = store
        self._target = target
        self._layout = Layout(target)

    async def pointer(self) -> tuple[Pointer | None, str | None]:
        """Return the pointer and its etag; None for both before the first load."""
        key = self._layout.pointer
        found = await self._store.get(key)
        if found is None:
            return None, None
        return decode(found.data, Pointer, key), found.etag

    async def raise_epoch(self, epoch: int) -> None:
        """Move the pointer to where it points with a higher epoch, as a new owner of the task.

        An earlier owner that read the pointer before then fails to move it, and one that reads it
        after is refused.

        Raises:
            OwnershipLostError: a still later owner was here.
            DestinationUnavailableError: somebody else keeps moving it.
        """
        for _ in range(_ATTEMPTS):
            pointer, etag = await self.pointer()
            if pointer is None or pointer.epoch == epoch:
                return
            refuse_older(epoch, pointer.epoch, self._target)
            try:
                await self._store.put(
                    self._layout.pointer, encode(replace(pointer, epoch=epoch)), etag=etag
                )
            except PreconditionFailedError:
                continue
            return
        raise DestinationUnavailableError(
            f"{self._store.url(self._layout.pointer)} is being written by somebody else."
        )

    async def manifest(self, load_id: LoadId) -> Manifest | None:
        """Return a load's manifest, None when it is removed or was never written."""
        key = self._layout.manifest(load_id)
        found = await self._store.get(key)
        return None if found is None else decode(found.data, Manifest, key)

    async def current(self) -> Manifest | None:
        """Return the manifest readers use, None before the first load.

        Raises:
            DestinationConflictError: the pointer names a manifest that is gone.
        """
        pointer, _ = await self.pointer()
        return None if pointer is None else await self.named(pointer)

    async def named(self, pointer: Pointer) -> Manifest:
        """Return the manifest a pointer names.

        Raises:
            DestinationConflictError: it is gone.
        """
        manifest = await self.manifest(pointer.load_id)
        if manifest is None:
            raise DestinationConflictError(
                f"{self._layout.pointer} names {pointer.manifest}, which is not there.",
                hint="Somebody deleted it. Remove the pointer and load the table anew.",
            )
        return manifest

    async def chain(self, newest: Manifest | None) -> list[Manifest]:
        """Return `newest` and its predecessors that are still there, newest first."""
        found: list[Manifest] = []
        while newest is not None:
            found.append(newest)
            newest = None if newest.previous is None else await self.manifest(newest.previous)
        return found


def check_append(current: Manifest | None, load: TableLoad) -> None:
    """Refuse to append rows that do not fit those already there.

    Raises:
        SchemaChangedError: columns, format or partitions differ.
    """
    if current is None or load.options.mode is not WriteMode.APPEND:
        return
    same_columns = [(c.name, c.type) for c in current.table.columns] == [
        (c.name, c.type) for c in load.schema.columns
    ]
    same_form = (current.format, current.partition_by) == (
        load.options.format,
        load.options.partition_by,
    )
    if not (same_columns and same_form):
        what = "columns" if not same_columns else "format or partitions"
        raise SchemaChangedError(
            f"{load.target} holds rows of other {what} than this load of {load.schema.table}.",
            hint="Overwrite instead of appending, or choose another target.",
        )


class Publisher:
    """Publishes one load."""

    def __init__(self, store: ObjectStore, load: TableLoad, keep_loads: int) -> None:
        self._store = store
        self._load = load
        self._keep_loads = keep_loads
        self._layout = Layout(load.target)
        self._published = Published(store, load.target)

    async def publish(self, receipts: Sequence[ChunkReceipt], now: datetime) -> CommitResult:
        """Make the load what readers see; a replay finds its own work.

        Raises:
            DestinationConflictError: somebody else moved the pointer, or a data file is gone.
        OwnershipLostError: another daemon has taken the task over.
        """
        pointer, etag = await self._published.pointer()
        if pointer is not None:
            refuse_older(self._load.owner.epoch, pointer.epoch, self._load.target)
        current = None if pointer is None else await self._published.named(pointer)
        chain = await self._published.chain(current)
        done = next((m for m in chain if m.load_id == self._load.load_id), None)
        if done is None and current is not None:
            done = self._appended_before(current)
        if done is not None:
            if done is current:
                await self._after(chain)
            return self._result(done, replay=True)
        check_append(current, self._load)
        manifest = await self._manifest(receipts, current, now)
        if self._load.owner.epoch:
            await check(self._store, self._load.target, self._load.owner)
        await self._store.put(self._layout.manifest(manifest.load_id), encode(manifest))
        await self._move_pointer(etag)
        await self._after([manifest, *chain])
        return self._result(manifest, replay=False)

    def _appended_before(self, current: Manifest) -> Manifest | None:
        """Return `current` if our rows are among those it lists, though our manifest is gone."""
        ours = any(file.load_id == self._load.load_id for file in current.files)
        return current if ours else None

    async def _manifest(
        self, receipts: Sequence[ChunkReceipt], current: Manifest | None, now: datetime
    ) -> Manifest:
        files = [file for receipt in receipts for file in receipt.files]
        await settle(self._store, self._layout.load(self._load.load_id), files)
        load, options = self._load, self._load.options
        before = current.files if current and options.mode is WriteMode.APPEND else ()
        if not files and not before:
            files = await self._empty_file()
        listed = (*before, *(_listed(file, load.load_id) for file in files))
        return Manifest(
            load_id=load.load_id,
            previous=current.load_id if current else None,
            task_id=load.task_id,
            mode=options.mode,
            format=options.format,
            partition_by=options.partition_by,
            table=load.schema,
            source_position=load.source_position,
            rows=sum(f.rows for f in listed),
            bytes=sum(f.bytes for f in listed),
            load_rows=sum(f.rows for f in files),
            load_bytes=sum(f.bytes for f in files),
            files=listed,
            committed_at=now,
        )

    async def _empty_file(self) -> list[DataFile]:
        """Write a file without rows, so that readers see the columns of an empty table."""
        options = self._load.options
        if options.format is FileFormat.JSON or options.partition_by:
            return []
        sink = io.BytesIO()
        encoder(options.format, sink, self._load.schema.arrow_schema()).close()
        data = sink.getvalue()
        key = self._layout.part(self._load.load_id, "", 0, 0, options.format)
        await self._store.put(key, data)
        return [DataFile(key=key, rows=0, bytes=len(data), sha256=sha256(data).hexdigest())]

    async def _move_pointer(self, etag: str | None) -> None:
        load_id = self._load.load_id
        pointer = Pointer(
            load_id=load_id,
            manifest=self._layout.manifest(load_id),
            epoch=self._load.owner.epoch,
        )
        try:
            await self._store.put(
                self._layout.pointer, encode(pointer), absent=etag is None, etag=etag
            )
        except PreconditionFailedError as error:
            now, now_etag = await self._published.pointer()
            if now is not None and now.load_id == load_id:
                return  # our write won, its reply was lost, and the client asked again
            if now_etag == etag:
                raise DestinationUnavailableError(
                    f"{self._store.url(self._layout.pointer)} is being written by somebody else."
                ) from error
            raise DestinationConflictError(
                f"{self._store.url(self._layout.pointer)} was moved by somebody else"
                f" while load {load_id} was being written.",
                hint="Let only one task write the target.",
            ) from error

    async def _after(self, chain: Sequence[Manifest]) -> None:
        """Do what follows the pointer; each step may be repeated."""
        await self._write_symlinks(chain[0])
        marker = encode(Pointer(load_id=chain[0].load_id, manifest=self._layout.pointer))
        await self._store.put(self._layout.success, marker)
        await self._remove_old(chain)

    async def _write_symlinks(self, manifest: Manifest) -> None:
        """Write the file lists: one, or one per partition as Hive wants them."""
        lists: dict[str, list[str]] = {} if manifest.partition_by else {"": []}
        for file in manifest.files:
            lists.setdefault(folder(file.partition), []).append(self._store.url(file.key))
        stale = await self._store.list(self._layout.symlinks)
        for where, urls in lists.items():
            key = f"{self._layout.symlinks}{where}manifest"
            await self._store.put(key, "".join(f"{url}\n" for url in urls).encode())
        await self._store.delete(
            sorted(stale.keys() - {f"{self._layout.symlinks}{where}manifest" for where in lists})
        )

    async def _remove_old(self, chain: Sequence[Manifest]) -> None:
        """Remove loads beyond those kept, oldest first, by the keys their manifests list."""
        kept = chain[: self._keep_loads + 1]
        in_use = {file.key for manifest in kept for file in manifest.files}
        for manifest in reversed(chain[len(kept) :]):
            unused = [file.key for file in manifest.files if file.key not in in_use]
            await self._store.delete(unused)
            await self._store.delete([self._layout.manifest(manifest.load_id)])
            log.info("load_removed", target=self._layout.base, load_id=manifest.load_id)

    def _result(self, manifest: Manifest, *, replay: bool) -> CommitResult:
        ours = [f for f in manifest.files if f.load_id == self._load.load_id]
        return CommitResult(
            rows=sum(f.rows for f in ours),
            bytes=sum(f.bytes for f in ours),
            files=len(ours),
            location=self._store.url(self._layout.pointer),
            already_committed=replay,
        )


async def settle(store: ObjectStore, prefix: str, files: Sequence[DataFile]) -> None:
    """Check that a load's files are all there, and remove those of broken attempts.

    Args:
        prefix: below which nothing but the load's files lies.

    Raises:
        DestinationConflictError: a file is gone or another one.
    """
    present = await store.list(prefix)
    for file in files:
        if present.get(file.key) != file.bytes:
            raise DestinationConflictError(
                f"{store.url(file.key)} should have {file.bytes} bytes but has"
                f" {present.get(file.key, 'gone')}.",
                hint="Somebody changed it. Start the task with force to load the table anew.",
            )
    strays = sorted(present.keys() - {file.key for file in files})
    if strays:
        await store.delete(strays)


def _listed(file: DataFile, load_id: LoadId) -> LoadFile:
    return LoadFile(
        key=file.key,
        rows=file.rows,
        bytes=file.bytes,
        etag=file.etag,
        sha256=file.sha256,
        partition=file.partition,
        load_id=load_id,
    )
