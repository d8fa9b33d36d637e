"""One archive of what a supporter needs. Everything in it comes from views without secrets."""

import io
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from dtaas.admin.client import AdminClient
from dtaas.model.errors import DtaasError

_PATHS: Final[Mapping[str, str]] = {
    "version.json": "/api/version",
    "config.json": "/api/admin/config",
    "dashboard.json": "/api/dashboard/metrics",
    "history.json": "/api/dashboard/history",
    "connectors.json": "/api/connectors/?limit=1000",
    "tasks.json": "/api/tasks/?limit=1000",
    "alert-rules.json": "/api/alerts/rules",
    "alert-events.json": "/api/alerts/events?limit=200",
    "log.json": "/api/logs/?limit=1000&level=debug",
}
_EXECUTIONS_PER_TASK: Final = 5
_MOST_TASKS: Final = 200


def write_bundle(client: AdminClient, file: Path, *, as_json: bool) -> None:
    """Write the archive with mode 0600. What cannot be read is named in `missing.json`."""
    found: dict[str, bytes] = {}
    missing: dict[str, str] = {}

    def take(name: str, ask: Callable[[], bytes]) -> None:
        try:
            found[name] = ask()
        except DtaasError as error:
            missing[name] = error.detail

    for name, path in _PATHS.items():
        take(name, lambda path=path: client.raw(path))  # type: ignore[misc]
    take("metrics.txt", lambda: client.raw("/metrics"))
    take("doctor.json", lambda: client.post("/api/admin/doctor", {}, msgspec.Raw))
    for task_id in _task_ids(found.get("tasks.json", b'{"items":[]}')):
        path = f"/api/tasks/{task_id}/executions?limit={_EXECUTIONS_PER_TASK}"
        take(f"executions-{task_id}.json", lambda path=path: client.raw(path))  # type: ignore[misc]
    found["missing.json"] = msgspec.json.encode(missing)
    file.touch(mode=0o600, exist_ok=False)
    with tarfile.open(file, "w:gz") as archive:
        for name, content in found.items():
            info = tarfile.TarInfo(f"dtaas-support/{name}")
            info.size, info.mode, info.mtime = len(content), 0o600, int(time.time())
            archive.addfile(info, io.BytesIO(bytes(content)))
    if as_json:
        click.echo(msgspec.json.encode({"file": str(file), "missing": missing}))
    else:
        click.echo(f"{file}: {len(found)} files. Look into it before you send it.")


def _task_ids(tasks: bytes) -> list[int]:
    items: list[dict[str, Any]] = msgspec.json.decode(tasks)["items"]
    return [item["id"] for item in items[:_MOST_TASKS]]
