"""Secrets planted everywhere, and looked for in everything the daemon ever printed or stored."""

import base64
import io
import json
import os
import re
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dtaas.store.secrets import make_key, read_key
from tests.system.life import Life

# Each is planted in one place, so that a find says where it leaked from.
PLANTED = {
    "password of a source": "Pw-Source-4711-geheim",
    "key of a bucket": "Key-Bucket-4712-geheim",
    "token of a channel": "Tok-Channel-4713-geheim",
    "secret of a channel": "Sec-Channel-4714-geheim",
    "secret of a provider": "Sec-Oidc-4715-geheim",
    "token of Vault": "Tok-Vault-4716-geheim",
    "value in the environment": "Val-Env-4717-geheim",
    "value in a file": "Val-File-4718-geheim",
    "password of a user": "Pw-User-4719-geheim",
    "wrong password": "Pw-Wrong-4720-geheim",
    "secret in a refused request": "Sec-Refused-4721-geheim",
    "new password": "Pw-New-4722-geheim",
    "secret in a broken request": "Sec-Broken-4723-geheim",
}


def forms(secret: str) -> Iterator[bytes]:
    """Return how a secret could look in what was written."""
    plain = secret.encode()
    yield plain
    yield secret.encode("utf-16-le")
    yield plain.hex().encode()
    yield quote(secret, safe="").encode()
    for skip in range(3):  # base64 of a text that contains it
        yield base64.b64encode(b"x" * skip + plain)[4 if skip else 0 : -4]


def leaks(where: str, content: bytes, secrets: dict[str, str]) -> list[str]:
    return [
        f"{what} in {where}"
        for what, secret in secrets.items()
        if any(form in content for form in forms(secret))
    ]


class Client:
    """An admin who asks for everything; every answer is kept."""

    def __init__(self, url: str, answers: dict[str, bytes]) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=60)
        self.answers = answers

    async def ask(self, method: str, path: str, body: Any = None, **how: Any) -> httpx.Response:
        answer = await self.http.request(method, path, json=body, **how)
        head = "\n".join(f"{k}: {v}" for k, v in answer.headers.items() if k != "set-cookie")
        name = f"{method} {path} ({len(self.answers)})"
        self.answers[name] = head.encode() + answer.content
        assert answer.status_code != 500, (name, answer.text)
        return answer

    async def made(self, path: str, body: Any) -> Any:
        answer = await self.ask("POST", path, body)
        assert answer.is_success, answer.text
        return answer.json()


def source(name: str, password: Any) -> dict[str, Any]:
    return {
        "name": name,
        "connector_type": "source",
        "source_type": "sqlserver",
        "connection_config": {
            "host": "127.0.0.1",
            "port": 1,
            "database": "shop",
            "username": "reader",
            "password": password,
            "login_timeout_s": 2,
        },
    }


def bucket(secret: Any) -> dict[str, Any]:
    return {
        "name": "lake",
        "connector_type": "destination",
        "destination_type": "s3",
        "connection_config": {
            "bucket": "lake",
            "endpoint_url": "http://127.0.0.1:1",
            "access_key_id": "AKIA",
            "secret_access_key": secret,
            "session_token": secret,
        },
    }


async def set_up(client: Client, life: Life, files: Path) -> None:
    """Make an admin, connectors, a channel and a task that all hold secrets."""
    token = (await life.told("setup_required"))["setup_token"]
    body = {"token": token, "username": "root", "password": PLANTED["password of a user"]}
    await client.made("/api/auth/setup", body)
    client.http.headers["X-CSRF-Token"] = client.http.cookies["dtaas_csrf"]
    await client.made("/api/connectors/", source("direct", PLANTED["password of a source"]))
    await client.made("/api/connectors/", source("env", "${env:SHOP_PASSWORD}"))
    await client.made("/api/connectors/", source("file", f"${{file:{files}/shop}}"))
    await client.made("/api/connectors/", bucket(PLANTED["key of a bucket"]))
    config = {
        "url": "http://127.0.0.1:1/",
        "token": PLANTED["token of a channel"],
        "secret": PLANTED["secret of a channel"],
    }
    hook = await client.made(
        "/api/alerts/channels", {"name": "hook", "kind": "webhook", "config": config}
    )
    await client.ask("POST", f"/api/alerts/channels/{hook['id']}/test")
    task = {
        "name": "t",
        "source_connector_id": 1,
        "destination_connector_id": 4,
        "source_tables": [{"schema": "dbo", "name": "orders"}],
    }
    await client.made("/api/tasks/", task)


