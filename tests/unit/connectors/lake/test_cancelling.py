"""A chunk that is cancelled ends at once, whatever a thread is at work on for it, and leaves nothing.

Each point of its way is held in its thread; the chunk must have ended before that thread may go on.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from dtaas.connectors.lake import drafts, folder
from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.drafts import Draft
from dtaas.connectors.lake.encode import ParquetEncoder
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.connectors import FileConfig
from tests.contract.destination import expected, load_of, rows_of, schema_of, write_chunk

LIMIT_S = 60.0


class Held:
    """A function that stops in its thread, at its first call only, until it is let go."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self._original = original
        self._reached = threading.Event()
        self._let_go = threading.Event()
        self._left = threading.Event()

    def patched(self) -> Callable[..., Any]:
        def held(*args: Any, **kwargs: Any) -> Any:
            if self._reached.is_set():
                return self._original(*args, **kwargs)
            self._reached.set()
            assert self._let_go.wait(LIMIT_S)
            try:
                return self._original(*args, **kwargs)
            finally:
                self._left.set()

        return held

    async def reached(self) -> None:
        assert await anyio.to_thread.run_sync(self._reached.wait, LIMIT_S)

    async def let_go(self) -> None:
        """Let it end, and wait until it has."""
        assert not self._let_go.is_set()
        self._let_go.set()
        assert await anyio.to_thread.run_sync(self._left.wait, LIMIT_S)


POINTS = {
    "encoding": (ParquetEncoder, "write"),
    "ending the file": (ParquetEncoder, "close"),
    "writing": (Draft, "_take"),
    "syncing": (drafts, "sync"),
    "naming": (drafts, "publish"),
}


@pytest.mark.parametrize("point", POINTS)
async def test_it_ends_while_a_thread_is_still_at_work(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = LakeDestination.file(FileConfig(path=str(tmp_path)), task_name="t", database="d")
    schema = schema_of()
    rows = rows_of(schema, 0, 1000)
    load = load_of(destination, schema)
    await destination.begin(load)
    before = _files(tmp_path)
    owner, name = POINTS[point]
    held = Held(getattr(owner, name))
    monkeypatch.setattr(owner, name, held.patched())

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(write_chunk, destination, load, 0, rows)
            await held.reached()
            group.cancel_scope.cancel()
        await held.let_go()  # asserts that nobody let it go before
        while _drafts(tmp_path):  # the thread removes its own
            await anyio.sleep(0.01)

    if point != "naming":  # one moment later it would have had its name
        assert _files(tmp_path) == before
    receipt = await write_chunk(destination, load, 0, rows)
    await destination.commit(load, [receipt])
    assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)


async def test_it_needs_no_place_among_threads_that_nobody_waits_for(tmp_path: Path) -> None:
    store = folder.FolderStore(tmp_path)
    at_work, let_go = threading.Semaphore(0), threading.Event()

    def work() -> None:
        at_work.release()
        assert let_go.wait(LIMIT_S)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            for _ in range(folder._THREADS):
                group.start_soon(store.blocking, work)
            for _ in range(folder._THREADS):
                await anyio.to_thread.run_sync(at_work.acquire)
            with anyio.CancelScope() as scope:
                async with store.uploader():
                    scope.cancel()
                    await anyio.sleep_forever()
            assert not let_go.is_set()
            let_go.set()


def _files(base: Path) -> set[str]:
    return {str(Path(where, name)) for where, _, names in os.walk(base) for name in names}


def _drafts(base: Path) -> list[str]:
    return [path for path in _files(base) if path.endswith(".part")]
