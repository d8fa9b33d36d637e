"""`dtaas verify`: proof that a task's data arrived, and repair of what did not."""

from collections.abc import Sequence
from pathlib import Path

import click

from dtaas.cli.client import daemon_options


@click.command()
@click.argument("task")
@click.option(
    "--table", "tables", multiple=True, help="Verify only this table, as schema.name; repeatable."
)
@click.option("--repair", is_flag=True, help="Put right what differs, then verify once more.")
@daemon_options
def verify(
    *,
    task: str,
    tables: Sequence[str],
    repair: bool,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Read both ends of TASK (id or name) again and compare them; exit code 1 when they differ.

    Transfers go on meanwhile. Rows that differ are named by key.
    """
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.verify_actions import verify_task  # noqa: PLC0415

    with connected(socket, config) as client:
        verify_task(client, task, tables, repair=repair, as_json=as_json)