async def misuse(client: Client) -> None:
    """Fail in every way that could repeat a secret."""
    for number in range(1, 5):
        await client.ask("POST", f"/api/connectors/{number}/test")
    await client.ask("GET", "/api/connectors/1/tables")
    for number in range(1, 5):
        await client.ask("GET", f"/api/connectors/{number}/tables/dbo/orders/sample")
    refused = PLANTED["secret in a refused request"]
    for wrong in (
        source("direct", refused) | {"name": ""},
        source("nested", {"is": refused}),
        source("listed", [refused]),
        source("half", "${vault:" + refused + "}"),
        source("kind", "${" + refused + ":x}"),
        bucket(refused) | {"destination_type": "nowhere"},
        source("extra", refused) | {"more": refused},
    ):
        assert (await client.ask("POST", "/api/connectors/", wrong)).status_code in {409, 422}
        await client.ask("POST", "/api/connectors/test", wrong)
    broken = PLANTED["secret in a broken request"]
    for content in (f'{{"password": "{broken}"', f'"{broken}"', f"{broken}", f'["{broken}"]'):
        for path in ("/api/connectors/", "/api/auth/login", "/api/alerts/channels"):
            answer = await client.ask(
                "POST", path, content=content, headers={"content-type": "application/json"}
            )
            assert 400 <= answer.status_code < 500
    wrong_login = {"username": "root", "password": PLANTED["wrong password"]}
    assert (await client.ask("POST", "/api/auth/login", wrong_login)).status_code == 401
    change = {"current": PLANTED["wrong password"], "new": PLANTED["new password"]}
    await client.ask("POST", "/api/auth/password", change)


async def read_everything(client: Client) -> None:
    """Call every GET of the API."""
    document = (await client.ask("GET", "/api/openapi.json")).json()
    for path, methods in document["paths"].items():
        if "get" in methods:
            filled = re.sub(r"\{[^}]+\}", "1", path)
            waits = "/logs" in filled
            await client.ask("GET", filled + ("?level=debug&limit=1000" if waits else ""))
    await client.ask("GET", "/metrics")


async def stop_failing_task(client: Client, life: Life) -> None:
    await client.ask("POST", "/api/tasks/1/control", {"action": "start"})
    await life.told("table_attempt_failed", task_id=1)
    await client.ask("POST", "/api/tasks/1/control", {"action": "stop"})


