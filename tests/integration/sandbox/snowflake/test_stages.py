"""Files come to stages by PUT, are listed, fetched and removed."""

import gzip
import hashlib
from pathlib import Path

import anyio
import pytest
from snowflake.connector.errors import ProgrammingError

from tests.integration.sandbox.snowflake.conftest import Connect, Run
from tests.integration.sandbox.snowflake.staged import put


@pytest.mark.parametrize(
    "stage",
    ["@ST", "@ST/a/b/", "@TEST.{schema}.ST/x", '@"odd Name"/y', "@%T", "@%T/z", "@~/{schema}"],
)
async def test_a_file_goes_to_every_kind_of_stage(
    connect: Connect, run: Run, schema: str, stage: str, tmp_path: Path
) -> None:
    await run("CREATE STAGE ST")
    await run('CREATE STAGE "odd Name"')
    await run("CREATE TABLE T (I INT)")
    where = stage.format(schema=schema)
    content = b"some bytes" * 1000
    told = await put(connect, content, "one.bin", f"'{where}'" if " " in where else where)
    assert told[:2] == ("one.bin", "one.bin")
    assert told[6] == "UPLOADED"

    quoted = f"'{where}'" if " " in where else where
    name, size, md5, _modified = (await run(f"LIST {quoted}"))[0]
    assert name.endswith("one.bin")
    assert (size, md5) == (len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())

    await run(f"GET {quoted} 'file://{tmp_path}/'")
    fetched = [path for path in tmp_path.rglob("one.bin") if path.is_file()]
    assert [path.read_bytes() for path in fetched] == [content]

    assert [row[1] for row in await run(f"REMOVE {quoted}")] == ["removed"]
    assert await run(f"LIST {quoted}") == []


async def test_a_file_from_disk_is_compressed_when_asked(run: Run, tmp_path: Path) -> None:
    await run("CREATE STAGE ST")
    file = tmp_path / "text.csv"
    file.write_text("1,a\n2,b\n")
    told = (await run(f"PUT 'file://{file}' @ST"))[0]
    assert told[1] == "text.csv.gz"
    await run(f"GET @ST 'file://{tmp_path}/back/'")
    assert gzip.decompress((tmp_path / "back" / "text.csv.gz").read_bytes()) == b"1,a\n2,b\n"


async def test_put_skips_what_is_there_unless_it_may_overwrite(run: Run, tmp_path: Path) -> None:
    await run("CREATE STAGE ST")
    file = tmp_path / "f.bin"
    file.write_bytes(b"one")
    put_it = f"PUT 'file://{file}' @ST AUTO_COMPRESS = FALSE"
    assert (await run(put_it))[0][6] == "UPLOADED"
    file.write_bytes(b"other")
    assert (await run(put_it))[0][6] == "SKIPPED"
    assert (await run("LIST @ST"))[0][1] == 3
    assert (await run(f"{put_it} OVERWRITE = TRUE"))[0][6] == "UPLOADED"
    assert (await run("LIST @ST"))[0][1] == 5


async def test_put_takes_all_files_of_a_pattern(run: Run, tmp_path: Path) -> None:
    await run("CREATE STAGE ST")
    for number in range(5):
        (tmp_path / f"p{number}.bin").write_bytes(bytes(number + 1))
    told = await run(f"PUT 'file://{tmp_path}/p*.bin' @ST/many AUTO_COMPRESS = FALSE PARALLEL = 3")
    assert sorted(row[0] for row in told) == [f"p{number}.bin" for number in range(5)]
    assert [row[1] for row in await run("LIST @ST/many")] == [1, 2, 3, 4, 5]


@pytest.mark.timeout(180)
async def test_a_big_file_comes_in_pieces(run: Run, tmp_path: Path) -> None:
    await run("CREATE STAGE ST")
    file = tmp_path / "big.bin"
    piece = bytes(range(256)) * 4096
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("wb") as out:
        for _ in range(210):
            out.write(piece)
            digest.update(piece)
    assert (await run(f"PUT 'file://{file}' @ST AUTO_COMPRESS = FALSE"))[0][6] == "UPLOADED"
    assert (await run("LIST @ST"))[0][1:3] == (210 << 20, digest.hexdigest())


async def test_streams_at_once_on_one_connection(connect: Connect, run: Run) -> None:
    await run("CREATE STAGE ST")

    async def one(number: int) -> None:
        await put(connect, bytes([number]) * 100_000, f"{number}.bin", "@ST")

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(one, number)
    found = await run("LIST @ST")
    assert [row[0] for row in found] == [f"st/{number}.bin" for number in range(8)]
    expected = [
        hashlib.md5(bytes([n]) * 100_000, usedforsecurity=False).hexdigest() for n in range(8)
    ]
    assert [row[2] for row in found] == expected


async def test_list_and_remove_by_pattern_and_path(connect: Connect, run: Run) -> None:
    await run("CREATE STAGE ST")
    for name in ("a/1.parquet", "a/2.csv", "b/3.parquet"):
        folder, _, file = name.partition("/")
        await put(connect, b"x", file, f"@ST/{folder}/")
    assert [row[0] for row in await run("LIST @ST PATTERN = '.*[.]parquet'")] == [
        "st/a/1.parquet",
        "st/b/3.parquet",
    ]
    await run("REMOVE @ST/a PATTERN = '.*csv'")
    assert [row[0] for row in await run("LIST @ST")] == ["st/a/1.parquet", "st/b/3.parquet"]
    await run("REMOVE @ST/a/1.parquet")
    assert [row[0] for row in await run("LIST @ST")] == ["st/b/3.parquet"]


async def test_stages_are_made_shown_and_dropped(run: Run, schema: str) -> None:
    await run("CREATE STAGE ST")
    with pytest.raises(ProgrammingError) as there:
        await run("CREATE STAGE ST")
    assert there.value.errno == 2002
    assert "already exists" in (await run("CREATE STAGE IF NOT EXISTS ST"))[0][0]
    assert [row[0] for row in await run(f"SHOW STAGES LIKE 's%' IN SCHEMA TEST.{schema}")] == ["ST"]
    await run("DROP STAGE ST")
    assert await run("SHOW STAGES") == []
    await run("DROP STAGE IF EXISTS ST")
    with pytest.raises(ProgrammingError) as gone:
        await run("LIST @ST")
    assert gone.value.errno == 2003


async def test_a_temporary_stage_ends_with_its_session(connect: Connect, run: Run) -> None:
    connection = await connect()
    await connection.cursor().execute("CREATE TEMPORARY STAGE PASSING")
    assert [row[0] for row in await run("SHOW STAGES")] == ["PASSING"]
    await connection.close()
    assert await run("SHOW STAGES") == []


async def test_replacing_a_stage_removes_its_files(connect: Connect, run: Run) -> None:
    await run("CREATE STAGE ST")
    await put(connect, b"x", "f.bin", "@ST")
    await run("CREATE OR REPLACE STAGE ST")
    assert await run("LIST @ST") == []
