"""Commands for tasks and connectors as files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from dtaas.cli.client import daemon_options

_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)


def _file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--connector",
            "renamed",
            multiple=True,
            metavar="THERE=HERE",
            help="What a connector named in the file is called here; repeatable.",
        ),
        click.option(
            "-f",
            "--file",
            "files",
            type=_FILE,
            multiple=True,
            required=True,
            help="YAML or JSON; repeatable; - is standard input.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@_file_options
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@daemon_options
def apply(
    *,
    files: Sequence[Path],
    renamed: Sequence[str],
    socket: Path | None,
    config: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create and change the tasks and connectors of files: all of them, or none.

    ${env:DTAAS_SECRET_…} in a secret is taken from the environment of this command; else it stays a
    reference to that of the daemon. A stored secret is kept.
    """
    from dtaas.cli.client_actions import connected  # noqa: PLC0415 - slow to load
    from dtaas.cli.files_actions import apply_files  # noqa: PLC0415

    with connected(socket, config) as client:
        apply_files(client, files, renamed, dry_run=dry_run, as_json=as_json)


@click.command()
@_file_options
@daemon_options
def diff(
    *,
    files: Sequence[Path],
    renamed: Sequence[str],
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show what files would change; exit code 1 when they would, 0 when not."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.files_actions import compare_files  # noqa: PLC0415

    with connected(socket, config) as client:
        compare_files(client, files, renamed, as_json=as_json)


@click.command()
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option("--all", "everything", is_flag=True, help="All tasks and all connectors.")
@click.option("--connectors", "with_connectors", is_flag=True, help="And the connectors in use.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write."
)
@daemon_options
def export(
    *,
    tasks: Sequence[str],
    everything: bool,
    with_connectors: bool,
    output: Path | None,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Print TASKs (ids or names) as a file that `apply` and `diff` take. It holds no secret."""
    if bool(tasks) == everything:
        raise click.UsageError("Name tasks, or give --all.")
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.files_actions import export_tasks  # noqa: PLC0415

    with connected(socket, config) as client:
        export_tasks(client, tasks, output, with_connectors=with_connectors, as_json=as_json)


@click.command()
@click.argument("task")
@click.option("--table", "tables", multiple=True, help="Only this table, as schema.name.")
@daemon_options
def plan(
    task: str,
    tables: Sequence[str],
    socket: Path | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show what a run of TASK (id or name) would do; it changes nothing."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.plan_actions import show_plan  # noqa: PLC0415

    with connected(socket, config) as client:
        show_plan(client, task, tables, as_json=as_json)


FILE_COMMANDS: Final = (apply, diff, export, plan)
