"""Commands that ask the daemon over its admin socket."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

Command = Callable[..., Any]


def daemon_options(command: Command) -> Command:
    """Add the options that say where the daemon is, and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print as JSON."),
        click.option("--config", type=click.Path(path_type=Path), help="The daemon's TOML file."),
        click.option(
            "--socket", type=click.Path(path_type=Path), help="The daemon's admin socket."
        ),
    ):
        command = option(command)
    return command


wait_option = click.option(
    "--wait", is_flag=True, help="Return when the execution ended; 1 unless it completed."
)


@click.command()
@click.argument("task", required=False)
@daemon_options
def status(task: str | None, socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Show how the daemon is, or one TASK (id or name) and its tables."""
    from dtaas.cli.client_actions import connected, show_status  # noqa: PLC0415 - slow to load

    with connected(socket, config) as client:
        show_status(client, task, as_json=as_json)


@click.command()
@click.option("--status", "statuses", multiple=True, help="Only tasks in this state; repeatable.")
@daemon_options
def tasks(
    statuses: Sequence[str], socket: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """List the tasks."""
    from dtaas.cli.client_actions import connected, show_tasks  # noqa: PLC0415

    with connected(socket, config) as client:
        show_tasks(client, statuses, as_json=as_json)


@click.command()
@click.argument("task")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="Most executions shown.")
@daemon_options
def executions(
    task: str, limit: int, socket: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """List the executions of TASK (id or name), the newest first."""
    from dtaas.cli.client_actions import connected, show_executions  # noqa: PLC0415

    with connected(socket, config) as client:
        show_executions(client, task, limit=limit, as_json=as_json)


@click.command()
@click.argument("task")
@click.option(
    "--table", "tables", multiple=True, help="Load only this table, as schema.name; repeatable."
)
@click.option("--force", is_flag=True, help="Forget what an earlier execution left unfinished.")
@wait_option
@daemon_options
def start(
    *,
    task: str,
    tables: Sequence[str],
    socket: Path | None,
    config: Path | None,
    force: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Start TASK (id or name)."""
    from dtaas.cli.client_actions import connected, steer  # noqa: PLC0415

    with connected(socket, config) as client:
        steer(client, task, "start", tables=tables, force=force, wait=wait, as_json=as_json)


@click.command()
@click.argument("task")
@click.option("--force", is_flag=True, help="Do not wait for what was read to arrive.")
@daemon_options
def stop(
    task: str, socket: Path | None, config: Path | None, *, force: bool, as_json: bool
) -> None:
    """Stop TASK (id or name)."""
    from dtaas.cli.client_actions import connected, steer  # noqa: PLC0415

    with connected(socket, config) as client:
        steer(client, task, "stop", force=force, as_json=as_json)


@click.command()
@click.argument("task")
@daemon_options
def pause(task: str, socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Pause TASK (id or name); `resume` goes on where it was."""
    from dtaas.cli.client_actions import connected, steer  # noqa: PLC0415

    with connected(socket, config) as client:
        steer(client, task, "pause", as_json=as_json)


@click.command()
@click.argument("task")
@wait_option
@daemon_options
def resume(
    task: str, socket: Path | None, config: Path | None, *, wait: bool, as_json: bool
) -> None:
    """Resume TASK (id or name)."""
    from dtaas.cli.client_actions import connected, steer  # noqa: PLC0415

    with connected(socket, config) as client:
        steer(client, task, "resume", wait=wait, as_json=as_json)


@click.command()
@click.argument("task")
@click.argument("tables", nargs=-1, required=True, metavar="SCHEMA.NAME...")
@daemon_options
def skip(
    task: str, tables: Sequence[str], socket: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Leave tables out of the execution of TASK (id or name) that runs; the others go on."""
    from dtaas.cli.client_actions import connected, steer_tables  # noqa: PLC0415

    with connected(socket, config) as client:
        steer_tables(client, task, "skip", tables, as_json=as_json)


@click.command()
@click.argument("task")
@click.argument("tables", nargs=-1, required=True, metavar="SCHEMA.NAME...")
@daemon_options
def retry(
    task: str, tables: Sequence[str], socket: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Let tables that failed or were left out go on in the execution of TASK that runs."""
    from dtaas.cli.client_actions import connected, steer_tables  # noqa: PLC0415

    with connected(socket, config) as client:
        steer_tables(client, task, "retry", tables, as_json=as_json)


CLIENT_COMMANDS: Final = (status, tasks, start, stop, pause, resume, skip, retry, executions)
