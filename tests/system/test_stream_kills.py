"""Killed at any instant, a stream of changes loses none and doubles none."""

import os
import random
from pathlib import Path
from typing import Any

import anyio
import boto3
import pytest

from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import ACCESS_KEY, BUCKET, DATABASE, SECRET_KEY, Sandbox
from tests.fakes.lake_reader import ORDER, LakeTable
from tests.system.conftest import Make

KILLS = int(os.environ.get("DTAAS_TEST_STREAM_KILLS", "8"))
SEED = int(os.environ.get("DTAAS_TEST_SEED", "1"))
LIMIT_S = 90.0
TABLE = TableRef("dbo", "stream_kills")
ROWS = 300


async def run(servers: Sandbox, *statements: str) -> None:
    await servers.sqlserver.run_script("\nGO\n".join(statements), database=DATABASE)


def download(servers: Sandbox, prefix: str, folder: Path) -> LakeTable:
    """Copy what lies below a prefix, so that a reader of files can read it."""
    client = boto3.client(
        "s3",
        endpoint_url=servers.s3.endpoint_url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=servers.s3.region,
    )
    (folder / "_root").touch()
    base = f"{prefix}/{TABLE.schema}/{TABLE.name}"

    def fetch(key: str) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(BUCKET, key, str(path))

    # As every reader does: the pointers first, then what they count on, which never changes.
    pointers = [f"{base}/_dtaas/current.json", f"{base}/_dtaas/stream.json"]
    for key in pointers:
        fetch(key)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    for page in pages:
        for entry in page.get("Contents", []):
            if entry["Key"] not in pointers and not (folder / entry["Key"]).exists():
                fetch(entry["Key"])
    return LakeTable(folder / base)


def burst(dice: random.Random) -> str:
    """Return one transaction of several statements."""
    statements = []
    for _ in range(dice.randint(1, 4)):
        first = dice.randint(0, ROWS)
        statements.append(
            dice.choice(
                [
                    f"UPDATE dbo.stream_kills SET n = n + 1 WHERE id BETWEEN {first} AND {first + 50}",
                    f"DELETE FROM dbo.stream_kills WHERE id BETWEEN {first} AND {first + 4}",
                    f"UPDATE dbo.stream_kills SET name = N'é{first}' WHERE id % 7 = {first % 7}",
                    f"UPDATE dbo.stream_kills SET id = id + 100000 WHERE id = {first}",
                ]
            )
        )
    end = "ROLLBACK" if dice.random() < 0.2 else "COMMIT"
    return f"BEGIN TRAN; {'; '.join(statements)}; {end}"


async def source_rows(servers: Sandbox) -> dict[tuple[Any, ...], dict[str, Any]]:
    session = await servers.sqlserver.engine.login(
        user="sa",
        password=servers.sqlserver.password,
        database=DATABASE,
        application="tests",
        host="tests",
    )
    found: list[Any] = []
    try:
        async for item in session.batch("SELECT id, name, n FROM dbo.stream_kills"):
            found += getattr(item, "rows", None) or [] if type(item).__name__ == "Rows" else []
    finally:
        await session.aclose()
    return {(r[0],): {"id": r[0], "name": r[1], "n": r[2]} for r in found}


@pytest.mark.timeout(400)
async def test_kill_a_stream_at_random_instants(
    servers: Sandbox, make_daemon: Make, tmp_path: Path
) -> None:
    dice = random.Random(SEED)
    values = ", ".join(f"({i}, N'row {i}', 0)" for i in range(ROWS))
    await run(
        servers,
        "CREATE TABLE dbo.stream_kills (id int NOT NULL PRIMARY KEY, name nvarchar(40), n int)",
        f"INSERT INTO dbo.stream_kills VALUES {values}",
    )
    prefix = f"stream-{SEED}-{os.getpid()}"
    daemon = await make_daemon()
    target = await daemon.s3(prefix=f"{prefix}/{{schema}}/{{table}}")
    task_id = await daemon.task(
        await daemon.source(),
        target,
        TABLE,
        mode="full_load_then_cdc",
        options={"poll_interval_ms": 50, "window_rows": 100},
    )
    await daemon.control(task_id, "start")
    for _ in range(KILLS):
        await daemon.until_status(task_id, "streaming")
        for _ in range(dice.randint(1, 5)):
            await run(servers, burst(dice))
            await anyio.sleep(dice.random() * 0.15)  # an instant of its own for each kill
        await daemon.kill()
        await daemon.start()
    await daemon.until_status(task_id, "streaming")
    expected = await source_rows(servers)
    with anyio.fail_after(LIMIT_S):
        while True:
            lake = await anyio.to_thread.run_sync(download, servers, prefix, tmp_path)
            if lake.state(("id",)) == expected:
                break
            await anyio.sleep(0.2)
    places = [tuple(c[k] for k in ORDER) for c in lake.changes()]
    assert places == sorted(places), f"seed {SEED}: out of order"
    assert len(places) == len(set(places)), f"seed {SEED}: doubled"
    assert places
