"""The folder store: nothing outside its base, nothing half-written, errors with cause and fix."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import anyio
import pyarrow as pa
import pytest

from dtaas.connectors.lake.data_file import OpenDataFile
from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.errors import from_os_error
from dtaas.connectors.lake.folder import FolderStore
from dtaas.connectors.lake.objects import PreconditionFailedError
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.check import StepStatus
from dtaas.model.connectors import FileConfig
from dtaas.model.errors import (
    DestinationFullError,
    DtaasError,
    FatalError,
    PermissionDeniedError,
)
from dtaas.model.load import FileFormat
from tests.contract.destination import expected, load_of, rows_of, schema_of, whole_load


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x", "a//x", "a/./x", "", "a\0b"])
async def test_no_key_leaves_the_base(store: FolderStore, key: str) -> None:
    with pytest.raises(FatalError, match="outside"):
        await store.put(key, b"")


async def test_links_out_of_the_base_are_not_followed(store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(FatalError, match="outside"):
        await store.put("link/x", b"")
    assert list(outside.iterdir()) == []


async def test_conditions(store: FolderStore) -> None:
    await store.put("a", b"1", absent=True)
    with pytest.raises(PreconditionFailedError):
        await store.put("a", b"2", absent=True)
    first = await store.get("a")
    assert first is not None
    await store.put("a", b"2", etag=first.etag)
    with pytest.raises(PreconditionFailedError):
        await store.put("a", b"3", etag=first.etag)
    with pytest.raises(PreconditionFailedError):
        await store.put("gone", b"3", etag=first.etag)
    found = await store.get("a")
    assert found is not None
    assert found.data == b"2"


async def test_of_racing_writers_one_wins(store: FolderStore) -> None:
    await store.put("a", b"old")
    old = await store.get("a")
    assert old is not None
    won: list[int] = []

    async def race(n: int) -> None:
        try:
            await store.put("a", str(n).encode(), etag=old.etag)
        except PreconditionFailedError:
            return
        won.append(n)

    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(race, n)
    found = await store.get("a")
    assert found is not None
    assert [found.data] == [str(n).encode() for n in won]


async def test_delete_takes_empty_folders_along(store: FolderStore, tmp_path: Path) -> None:
    for key in "a/b/one", "a/b/two", "a/three":
        await store.put(key, b"")
    await store.delete(["a/b/one", "a/b/two", "a/b/missing"])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "three"]
    await store.delete(["a/three"])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let the kernel refuse files over 1 MiB, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
async def test_a_write_the_system_refuses_leaves_nothing(
    store: FolderStore, tmp_path: Path
) -> None:
    rows = pa.table({"noise": [os.urandom(2**21)]})
    with pytest.raises(DtaasError, match=r"Writing big: File too large"):  # it comes through Arrow
        async with store.uploader() as uploader:
            file = OpenDataFile(
                "big",
                uploader.open("big"),
                file_format=FileFormat.PARQUET,
                schema=rows.schema,
                blocking=store.blocking,
            )
            await file.write(rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_named() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="space") as e,
    ):
        full.write(b"x")
    error = from_os_error(e.value, "Writing x")
    assert isinstance(error, DestinationFullError)
    assert error.hint


async def test_a_folder_that_may_not_be_written() -> None:
    error = from_os_error(PermissionError(13, "Permission denied"), "Writing x")
    assert isinstance(error, PermissionDeniedError)
    report = await FolderStore(Path("/proc")).check(lambda _: None)
    assert not report.ok
    assert [step.status for step in report.steps] == [StepStatus.OK, StepStatus.FAILED]


@pytest.mark.parametrize("path", ["relative", "/does/not/exist"])
async def test_check_names_what_is_wrong_with_the_path(path: str) -> None:
    report = await FolderStore(Path(path)).check(lambda _: None)
    assert not report.ok
    [step] = report.steps
    assert path in step.detail
    assert step.fix


async def test_a_whole_load_leaves_no_hidden_draft(tmp_path: Path) -> None:
    destination = LakeDestination.file(FileConfig(path=str(tmp_path)), task_name="t", database="d")
    schema = schema_of()
    load = load_of(destination, schema)
    await whole_load(destination, load, rows_of(schema, 0, 10))
    names = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert not [name for name in names if name.endswith(".part")]
    assert await fingerprint_of(destination, load.target, schema) == expected(
        schema, rows_of(schema, 0, 10)
    )
