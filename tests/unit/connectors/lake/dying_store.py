"""An object store whose process dies at its n-th call, before or after the call took effect."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dtaas.connectors.lake.objects import ObjectStore, StoredObject, Upload, Uploader
from dtaas.connectors.lake.parts import CountingSink
from dtaas.model.check import CheckReport, OnStep


class Died(Exception):  # noqa: N818 - not an error of the product
    """The process is gone."""


class DyingStore:
    """Passes calls on until its last one; then every call fails, as nothing runs after a death."""

    def __init__(self, store: ObjectStore, last_call: int, *, takes_effect: bool) -> None:
        self.store = store
        self.dead = False
        self.calls = 0
        self._last_call = last_call
        self._takes_effect = takes_effect

    def before(self) -> None:
        if self.dead:
            raise Died
        self.calls += 1
        if self.calls == self._last_call and not self._takes_effect:
            self.dead = True
            raise Died

    def after(self) -> None:
        if self.calls == self._last_call:
            self.dead = True
            raise Died

    async def get(self, key: str) -> StoredObject | None:
        self.before()
        found = await self.store.get(key)
        self.after()
        return found

    async def put(
        self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None
    ) -> None:
        self.before()
        await self.store.put(key, data, absent=absent, etag=etag)
        self.after()

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys or [""]:  # a request that deletes many may die between any two
            self.before()
            await self.store.delete([key] if key else [])
            self.after()

    async def list(self, prefix: str) -> Mapping[str, int]:
        self.before()
        found = await self.store.list(prefix)
        self.after()
        return found

    @asynccontextmanager
    async def uploader(self) -> AsyncIterator[Uploader]:
        async with self.store.uploader() as uploader:
            yield _DyingUploader(self, uploader)

    async def remove_dangling(self, prefix: str) -> int:
        self.before()
        removed = await self.store.remove_dangling(prefix)
        self.after()
        return removed

    @asynccontextmanager
    async def fetch(self, key: str) -> AsyncIterator[Path]:
        async with self.store.fetch(key) as path:
            yield path

    def url(self, key: str) -> str:
        return self.store.url(key)

    async def check(self, on_step: OnStep) -> CheckReport:
        return await self.store.check(on_step)

    async def aclose(self) -> None:
        await self.store.aclose()


class _DyingUploader:
    def __init__(self, store: DyingStore, uploader: Uploader) -> None:
        self._store = store
        self._uploader = uploader

    def open(self, key: str) -> Upload:
        return _DyingUpload(self._store, self._uploader.open(key))


class _DyingUpload:
    def __init__(self, store: DyingStore, upload: Upload) -> None:
        self._store = store
        self._upload = upload

    @property
    def sink(self) -> CountingSink:
        return self._upload.sink

    async def drain(self) -> None:
        self._store.before()
        await self._upload.drain()
        self._store.after()

    async def finish(self) -> str:
        self._store.before()
        etag = await self._upload.finish()
        self._store.after()
        return etag


_: type[ObjectStore] = DyingStore
