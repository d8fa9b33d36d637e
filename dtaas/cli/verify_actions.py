"""What `dtaas verify` does with a daemon."""

import time
from collections.abc import Sequence
from typing import Final

import anyio
import click
import msgspec
from rich.console import Console
from rich.table import Table

from dtaas.admin.client import AdminClient
from dtaas.api.controllers.verifications import VerificationView
from dtaas.api.views import TaskView
from dtaas.cli.client_actions import EXIT_FAILED, find_task, print_json, table_of
from dtaas.cli.verify_keys import show_keys
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskStatus
from dtaas.model.verification import Verdict, VerificationStatus

_LOOK_EVERY_S: Final = 0.3
_AGAIN_AFTER_S: Final = 2.0
_REPAIR_LIMIT_S: Final = 900.0
_COLOURS: Final = {Verdict.EQUAL: "green", Verdict.UNSETTLED: "yellow"}


def verify_task(
    client: AdminClient, name: str, tables: Sequence[str], *, repair: bool, as_json: bool
) -> None:
    """Verify a task, repair it when asked to, and end with exit code 1 when it is not proved."""
    task = find_task(client, name)
    chosen = [table_of(task, table) for table in tables]
    found = _verified(client, task, chosen)
    if repair and any(t.verdict is Verdict.DIFFERENT for t in found.tables):
        if not as_json:
            _show(found)
            click.echo("Repairing ...")
        found = _repaired(client, task, found)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if not found.verified:
        raise click.exceptions.Exit(EXIT_FAILED)


def _verified(client: AdminClient, task: TaskView, tables: Sequence[TableRef]) -> VerificationView:
    body = {"tables": msgspec.to_builtins(tables)}
    found = client.post(f"/api/tasks/{task.id}/verify", body, VerificationView)
    while found.status in {VerificationStatus.QUEUED, VerificationStatus.RUNNING}:
        anyio.run(anyio.sleep, _LOOK_EVERY_S)
        found = client.get(f"/api/tasks/{task.id}/verifications/{found.id}", VerificationView)
    return found


def _repaired(client: AdminClient, task: TaskView, found: VerificationView) -> VerificationView:
    """Order the repair, and verify the wrong tables until they are right or time is up."""
    client.post(f"/api/tasks/{task.id}/verifications/{found.id}/repair", {}, VerificationView)
    wrong = [t.table for t in found.tables if t.verdict is Verdict.DIFFERENT]
    until = time.monotonic() + _REPAIR_LIMIT_S
    while time.monotonic() < until:
        anyio.run(anyio.sleep, _AGAIN_AFTER_S)
        now = client.get(f"/api/tasks/{task.id}", TaskView)
        if now.status in {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.RETRYING}:
            continue  # tables are loaded anew
        found = _verified(client, task, wrong)
        if found.verified or now.status is not TaskStatus.STREAMING:
            break
    return found


def _show(found: VerificationView) -> None:
    if found.error:
        click.secho(f"{found.error_code}: {found.error}", fg="red", err=True)
    lines = Table(box=None, header_style="bold")
    for column in ("TABLE", "VERDICT", "SOURCE", "DESTINATION", "PROVED THROUGH", "WHAT DIFFERS"):
        lines.add_column(column, justify="right" if column in {"SOURCE", "DESTINATION"} else "left")
    for table in found.tables:
        lines.add_row(
            str(table.table),
            f"[{_COLOURS.get(table.verdict, 'red')}]{table.verdict}",
            "" if table.source_rows is None else f"{table.source_rows:,}",
            "" if table.destination_rows is None else f"{table.destination_rows:,}",
            table.verified_through or "",
            table.error or "; ".join(table.differences),
        )
    Console().print(lines)
    for table in found.tables:
        show_keys(table)