def unpacked(file: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield f"{file.name}:{member.name}", content.read()


def dumped(file: Path) -> bytes:
    """Return every value of a database as text, so that no page boundary hides one."""
    with closing(sqlite3.connect(file)) as db:
        return "\n".join(db.iterdump()).encode()


@pytest.mark.timeout(240)
async def test_no_secret_is_found_anywhere(life: Life, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "shop").write_text(PLANTED["value in a file"])
    life.config.write_text(
        life.config.read_text()
        + f'[secrets]\nfile_roots = ["{files}"]\nvault_address = "http://127.0.0.1:1"\n'
        + f'vault_token = "{PLANTED["token of Vault"]}"\n'
        + '[[auth.oidc]]\nname = "corp"\nissuer = "http://127.0.0.1:1"\nclient_id = "d"\n'
        + f'client_secret = "{PLANTED["secret of a provider"]}"\n'
        + 'public_url = "http://127.0.0.1:2"\n'
    )
    environ = {
        "SHOP_PASSWORD": PLANTED["value in the environment"],
        "DTAAS_AUTH__ENABLED": "true",
        "DTAAS_LOG__LEVEL": "debug",
    }
    answers: dict[str, bytes] = {}
    async with life.running(**environ) as process:
        client = Client((await life.told("started", pid=process.pid))["url"], answers)
        async with client.http:
            await set_up(client, life, files)
            await misuse(client)
            await stop_failing_task(client, life)
            await read_everything(client)
        await life.ask("backup", str(tmp_path / "backup.tar.gz"))
        await life.ask("support-bundle", str(tmp_path / "bundle.tar.gz"))
        answers["config show"] = json.dumps(await life.ask("config", "show")).encode()
        answers["doctor"] = json.dumps(await life.ask("doctor", expect=1)).encode()
        answers["audit"] = json.dumps(await life.ask("audit", "verify")).encode()
    answers["check-config"] = (await life.command("check-config", str(life.config))).encode()
    shown = await life.command("check-config", str(life.config), "--json")
    answers["check-config --json"] = shown.encode()
    answers["openapi"] = (await life.command("openapi")).encode()
    answers["log"] = life.log.read_bytes()
    for name in ("backup", "bundle"):
        answers |= dict(unpacked(tmp_path / f"{name}.tar.gz"))
    answers |= {str(p): p.read_bytes() for p in life.data_dir.rglob("*") if p.is_file()}
    answers["the database as text"] = dumped(life.data_dir / "dtaas.db")
    assert b"reader" in answers["the database as text"]  # what is no secret can be found
    key = read_key(life.data_dir / "dtaas.key")
    assert key is not None
    keys = PLANTED | {"the key": key.hex(), "the key as bytes": key.decode("latin-1")}
    found = [
        leak
        for where, content in answers.items()
        for leak in leaks(where, content, PLANTED if where.endswith("dtaas.key") else keys)
    ]
    assert found == []
    assert len(answers) > 60


def test_the_search_finds_what_is_there() -> None:
    secret = PLANTED["token of Vault"]
    for content in (
        f"x{secret}y".encode(),
        f"x{secret}y".encode("utf-16-le"),
        base64.b64encode(f"reader:{secret}".encode()),
        base64.b64encode(f"read:{secret}".encode()),
        base64.b64encode(f"rea:{secret}:x".encode()),
        io.BytesIO(secret.encode().hex().encode()).read(),
    ):
        assert leaks("here", content, PLANTED) == ["token of Vault in here"]


async def test_rotating_the_key_of_a_daemon(life: Life, tmp_path: Path) -> None:
    config = str(life.config)
    async with life.running() as process:
        url = (await life.told("started", pid=process.pid))["url"]
        async with httpx.AsyncClient(base_url=url) as http:
            body = source("direct", PLANTED["password of a source"])
            assert (await http.post("/api/connectors/", json=body)).status_code == 201
        refused = await life.command("secrets", "rotate", "--config", config, expect=1)
        assert "store_in_use" in refused
    done = json.loads(await life.command("secrets", "rotate", "--config", config, "--json"))
    assert done["connectors"] == 1
    async with life.running() as process:
        url = (await life.told("started", pid=process.pid))["url"]
        async with httpx.AsyncClient(base_url=url) as http:
            shown = (await http.get("/api/connectors/1")).json()
            assert shown["secrets_set"] == ["password"]
    os.replace(life.data_dir / "dtaas.key", tmp_path / "right")  # noqa: PTH105
    make_key(life.data_dir / "dtaas.key")
    wrong = await life.command("serve", "--config", config, expect=1)
    assert "store_corrupt" in wrong
    assert "is not the key" in wrong
    (life.data_dir / "dtaas.key").unlink()
    lost = await life.command("serve", "--config", config, expect=1)
    assert "is missing" in lost
    os.replace(tmp_path / "right", life.data_dir / "dtaas.key")  # noqa: PTH105
    async with life.running():
        pass
