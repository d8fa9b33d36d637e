"""What the upkeep commands do."""

import os
import socket as sockets
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dtaas.admin.client import AdminClient, DaemonUnreachableError
from dtaas.api.controllers.admin import BackupDone
from dtaas.api.controllers.logs import LogLevel, LogLines
from dtaas.api.views import ExecutionLogList
from dtaas.cli.client_actions import EXIT_FAILED, find_task
from dtaas.model.check import StepStatus
from dtaas.services.doctor import Report, report_of
from dtaas.services.host_check import Finding, Places, check_host
from dtaas.settings import load_settings
from dtaas.store.address import parse_address
from dtaas.store.backup import restore
from dtaas.store.key_place import key_place

_WAIT_S: Final = 25
_MOST_LINES: Final = 1000
_ENDS_WITHIN_S: Final = 90.0
_LOOK_EVERY_S: Final = 0.1
_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
_LEVEL_COLOURS: Final = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}


def show_log(
    client: AdminClient, task: str | None, *, follow: bool, lines: int, level: str, as_json: bool
) -> None:
    """Print the newest lines, and those that come when asked to follow."""
    chosen = {} if task is None else {"task_id": find_task(client, task).id}
    found = client.get("/api/logs/", LogLines, level=level, limit=lines, **chosen)
    while True:
        for line in found.items:
            _print_line(line.at, line.level, line.event, line.fields, line, as_json=as_json)
        if not follow:
            return
        found = client.get(
            "/api/logs/",
            LogLines,
            after=found.last,
            level=level,
            limit=_MOST_LINES,
            wait_s=_WAIT_S,
            **chosen,
        )


def show_execution_log(
    client: AdminClient, execution: int, *, lines: int, level: str, as_json: bool
) -> None:
    """Print the newest lines of an execution's stored log, the oldest of them first."""
    path = f"/api/executions/{execution}/logs"
    page = client.get(path, ExecutionLogList, level=level, limit=lines, sort="-id")
    for line in reversed(page.items):
        _print_line(line.at, line.level, line.event, line.fields, line, as_json=as_json)


def _print_line(
    at: datetime, level: str, event: str, fields: Any, whole: object, *, as_json: bool
) -> None:
    if as_json:
        click.echo(msgspec.json.encode(whole))
        return
    facts = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    moment = at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    shown = click.style(f"{level:<7}", fg=_LEVEL_COLOURS.get(level, "cyan").replace("dim", "white"))
    click.echo(f"{moment} {shown} {event:<24} {facts}")


def examine(socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Print the doctor's report; without a daemon that of machine and files."""
    settings = load_settings(config)
    path = socket or settings.admin_socket(os.environ)
    try:
        with AdminClient(path) as client:
            report = client.post("/api/admin/doctor", {}, Report)
    except DaemonUnreachableError as error:
        report = _alone(config, path, error)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _show_report(report)
    if not report.ok:
        raise click.exceptions.Exit(EXIT_FAILED)


def _alone(config: Path | None, socket: Path, error: DaemonUnreachableError) -> Report:
    settings = load_settings(config)
    data_dir = settings.data_dir(os.environ)
    address = parse_address(settings.store.url, data_dir)
    places = Places(
        data_dir=data_dir,
        database=address.place.file,
        key=key_place(settings.store, data_dir, os.environ),
        admin_socket=socket,
    )
    down = Finding(
        area="state",
        subject="",
        name="daemon",
        status=StepStatus.FAILED,
        detail=error.detail,
        fix=error.hint,
    )
    return report_of([down, *check_host(places)])


def _show_report(report: Report) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in ("Area", "What", "", "Found"):
        table.add_column(column)
    for finding in report.findings:
        table.add_row(
            escape(f"{finding.area} {finding.subject}".strip()),
            finding.name,
            f"[{_COLOURS[finding.status]}]{finding.status}[/]",
            escape(finding.detail)
            + (f"\n[bold]{escape(finding.fix)}[/bold]" if finding.fix else ""),
        )
    console.print(table)


def back_up(client: AdminClient, file: Path | None, *, with_key: bool, as_json: bool) -> None:
    """Let the daemon write a backup."""
    path = str(file.absolute()) if file else ""
    done = client.post("/api/admin/backup", {"path": path, "with_key": with_key}, BackupDone)
    if as_json:
        click.echo(msgspec.json.encode(done))
        return
    click.echo(f"{done.path}: {done.manifest.bytes:,} bytes of metadata.")
    if not with_key:
        click.echo("The key of the secrets is not in it: keep a copy of the key file elsewhere.")


def restore_backup(
    file: Path, config: Path | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """Restore a backup while no daemon runs."""
    overrides = {"daemon": {"data_dir": str(data_dir)}} if data_dir else {}
    settings = load_settings(config, overrides=overrides)
    folder = settings.data_dir(os.environ)
    place = parse_address(settings.store.url, folder).place
    manifest = restore(file, place, key_place(settings.store, folder, os.environ))
    if as_json:
        click.echo(msgspec.json.encode(manifest))
        return
    click.echo(f"{place} is as it was on {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC.")
    click.echo(
        "No task runs by itself: start each with dtaas start. It compares its positions with those"
        " of its target first, and waits for your choice where they differ (dtaas positions)."
    )


def drain_daemon(client: AdminClient, *, as_json: bool) -> None:
    """End the daemon and wait until its socket is gone."""
    client.post("/api/admin/drain", {}, msgspec.Raw)
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while _answers(client.path):
        if time.monotonic() > deadline:
            raise click.ClickException(f"The daemon still runs after {_ENDS_WITHIN_S:g} s.")
        time.sleep(_LOOK_EVERY_S)  # noqa: TID251 - a command of one thread
    click.echo(msgspec.json.encode({"drained": True}) if as_json else "The daemon has ended.")


def _answers(path: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def change_log_level(client: AdminClient, level: str | None, *, as_json: bool) -> None:
    """Print the level in force after changing it when asked to."""
    if level is None:
        found = client.get("/api/logs/level", LogLevel)
    else:
        found = client.put("/api/logs/level", {"level": level}, LogLevel)
    click.echo(msgspec.json.encode(found) if as_json else found.level)


def show_config(client: AdminClient, *, as_json: bool) -> None:
    """Print the settings in force."""
    found: dict[str, dict[str, Any]] = client.get("/api/admin/config", dict[str, dict[str, Any]])
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for section, values in found.items():
        for key, value in values.items():
            click.echo(f"{section}.{key} = {msgspec.json.encode(value).decode()}")
