"""Settings in force and backups, as an admin has them in the browser."""

from pathlib import Path

import httpx

from dtaas.store.backup import read_manifest
from tests.fakes.services_at_work import AtWork


async def test_limits_and_retention_are_shown(http: httpx.AsyncClient) -> None:
    told = (await http.get("/api/settings")).json()
    assert told["guards"] == {"disk_percent": 97.0, "memory_percent": 95.0}
    assert told["retention"]["logs_days"] == 30
    assert told["max_body_mb"] == 8
    assert "key" not in str(told)


async def test_a_backup_is_made_found_and_whole(http: httpx.AsyncClient, work: AtWork) -> None:
    assert (await http.get("/api/backups")).json() == {"items": [], "possible": True}
    await work.task()
    answer = await http.post("/api/backups")
    assert answer.status_code == 201
    made = answer.json()
    assert (await http.get("/api/backups")).json()["items"] == [made]
    manifest = read_manifest(Path(made["path"]))
    assert manifest.installation == work.store.installation
    assert not manifest.with_key
    assert made["bytes"] == Path(made["path"]).stat().st_size
    assert Path(made["path"]).stat().st_mode & 0o777 == 0o600
    entries = (await http.get("/api/audit")).json()["items"]
    assert any("/api/backups" in str(entry) for entry in entries)
