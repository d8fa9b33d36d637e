"""What readers find after commits: manifests, pointers, old loads, strays."""

import hashlib
from pathlib import Path

import msgspec
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.layout import Layout
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.connectors import FileConfig
from dtaas.model.errors import DestinationConflictError, SchemaChangedError
from dtaas.model.load import FileFormat, PartitionField, WriteMode, WriteOptions
from dtaas.model.types import Integer, String
from tests.contract.destination import (
    expected,
    load_of,
    rows_of,
    schema_of,
    whole_load,
    write_chunk,
)

SCHEMA = schema_of()


def destination_in(folder: Path, keep_loads: int = 2) -> LakeDestination:
    config = FileConfig(path=str(folder), keep_loads=keep_loads)
    return LakeDestination.file(config, task_name="task", database="db")


async def test_the_manifest_tells_all_about_the_load(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    load = load_of(destination, SCHEMA)
    result = await whole_load(destination, load, rows_of(SCHEMA, 0, 10))
    base = tmp_path / "dbo/t"
    pointer = msgspec.json.decode((base / "_dtaas/current.json").read_bytes())
    manifest = msgspec.json.decode((tmp_path / pointer["manifest"]).read_bytes())
    assert (manifest["rows"], manifest["load_id"]) == (10, load.load_id)
    assert manifest["source_position"] == load.source_position
    assert [column["name"] for column in manifest["table"]["columns"]] == ["id", "name"]
    [file] = manifest["files"]
    data = (tmp_path / file["key"]).read_bytes()
    assert len(data) == file["bytes"] == result.bytes
    assert hashlib.sha256(data).hexdigest() == file["sha256"]
    links = (base / "_symlink_format_manifest/manifest").read_text().splitlines()
    assert links == [f"file://{tmp_path / file['key']}"]


@pytest.mark.parametrize("keep_loads", [1, 3])
async def test_old_loads_stay_readable_and_go_in_turn(tmp_path: Path, keep_loads: int) -> None:
    destination = destination_in(tmp_path, keep_loads)
    foreign = tmp_path / "dbo/t/data/foreign.parquet"
    loads = [load_of(destination, SCHEMA) for _ in range(6)]
    for n, load in enumerate(loads):
        await whole_load(destination, load, rows_of(SCHEMA, n, n + 5))
        foreign.write_bytes(b"not ours")
    folders = {path.name for path in (tmp_path / "dbo/t/data").iterdir() if path.is_dir()}
    assert folders == {load.load_id for load in loads[-1 - keep_loads :]}
    assert foreign.read_bytes() == b"not ours"


async def test_appended_files_outlive_their_manifests(tmp_path: Path) -> None:
    destination = destination_in(tmp_path, keep_loads=1)
    batches = [rows_of(SCHEMA, n * 10, n * 10 + 10) for n in range(6)]
    for batch in batches:
        await whole_load(destination, load_of(destination, SCHEMA, mode=WriteMode.APPEND), batch)
    target = destination.target_of(SCHEMA.table, None)
    assert await fingerprint_of(destination, target, SCHEMA) == expected(SCHEMA, *batches)
    manifests = list((tmp_path / "dbo/t/_dtaas/manifests").iterdir())
    assert len(manifests) == 2


async def test_a_late_replay_of_an_old_commit_changes_nothing(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    old, new = load_of(destination, SCHEMA), load_of(destination, SCHEMA)
    await destination.begin(old)
    receipt = await write_chunk(destination, old, 0, rows_of(SCHEMA, 0, 5))
    await destination.commit(old, [receipt])
    await whole_load(destination, new, rows_of(SCHEMA, 50, 60))
    again = await destination.commit(old, [receipt])
    assert (again.already_committed, again.rows) == (True, 5)
    found = await fingerprint_of(destination, new.target, SCHEMA)
    assert found == expected(SCHEMA, rows_of(SCHEMA, 50, 60))


async def test_files_of_broken_attempts_are_removed(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    load = load_of(destination, SCHEMA)
    await destination.begin(load)
    receipt = await write_chunk(destination, load, 0, rows_of(SCHEMA, 0, 5))
    stray = tmp_path / Layout(load.target).part(load.load_id, "", 0, 7, FileFormat.PARQUET)
    stray.write_bytes(b"of a killed process")
    await destination.commit(load, [receipt])
    assert not stray.exists()


async def test_a_missing_or_altered_file_is_not_published(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    load = load_of(destination, SCHEMA)
    await destination.begin(load)
    receipt = await write_chunk(destination, load, 0, rows_of(SCHEMA, 0, 5))
    with (tmp_path / receipt.files[0].key).open("ab") as file:
        file.write(b"more")
    with pytest.raises(DestinationConflictError, match="bytes"):
        await destination.commit(load, [receipt])


async def test_a_pointer_moved_by_somebody_else_is_a_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = destination_in(tmp_path), destination_in(tmp_path)
    load = load_of(mine, SCHEMA)
    await mine.begin(load)
    receipt = await write_chunk(mine, load, 0, rows_of(SCHEMA, 0, 5))
    put = mine._store.put

    async def put_late(key: str, data: bytes, **conditions: object) -> None:
        if key.endswith("current.json"):
            monkeypatch.undo()
            await whole_load(other, load_of(other, SCHEMA), rows_of(SCHEMA, 7, 9))
        await put(key, data, **conditions)

    monkeypatch.setattr(mine._store, "put", put_late)
    with pytest.raises(DestinationConflictError, match="moved"):
        await mine.commit(load, [receipt])
    found = await fingerprint_of(mine, load.target, SCHEMA)
    assert found == expected(SCHEMA, rows_of(SCHEMA, 7, 9))


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ([("name", String(50)), ("more", Integer(32))], WriteOptions(mode=WriteMode.APPEND)),
        ((), WriteOptions(mode=WriteMode.APPEND, format=FileFormat.CSV)),
        ((), WriteOptions(mode=WriteMode.APPEND, partition_by=(PartitionField(column="name"),))),
    ],
)
async def test_rows_that_do_not_fit_are_not_appended(
    tmp_path: Path, columns: list[tuple[str, Integer]], options: WriteOptions
) -> None:
    destination = destination_in(tmp_path)
    await whole_load(destination, load_of(destination, SCHEMA), rows_of(SCHEMA, 0, 5))
    other = load_of(destination, schema_of("t", columns), options=options)
    with pytest.raises(SchemaChangedError):
        await destination.begin(other)


async def test_readers_see_the_columns_of_an_empty_table(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    for file_format in FileFormat:
        schema = schema_of(f"empty {file_format}")
        load = load_of(destination, schema, options=WriteOptions(format=file_format))
        result = await whole_load(destination, load, rows_of(schema, 0, 0))
        assert (result.rows, result.files) == (0, 0 if file_format is FileFormat.JSON else 1)
    [parquet] = tmp_path.rglob("*.parquet")
    assert pq.read_schema(parquet).equals(schema.arrow_schema())
    [csv] = tmp_path.rglob("*.csv")
    assert pyarrow.csv.read_csv(csv).column_names == ["id", "name"]


async def test_parquet_is_written_for_fast_readers(tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    load = load_of(destination, SCHEMA)
    await whole_load(destination, load, rows_of(SCHEMA, 0, 300_000))
    [path] = tmp_path.rglob("*.parquet")
    metadata = pq.ParquetFile(path).metadata
    assert metadata.format_version == "2.6"
    assert metadata.num_row_groups == 3
    column = metadata.row_group(0).column(1)
    assert (column.compression, column.is_stats_set) == ("ZSTD", True)
    assert column.has_offset_index
    assert column.has_column_index
