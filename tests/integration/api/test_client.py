"""The command line against a served daemon, through its admin socket."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anyio import (
    CancelScope,
    create_task_group,
    fail_after,
    move_on_after,
    run_process,
    to_thread,
)
from anyio.abc import TaskStatus as Started
from click.testing import CliRunner, Result

from dtaas.admin.client import AdminClient, DaemonRefusedError, DaemonUnreachableError
from dtaas.api.app import create_app
from dtaas.api.server import serve_unix
from dtaas.api.views import TaskView
from dtaas.cli.main import cli
from dtaas.concurrency.bus import DEFAULT_CAPACITY_EVENTS, Feed
from dtaas.model.errors import DtaasError, NotFoundError
from dtaas.model.events import Event, ExecutionChanged, TaskRemoved
from dtaas.model.ids import TaskId
from dtaas.model.task import TaskStatus
from dtaas.services.health import DrainingError
from dtaas.settings import ApiSettings
from tests.fakes.services_at_work import AtWork, Gate
from tests.integration.api.conftest import Served


async def run(served: Served, *arguments: str, ok: bool = True) -> Result:
    result = await invoke(*arguments, "--socket", str(served.socket))
    if ok:
        assert result.exit_code == 0, result.output
    return result


async def invoke(*arguments: str) -> Result:
    """Run a command in a thread, as the daemon it talks to lives in this loop."""
    return await to_thread.run_sync(CliRunner().invoke, cli, arguments)


async def run_json(served: Served, *arguments: str) -> Any:
    return msgspec.json.decode((await run(served, *arguments, "--json")).stdout)


async def test_status_of_the_daemon(served: Served):
    assert "none yet" in (await run(served, "status")).stdout
    await served.work.task()
    assert "1 idle" in (await run(served, "status")).stdout
    assert (await run_json(served, "status"))["metrics"]["figures"]["tasks"] == 1


async def test_tasks_by_state(served: Served):
    assert "no tasks" in (await run(served, "tasks")).stdout
    task = await served.work.task(name="night[bold]ly")
    text = (await run(served, "tasks")).stdout
    assert "night[bold]ly" in text
    assert "never" in text
    assert (await run_json(served, "tasks", "--status", "idle"))["items"][0]["id"] == task.id
    assert (await run_json(served, "tasks", "--status", "failed", "--status", "paused"))[
        "total"
    ] == 0


async def test_start_wait_and_look(served: Served):
    task = await served.work.task(name="Shop to the lake")
    done = await run(served, "start", task.spec.name, "--wait")
    assert "completed, 6 rows" in done.stdout
    listed = (await run_json(served, "executions", str(task.id)))["items"]
    assert [e["status"] for e in listed] == ["completed"]
    assert "completed" in (await run(served, "executions", task.spec.name)).stdout
    text = (await run(served, "status", task.spec.name)).stdout
    assert "dbo.orders" in text
    assert "3" in text
    picture = await run_json(served, "status", str(task.id))
    assert picture["execution"]["processed_rows"] == 6


async def test_start_some_tables(served: Served):
    task = await served.work.task()
    name = str(task.id)
    done = await run(served, "start", name, "--table", "dbo.lines", "--wait", "--json")
    assert msgspec.json.decode(done.stdout)["processed_rows"] == 3
    refused = await run(served, "start", name, "--table", "dbo.nothing", ok=False)
    assert refused.exit_code == 2
    assert "dbo.orders" in refused.output


async def test_waiting_for_a_failure_fails(served: Served):
    task = await served.work.task()
    served.work.source.tables.clear()
    failed = await run(served, "start", str(task.id), "--wait", ok=False)
    assert failed.exit_code == 1
    assert "failed" in failed.output


async def test_pause_resume_and_stop(served: Served):
    work = served.work
    task = await work.task()
    name = str(task.id)
    gate = Gate(work.source, "read")
    assert "is" in (await run(served, "start", name)).stdout
    with fail_after(10):
        await gate.reached.wait()
    await run(served, "pause", name)
    gate.open()
    await work.until_task_is(TaskStatus.PAUSED)
    gate = Gate(work.source, "read")
    assert (await run_json(served, "resume", name))["desired"] == "running"
    with fail_after(10):
        await gate.reached.wait()
    await run(served, "stop", name, "--force")
    await work.until_task_is(TaskStatus.STOPPED)


async def test_a_name_that_looks_like_an_id(served: Served):
    task = await served.work.task(name="4711")
    assert (await run_json(served, "status", "4711"))["task"]["id"] == task.id


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["status", "nobody"], NotFoundError),
        (["status", "99"], NotFoundError),
        (["executions", "99"], NotFoundError),
    ],
)
async def test_refusals_keep_their_kind(
    served: Served, arguments: Sequence[str], kind: type[DtaasError]
):
    result = await run(served, *arguments, ok=False)
    assert type(result.exception) is kind  # main() prints it and exits with 1


async def test_a_refused_action_says_what_is_possible(served: Served):
    task = await served.work.task()
    result = await run(served, "pause", str(task.id), ok=False)
    assert isinstance(result.exception, DtaasError)
    assert result.exception.code == "action_not_allowed"
    assert "start" in result.exception.hint


async def test_every_error_of_the_daemon_comes_back_as_what_it_was(served: Served):
    served.work.services.health.draining = True

    def ask() -> None:
        with AdminClient(served.socket) as client:
            client.get("/api/health/ready", dict)

    with pytest.raises(DaemonRefusedError) as caught:  # no kind of the vocabulary
        await to_thread.run_sync(ask)
    assert caught.value.code == DrainingError.code

    def read() -> None:
        with AdminClient(served.socket) as client:
            client.get("/api/tasks/99", TaskView)

    with pytest.raises(NotFoundError) as missing:
        await to_thread.run_sync(read)
    assert missing.value.detail == "There is no task 99."


async def test_waiting_ends_when_the_daemon_goes(work: AtWork, socket_dir: Path):
    task = await work.task()
    gate = Gate(work.source, "read")
    socket = socket_dir / "admin.sock"
    app = create_app(work.services, ApiSettings(), trusted=True)
    life = CancelScope()
    results: list[Result] = []

    async def serve(*, task_status: Started[None]) -> None:
        with life:
            await serve_unix(app, socket, grace_s=1, task_status=task_status)

    async def wait() -> None:
        results.append(await invoke("start", str(task.id), "--wait", "--socket", str(socket)))

    async with create_task_group() as group:
        await group.start(serve)
        group.start_soon(wait)
        with move_on_after(20):
            await gate.reached.wait()
        life.cancel()
    assert results[0].exit_code == 3, results[0].output
    assert "daemon_unreachable" in results[0].stderr
    assert not socket.exists()


@pytest.mark.parametrize("command", ["status", "tasks", "stop 1", "start 1 --wait", "executions 1"])
def test_without_a_daemon_the_exit_code_is_3(tmp_path: Path, command: str):
    path = tmp_path / "admin.sock"
    result = CliRunner().invoke(cli, [*command.split(), "--socket", str(path)])
    assert result.exit_code == 3
    assert "daemon_unreachable" in result.stderr
    assert str(path) in result.stderr
    assert "dtaas serve" in result.stderr


def test_the_client_says_so_too(tmp_path: Path):
    with pytest.raises(DaemonUnreachableError), AdminClient(tmp_path / "no.sock"):
        pass


async def test_the_real_command(served: Served):
    """As a user runs it: the exit code and what goes to which stream."""
    command = [sys.executable, "-m", "dtaas"]
    where = ["--socket", str(served.socket)]
    good = await run_process([*command, "tasks", "--json", *where])
    assert msgspec.json.decode(good.stdout)["items"] == []
    bad = await run_process([*command, "start", "nobody", *where], check=False)
    assert (bad.returncode, bad.stdout) == (1, b"")
    assert b"not_found: There is no task 'nobody'." in bad.stderr
    wrong = await run_process([*command, "start", *where], check=False)
    assert wrong.returncode == 2


async def test_waiting_survives_being_too_slow(served: Served):
    """The event of the end is lost on the way: the fresh snapshot makes the client ask."""
    work = served.work
    task = await work.task()
    gate = Gate(work.source, "read")
    results: list[Result] = []

    async def wait() -> None:
        results.append(await run(served, "start", str(task.id), "--wait", "--json"))

    async with create_task_group() as group:
        group.start_soon(wait)
        with move_on_after(20):
            await gate.reached.wait()
        put = Feed.put

        def forgetful(feed: Feed, event: Event) -> None:
            put(feed, event)
            if isinstance(event, ExecutionChanged) and feed is not work.feed:
                for _ in range(DEFAULT_CAPACITY_EVENTS + 1):
                    put(feed, TaskRemoved(at=event.at, task_id=TaskId(10**6)))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Feed, "put", forgetful)
            gate.open()
            await work.until_ended()
    assert msgspec.json.decode(results[0].stdout)["status"] == "completed"


async def test_a_table_is_left_out_and_tried_again(served: Served):
    work = served.work
    task = await work.task()
    name = str(task.id)
    refused = await run(served, "skip", name, "dbo.lines", ok=False)
    assert "never ran" in refused.output
    gate = Gate(work.source, "read")
    await run(served, "start", name)
    with fail_after(10):
        await gate.reached.wait()
    assert "dbo.lines is " in (await run(served, "skip", name, "dbo.lines")).stdout
    with fail_after(10):  # it is cancelled, which takes a moment
        while (
            again := await run(served, "retry", name, "dbo.lines", "--json", ok=False)
        ).exit_code:
            assert "cannot be tried again now" in str(again.exception)
    (one,) = msgspec.json.decode(again.stdout)["items"]
    assert one == {"table": {"schema": "dbo", "name": "lines"}, "phase": "waiting"}
    refused = await run(served, "skip", name, "dbo.nothing", ok=False)
    assert refused.exit_code == 2
    assert "dbo.orders" in refused.output
    gate.open()
    await work.until_ended()
    refused = await run(served, "retry", name, "dbo.lines", ok=False)
    assert refused.exit_code != 0
    assert "no execution of it runs here" in str(refused.exception)
