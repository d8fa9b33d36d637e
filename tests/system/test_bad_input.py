"""Every mistake a person can make gets an answer that says what is wrong and what to do."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import DATABASE, Sandbox
from tests.system.conftest import LINEITEM, ORDERS, Daemon
from tests.system.proof import compare
from tests.system.test_kills import SLOW_MB_S

REGION = TableRef("dbo", "region")


@pytest.fixture(scope="module")
async def daemon(
    servers: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Daemon]:
    """One for all of them: no mistake may hurt what comes after it."""
    running = Daemon(tmp_path_factory.mktemp("mistakes") / "daemon", servers, {})
    await running.start()
    yield running
    await running.aclose()


async def failed_step(daemon: Daemon, connector_id: int) -> dict[str, Any]:
    report = await daemon.post(f"/api/connectors/{connector_id}/test")
    assert report["ok"] is False
    return next(step for step in report["steps"] if step["status"] == "failed")


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"password": "wrong"}, "authentication_failed"),
        ({"username": "nobody"}, "authentication_failed"),
        ({"host": "no-such-host.invalid"}, "host_not_found"),
        ({"port": 1}, "connection_lost"),
        ({"database": "nowhere"}, "database_not_found"),
        ({"trust_server_certificate": False}, "certificate_invalid"),
    ],
)
async def test_a_source_that_cannot_connect(daemon: Daemon, config: dict[str, Any], code: str):
    source = await daemon.source(login_timeout_s=5, **config)
    step = await failed_step(daemon, source)
    assert step["code"] == code
    assert step["detail"]
    assert step["fix"]
    target = await daemon.s3()
    task_id = await daemon.task(source, target, REGION, options={"max_attempts": 1})
    execution = await daemon.run(task_id)
    assert execution["status"] == "failed"
    (table,) = execution["tables"]
    assert table["error_code"] == code
    assert table["hint"]
    assert (await daemon.get(f"/api/tasks/{task_id}"))["status"] == "failed"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"bucket": "no-such-bucket"}, "bucket_not_found"),
        ({"secret_access_key": "wrong"}, "authentication_failed"),
        ({"access_key_id": "nobody"}, "authentication_failed"),
    ],
)
async def test_a_destination_that_refuses(daemon: Daemon, config: dict[str, Any], code: str):
    source, target = await daemon.source(), await daemon.s3(**config)
    step = await failed_step(daemon, target)
    assert (step["code"], bool(step["fix"])) == (code, True)
    execution = await daemon.run(await daemon.task(source, target, REGION))
    (table,) = execution["tables"]
    assert (execution["status"], table["error_code"]) == ("failed", code)


async def test_one_table_that_is_gone_does_not_stop_the_others(daemon: Daemon):
    source, target = await daemon.source(), await daemon.s3()
    gone = TableRef("dbo", "gone")
    execution = await daemon.run(await daemon.task(source, target, gone, REGION))
    assert execution["status"] == "partial"
    found = {t["table"]["name"]: t["error_code"] for t in execution["tables"]}
    assert found == {"gone": "table_not_found", "region": None}


async def test_names_with_brackets_quotes_slashes_and_emoji(servers: Sandbox, daemon: Daemon):
    names = ["a]b", 'it\'s "quoted"', "a/b", "a\\b", "🚀 rockets", "..", "ünïcode", "CON", "a.b"]
    schema = f"odd {os.getpid()}]"
    tables = [TableRef(schema, name) for name in names]
    quoted = "[" + schema.replace("]", "]]") + "]"
    script = [f"CREATE SCHEMA {quoted}"]
    for index, name in enumerate(names):
        table = f"{quoted}.[{name.replace(']', ']]')}]"
        script.append(
            f"CREATE TABLE {table} ([i]]d] int NOT NULL PRIMARY KEY, [wörd 🙂] nvarchar(20) NULL)"
        )
        script.append(f"INSERT INTO {table} VALUES ({index}, N'{index} 🚀'), (-1, NULL)")
    await servers.sqlserver.run_script("\nGO\n".join(script), database=DATABASE)
    prefix = f"odd-{os.getpid()}/{{schema}}/{{table}}"
    source, target = await daemon.source(), await daemon.s3(prefix=prefix)
    execution = await daemon.run(await daemon.task(source, target, *tables))
    assert execution["status"] == "completed", execution
    proof = await compare(servers, prefix, *tables)
    assert proof.verified, proof.differs()
    assert proof.rows == 2 * len(names)


async def test_an_empty_table_leaves_its_schema(servers: Sandbox, daemon: Daemon):
    table = TableRef("dbo", f"empty_{os.getpid()}")
    await servers.sqlserver.run_script(
        f"CREATE TABLE dbo.{table.name} (id int NOT NULL PRIMARY KEY, note nvarchar(10) NULL)",
        database=DATABASE,
    )
    prefix = f"empty-{os.getpid()}/{{table}}"
    source, target = await daemon.source(), await daemon.s3(prefix=prefix)
    execution = await daemon.run(await daemon.task(source, target, table))
    assert (execution["status"], execution["processed_rows"]) == ("completed", 0)
    proof = await compare(servers, prefix, table)
    assert proof.verified
    assert proof.rows == 0


async def refused(daemon: Daemon, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = await daemon.http.request(method, path, json=body)
    assert answer.is_client_error, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    return dict(problem)


async def test_a_running_task_keeps_what_it_runs_on(daemon: Daemon):
    source = await daemon.source(read_rate_limit_mb_s=SLOW_MB_S)
    target = await daemon.s3()
    task_id = await daemon.task(source, target, LINEITEM)
    await daemon.control(task_id, "start")
    await daemon.until_status(task_id, "running")
    problem = await refused(daemon, "DELETE", f"/api/tasks/{task_id}")
    assert (problem["status"], problem["code"]) == (409, "task_running")
    task = await daemon.get(f"/api/tasks/{task_id}")
    changed = {
        name: task[name]
        for name in ("name", "source_connector_id", "destination_connector_id", "source_tables")
    }
    moved = {**changed, "source_tables": [{"schema": "dbo", "name": "orders"}]}
    problem = await refused(daemon, "PUT", f"/api/tasks/{task_id}", moved)
    assert problem["code"] == "task_running"
    answer = await daemon.http.put(
        f"/api/tasks/{task_id}", json={**changed, "options": {"concurrent_chunks": 3}}
    )
    assert answer.json()["applies"] == "next_start"
    for connector_id in (source, target):
        problem = await refused(daemon, "DELETE", f"/api/connectors/{connector_id}")
        assert (problem["status"], problem["code"]) == (409, "in_use")
        assert task["name"] in problem["detail"]
    problem = await refused(daemon, "POST", f"/api/tasks/{task_id}/control", {"action": "start"})
    assert (problem["code"], problem["allowed_actions"]) == (
        "action_not_allowed",
        ["pause", "stop"],
    )
    await daemon.control(task_id, "stop", force=True)
    await daemon.until_status(task_id, "stopped")


async def test_wrong_tasks_are_refused_when_saved(daemon: Daemon):
    source, target = await daemon.source(), await daemon.s3()
    ref = {"schema": "dbo", "name": "orders"}
    good = {
        "name": "x",
        "source_connector_id": source,
        "destination_connector_id": target,
        "source_tables": [ref],
    }
    twice = await refused(daemon, "POST", "/api/tasks/", {**good, "source_tables": [ref, ref]})
    assert (twice["code"], twice["field"]) == ("validation_failed", "$.source_tables[1]")
    both = [{"schema": "dbo", "name": n} for n in ("orders", "lineitem")]
    mappings = [{"source": table, "target": ["here"]} for table in both]
    one = await refused(
        daemon, "POST", "/api/tasks/", {**good, "source_tables": both, "table_mappings": mappings}
    )
    assert one["code"] == "target_collision"
    unknown = await refused(daemon, "POST", "/api/tasks/", {**good, "colour": "red"})
    assert "colour" in unknown["detail"]
    swapped = await refused(daemon, "POST", "/api/tasks/", {**good, "source_connector_id": target})
    assert swapped["field"] == "$.source_connector_id"
    await daemon.post("/api/tasks/", good)
    elsewhere = {**good, "source_tables": [both[1]]}
    taken = await refused(daemon, "POST", "/api/tasks/", elsewhere)
    assert (taken["status"], taken["code"]) == (409, "name_taken")


async def serve(*options: str, **environ: str) -> tuple[int, str]:
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, "-m", "dtaas", "serve", *options],
            check=False,
            env={**os.environ, **environ},
        )
    return done.returncode, done.stderr.decode()


async def test_a_port_in_use(daemon: Daemon, tmp_path: Path):
    port = str(daemon.http.base_url.port)
    code, errors = await serve("--port", port, "--data-dir", str(tmp_path / "other"))
    assert code == 1
    assert f"Port {port} of 127.0.0.1 is in use" in errors


async def test_a_second_daemon_on_the_same_folder(daemon: Daemon):
    code, errors = await serve("--port", "0", "--data-dir", str(daemon.data_dir))
    assert code == 1
    assert str(daemon.data_dir) in errors


async def test_an_address_others_reach_is_refused(tmp_path: Path):
    options = ("--host", "0.0.0.0", "--data-dir", str(tmp_path))  # noqa: S104
    code, errors = await serve(*options, DTAAS_AUTH__ENABLED="false")
    assert code == 1
    assert "$.api.host" in errors


async def test_bad_toml(tmp_path: Path):
    file = tmp_path / "bad.toml"
    file.write_text('[api]\nport = "many"\n')
    code, errors = await serve("--config", str(file))
    assert code == 1
    assert "$.api.port" in errors
    assert "Traceback" not in errors


async def test_no_rights_on_a_table(servers: Sandbox, daemon: Daemon):
    await servers.sqlserver.engine.create_login("reader", "Reader-1433")
    await servers.sqlserver.engine.create_user("reader", DATABASE)
    await servers.sqlserver.run_script("GRANT SELECT ON dbo.region TO reader", database=DATABASE)
    source = await daemon.source(username="reader", password="Reader-1433")
    target = await daemon.s3()
    execution = await daemon.run(await daemon.task(source, target, REGION, ORDERS))
    assert execution["status"] == "partial", execution
    found = {t["table"]["name"]: t["error_code"] for t in execution["tables"]}
    assert found["region"] is None
    assert found["orders"] in ("permission_denied", "table_not_found")
