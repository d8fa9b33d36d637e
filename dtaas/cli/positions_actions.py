"""What `dtaas positions` does with a daemon."""

from collections.abc import Sequence

import click
import msgspec
from rich.console import Console
from rich.table import Table

from dtaas.admin.client import AdminClient
from dtaas.cli.client_actions import EXIT_FAILED, find_task, print_json, table_of
from dtaas.model.positions import Comparison, Held, PositionReview, ReviewState


def show_positions(
    client: AdminClient, name: str, choice: str | None, tables: Sequence[str], *, as_json: bool
) -> None:
    """Compare, or decide and print; end with exit code 1 while a choice is missing."""
    task = find_task(client, name)
    if choice is None:
        found = client.post(f"/api/tasks/{task.id}/positions/compare", {}, PositionReview)
    else:
        chosen = [msgspec.to_builtins(table_of(task, table)) for table in tables]
        body = {"choice": choice, "tables": chosen}
        found = client.post(f"/api/tasks/{task.id}/positions/decide", body, PositionReview)
    if as_json:
        print_json(found)
    else:
        _show(found, task.name)
    if found.state is ReviewState.DIFFERENT:
        raise click.exceptions.Exit(EXIT_FAILED)


def _show(found: PositionReview, name: str) -> None:
    lines = Table(box=None, header_style="bold")
    for column in ("TABLE", "", "STORE", "TARGET", "CHOICES", "CHOSEN"):
        lines.add_column(column)
    for table in found.tables:
        colour = "green" if table.comparison is Comparison.SAME else "yellow"
        lines.add_row(
            str(table.table),
            f"[{colour}]{table.comparison}",
            _words(table.store),
            _words(table.target),
            ", ".join(table.choices),
            table.choice or "",
        )
    Console().print(lines)
    if found.state is ReviewState.DIFFERENT:
        click.echo("Choose what counts: --continue-from target, --continue-from store or --reload.")
    elif found.state is ReviewState.DECIDED:
        click.echo(f"Decided. It is done at the next start: dtaas start {name!r} (or resume).")


def _words(held: Held) -> str:
    return held.position or (f"load {held.load[:8]}" if held.load else "-")
