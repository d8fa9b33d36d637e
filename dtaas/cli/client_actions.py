"""What the client commands do with a daemon."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec

from dtaas.admin.client import AdminClient, DaemonUnreachableError
from dtaas.api.views import ExecutionList, ExecutionView, TaskList, TaskView, Version
from dtaas.cli import client_tables
from dtaas.cli.client_wait import until_ended
from dtaas.model.errors import NotFoundError
from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.services.dashboard import DashboardMetrics
from dtaas.services.table_steering import SteeredTables
from dtaas.settings import load_settings

EXIT_FAILED: Final = 1
EXIT_UNREACHABLE: Final = 3
_MOST_TASKS: Final = 1000
_NAMED_TABLES: Final = 10


class Unreachable(click.ClickException):
    """Ends the command with exit code 3."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, error: DaemonUnreachableError) -> None:
        super().__init__(error.detail)
        self._error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Print code, what is wrong and what to do."""
        click.secho(f"{self._error.code}: ", fg="red", bold=True, nl=False, err=True, file=file)
        click.echo(f"{self._error.detail}\n  {self._error.hint}", err=True, file=file)


@contextmanager
def connected(socket: Path | None, config: Path | None) -> Iterator[AdminClient]:
    """Give a client of the daemon at `socket`, else where its settings put its socket.

    Raises:
        Unreachable: nobody answers.
        SettingsError: the configuration file is wrong.
    """
    path = socket or load_settings(config).admin_socket(os.environ)
    try:
        with AdminClient(path) as client:
            yield client
    except DaemonUnreachableError as error:
        raise Unreachable(error) from error


def show_status(client: AdminClient, task: str | None, *, as_json: bool) -> None:
    """Print how the daemon is, or one task and the tables of its latest execution."""
    if task is None:
        version = client.get("/api/version", Version)
        metrics = client.get("/api/dashboard/metrics", DashboardMetrics)
        if as_json:
            print_json({"version": version.version, "metrics": metrics})
        else:
            client_tables.show_daemon(version, metrics)
        return
    found = find_task(client, task)
    page = client.get(f"/api/tasks/{found.id}/executions", ExecutionList, limit=1)
    execution = (
        client.get(f"/api/executions/{page.items[0].id}", ExecutionView) if page.items else None
    )
    if as_json:
        print_json({"task": found, "execution": execution})
    else:
        client_tables.show_task(found, execution)


def show_tasks(client: AdminClient, statuses: Sequence[str], *, as_json: bool) -> None:
    """Print the tasks."""
    found = client.get("/api/tasks/", TaskList, limit=_MOST_TASKS, status=list(statuses))
    if as_json:
        print_json(found)
    else:
        client_tables.show_tasks(found)


def show_executions(client: AdminClient, task: str, *, limit: int, as_json: bool) -> None:
    """Print the executions of a task."""
    found = find_task(client, task)
    page = client.get(f"/api/tasks/{found.id}/executions", ExecutionList, limit=limit)
    if as_json:
        print_json(page)
    else:
        client_tables.show_executions(found, page)


def steer(
    client: AdminClient,
    name: str,
    action: str,
    *,
    as_json: bool,
    tables: Sequence[str] = (),
    force: bool = False,
    wait: bool = False,
) -> None:
    """Order an action, and wait for the execution's end when asked to."""
    task = find_task(client, name)
    chosen = [table_of(task, table) for table in tables]
    body = {"action": action, "force": force, "tables": msgspec.to_builtins(chosen)}

    def order() -> TaskView:
        return client.post(f"/api/tasks/{task.id}/control", body, TaskView)

    def latest() -> Execution | None:
        page = client.get(f"/api/tasks/{task.id}/executions", ExecutionList, limit=1)
        return page.items[0] if page.items else None

    if wait:
        _show_end(task, until_ended(client.path, task.id, order, latest), as_json=as_json)
        return
    ordered = order()
    if as_json:
        print_json(ordered)
    else:
        click.echo(f"Task {ordered.name!r} is {ordered.status}.")


def steer_tables(
    client: AdminClient, name: str, action: str, tables: Sequence[str], *, as_json: bool
) -> None:
    """Leave tables of a running execution out, or try them again."""
    task = find_task(client, name)
    page = client.get(f"/api/tasks/{task.id}/executions", ExecutionList, limit=1)
    if not page.items:
        raise click.ClickException(f"Task {task.name!r} never ran: start it first.")
    latest = client.get(f"/api/executions/{page.items[0].id}", ExecutionView)
    known = {str(one.table): one.table for one in latest.tables}  # patterns find tables, too
    for unknown in (table for table in tables if table not in known):
        raise click.BadParameter(
            f"execution {latest.id} of task {task.name!r} has no table {unknown!r}; it has"
            f" {', '.join(list(known)[:_NAMED_TABLES])}",
            param_hint="SCHEMA.NAME",
        )
    body = {"action": action, "tables": msgspec.to_builtins([known[table] for table in tables])}
    done = client.post(f"/api/tasks/{task.id}/tables/control", body, SteeredTables)
    if as_json:
        print_json(done)
        return
    for one in done.items:
        click.echo(f"{one.table} is {one.phase}.")


def _show_end(task: TaskView, execution: Execution, *, as_json: bool) -> None:
    if as_json:
        print_json(execution)
    else:
        click.echo(
            f"Task {task.name!r}: execution {execution.id} {execution.status},"
            f" {execution.processed_rows:,} rows in {execution.duration_seconds or 0:.1f} s."
        )
        if execution.error_message:
            click.echo(f"  {execution.error_message}", err=True)
    if execution.status is not ExecutionStatus.COMPLETED:
        raise click.exceptions.Exit(EXIT_FAILED)


def find_task(client: AdminClient, name: str) -> TaskView:
    """Return a task by its id or, when no task has that id, by its name."""
    if name.isascii() and name.isdigit():
        try:
            return client.get(f"/api/tasks/{name}", TaskView)
        except NotFoundError:
            pass  # a name may look like a number
    named = client.get("/api/tasks/", TaskList, q=name, limit=_MOST_TASKS)
    for task in named.items:
        if task.name == name:
            return task
    raise NotFoundError(f"There is no task {name!r}.", hint="List them with: dtaas tasks")


def table_of(task: TaskView, name: str) -> TableRef:
    for table in task.source_tables:
        if str(table) == name:
            return table
    raise click.BadParameter(
        f"task {task.name!r} has no table {name!r}; it has"
        f" {', '.join(map(str, task.source_tables[:_NAMED_TABLES]))}",
        param_hint="--table",
    )


def print_json(value: object) -> None:
    """Print a value as JSON, for scripts."""
    click.echo(msgspec.json.encode(value))
