"""`dtaas positions`: what the store knows beside what the target holds, and which counts."""

from collections.abc import Sequence
from pathlib import Path

import click

from dtaas.cli.client import daemon_options


@click.command()
@click.argument("task")
@click.option(
    "--continue-from",
    type=click.Choice(["target", "store"]),
    help="Let the target's position count, or the store's.",
)
@click.option("--reload", is_flag=True, help="Load what differs anew.")
@click.option(
    "--table", "tables", multiple=True, help="Decide only for this table, as schema.name."
)
@daemon_options
def positions(
    *,
    task: str,
    continue_from: str | None,
    reload: bool,
    tables: Sequence[str],
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Compare where TASK (id or name) stands by the metadata with where its target stands.

    After a restore they may differ; the task then waits until you choose. Without an option the
    two are compared and shown; exit code 1 while a choice is missing. The task must rest.
    """
    if continue_from and reload:
        raise click.UsageError("--continue-from and --reload exclude each other.")
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.positions_actions import show_positions  # noqa: PLC0415

    choice = "reload" if reload else continue_from
    if tables and choice is None:
        raise click.UsageError("--table goes with --continue-from or --reload.")
    with connected(socket, config) as client:
        show_positions(client, task, choice, tables, as_json=as_json)
