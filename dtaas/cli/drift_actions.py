"""What `dtaas drift` does with a daemon."""

from urllib.parse import urlencode

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dtaas.admin.client import AdminClient
from dtaas.api.controllers.schema_changes import SchemaChangeList
from dtaas.cli.client_actions import find_task, print_json
from dtaas.model.drift import DriftDecision, SchemaChange, SchemaChangeState
from dtaas.model.schema import Column

_COLOURS = {
    SchemaChangeState.APPLIED: "green",
    SchemaChangeState.IGNORED: "dim",
    SchemaChangeState.PENDING: "yellow",
}


def show_changes(
    client: AdminClient, name: str, *, table: str | None, state: str | None, as_json: bool
) -> None:
    """Print the changes of a task's tables, the newest first."""
    task = find_task(client, name)
    asked = {key: value for key, value in (("table", table), ("state", state)) if value}
    path = f"/api/tasks/{task.id}/schema-changes?{urlencode({**asked, 'limit': 1000})}"
    found = client.get(path, SchemaChangeList)
    if as_json:
        print_json(found)
        return
    if not found.items:
        click.echo("No table changed." if not asked else "No such change.")
        return
    lines = Table(box=None, header_style="bold")
    for column in ("ID", "TABLE", "CHANGE", "BEFORE", "NOW", "STATE", "WHY"):
        lines.add_column(column, justify="right" if column == "ID" else "left")
    for change in found.items:
        lines.add_row(*_row(change))
    Console().print(lines)


def decide(
    client: AdminClient,
    name: str,
    number: int,
    decision: DriftDecision,
    *,
    backfill: bool,
    as_json: bool,
) -> None:
    """Decide about one change."""
    task = find_task(client, name)
    body = {"decision": decision.value, "backfill": backfill}
    path = f"/api/tasks/{task.id}/schema-changes/{number}/decide"
    change = client.post(path, body, SchemaChange)
    if as_json:
        print_json(change)
    else:
        click.echo(f"{change.table}: {change.kind} {change.column or ''} is {change.state} now.")


def _row(change: SchemaChange) -> tuple[str, ...]:
    what = f"{change.kind} {change.column or ''}".strip()
    return (
        str(change.id),
        escape(str(change.table)),
        escape(what),
        escape(_declared(change.before)),
        escape(_declared(change.after)),
        f"[{_COLOURS.get(change.state, 'red')}]{change.state}",
        escape(change.note or "; ".join(change.ddl)),
    )


def _declared(column: Column | None) -> str:
    if column is None:
        return ""
    declared = column.native_type or type(column.type).__name__.lower()
    return declared if column.nullable else f"{declared} not null"
