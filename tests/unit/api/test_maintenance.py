"""Settings in force and backups, as an admin has them in the browser."""

from pathlib import Path

import httpx

from dtaas.store.backup import read_manifest, write_backup
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


async def test_a_backup_is_downloaded_as_it_lies_there_and_on_record(
    http: httpx.AsyncClient,
) -> None:
    made = (await http.post("/api/backups")).json()
    answer = await http.get(f"/api/backups/{made['name']}")
    assert answer.status_code == 200
    assert answer.content == Path(made["path"]).read_bytes()
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["content-length"] == str(made["bytes"])
    assert answer.headers["content-disposition"] == f'attachment; filename="{made["name"]}"'
    assert "content-encoding" not in answer.headers
    (entry, *_) = (await http.get("/api/audit", params={"action": "backups.download"})).json()[
        "items"
    ]
    assert entry["object"] == f"/api/backups/{made['name']}"


async def test_only_backups_without_the_key_leave_the_data_folder(
    http: httpx.AsyncClient, work: AtWork, tmp_path: Path
) -> None:
    made = Path((await http.post("/api/backups")).json()["path"])
    folder, secret = made.parent, made.parent.parent / "dtaas-secret.tar.gz"
    secret.write_bytes(made.read_bytes())
    (folder / "dtaas-link.tar.gz").symlink_to(secret)
    (folder / "other.tar.gz").write_bytes(b"not one")
    (folder / "dtaas-folder.tar.gz").mkdir()
    for name in (
        "..%2Fdtaas-secret.tar.gz", "..", "%2e%2e%2fdtaas.key", "dtaas-link.tar.gz", "other.tar.gz",
        "dtaas-folder.tar.gz", "dtaas-*.tar.gz", f"{made.name}%00",
        str(made).replace("/", "%2F"),
    ):  # fmt: skip
        assert (await http.get(f"/api/backups/{name}")).status_code == 404, name
    assert [one["name"] for one in (await http.get("/api/backups")).json()["items"]] == [made.name]

    key = tmp_path / "key"
    key.write_text("k")
    with_key = folder / "dtaas-with-key.tar.gz"
    write_backup(work.store.database.place, with_key, key_file=key)
    answer = await http.get(f"/api/backups/{with_key.name}")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "Copy the file at the machine" in answer.json()["hint"]
    assert (await http.get("/api/audit", params={"action": "backups.download"})).json()[
        "items"
    ] == []
