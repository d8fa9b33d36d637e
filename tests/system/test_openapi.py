"""Every operation of the OpenAPI document on the process, with requests schemathesis makes of it.

Each request is sent as nobody, viewer, operator and admin. The answer must be what the document
says, never a crash, and refused exactly where the role is too low.
"""

import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.system.life import LIMIT_S, Life

CASES = int(os.environ.get("DTAAS_TEST_API_CASES", "3"))
"""Requests of each kind (right ones and wrong ones) for each operation."""
SEED = int(os.environ.get("DTAAS_TEST_SEED", "7"))
BUDGET_S = float(os.environ.get("DTAAS_TEST_API_S", "45"))
"""After that, one request of each kind has to do for the operations that are left."""
PASSWORD = "correct horse battery 9"
ROLES = ("nobody", "viewer", "operator", "admin")
OPEN = {
    "GET /api/health/live",
    "GET /api/health/ready",
    "GET /api/auth/methods",
    "POST /api/auth/setup",
    "POST /api/auth/login",
}
ANYBODYS_OWN = ("/api/auth/", "/api/tokens", "/api/me")
FOR_ADMINS = ("/api/users", "/api/audit", "/api/auth/reset", "/api/settings", "/api/backups")
ADMINS_ONLY = {"PUT /api/logs/level"}
FOR_OPERATORS = {"GET /api/tasks/{task_id}/dead-letters/{file}"}
ASKS_OTHERS = frozenset({502, 503, 504})
"""What a connector's other side said, through us: no failure of ours where a problem says so."""
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
CLOSED = "http://127.0.0.1:1"
HARMLESS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 1,
    "url": CLOSED,
    "endpoint_url": CLOSED,
}


@dataclass
class Server:
    url: str
    tokens: dict[str, str]
    folder: Path
    life: Life


def least(operation: str) -> str:
    method, path = operation.split(" ")
    if operation in OPEN:
        return "nobody"
    if operation in ADMINS_ONLY or path.startswith(FOR_ADMINS):
        return "admin"
    if operation in FOR_OPERATORS:
        return "operator"
    return "viewer" if method == "GET" or path.startswith(ANYBODYS_OWN) else "operator"


@pytest.fixture
async def server(life: Life) -> AsyncIterator[Server]:
    quick = {"TIME_COST": "1", "MEMORY_MB": "1", "LANES": "1"}
    environ = {f"DTAAS_AUTH__ARGON2_{name}": value for name, value in quick.items()}
    async with life.running(DTAAS_AUTH__ENABLED="true", **environ):
        url = (await life.told("started"))["url"]
        setup = (await life.told("setup_required"))["setup_token"]
        async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as http:
            body = {"username": "admin", "password": PASSWORD}
            done = await http.post("/api/auth/setup", json=body | {"token": setup})
            assert done.status_code == 200, done.text
            http.headers["x-csrf-token"] = http.cookies["dtaas_csrf"]
            for role in ROLES[1:3]:
                user = {"username": role, "password": PASSWORD, "role": role}
                assert (await http.post("/api/users", json=user)).status_code == 201
            tokens = {role: await _token(url, role) for role in ROLES[1:]}
        yield Server(url=url, tokens=tokens, folder=life.folder / "out", life=life)


async def _token(url: str, role: str) -> str:
    async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as http:
        login = await http.post("/api/auth/login", json={"username": role, "password": PASSWORD})
        assert login.status_code == 200, login.text
        headers = {"x-csrf-token": http.cookies["dtaas_csrf"]}
        spec = {"name": role, "role": role}
        made = await http.post("/api/tokens", json=spec, headers=headers)
        assert made.status_code == 201, made.text
        return str(made.json()["token"])


def harmless(value: Any, folder: str) -> Any:
    """Let no generated connector or channel lead anywhere but to a closed port of this machine."""
    if isinstance(value, list):
        return [harmless(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: harmless(item, folder) for key, item in value.items()}
    for config in ("connection_config", "config"):
        if isinstance(found.get(config), dict):
            found[config] = {
                key: HARMLESS.get(key, item) for key, item in found[config].items()
            } | _closed(found, found[config], folder)
    return found


def _closed(spec: dict[str, Any], config: dict[str, Any], folder: str) -> dict[str, Any]:
    kind = spec.get("destination_type", spec.get("kind"))
    if "bucket" in config:
        return {"endpoint_url": CLOSED}
    if "account" in config or kind == "snowflake":
        return {"host": "127.0.0.1", "port": 1, "protocol": "http"}
    return {"path": folder} if "path" in config else {}


class Asking:
    """Sends each case as everybody and notes what is wrong."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._http = requests.Session()
        self.wrong: dict[str, None] = {}
        self.answers: Counter[tuple[str, int]] = Counter()

    def ask(self, case: Case) -> None:
        label = f"{case.operation.method.upper()} {case.operation.path}"
        case.body = harmless(case.body, str(self._server.folder))
        _spare_the_callers(label, case)
        needed = ROLES.index(least(label))
        for rank, role in enumerate(ROLES):
            token = self._server.tokens.get(role)
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = case.call(
                base_url=self._server.url, session=self._http, headers=headers, timeout=LIMIT_S
            )
            self.answers[role, answer.status_code] += 1
            self._judge(label, role, case, answer, allowed=rank >= needed)

    def _note(self, wrong: str) -> None:
        self.wrong[wrong] = None

    def _judge(self, label: str, role: str, case: Case, answer: Any, *, allowed: bool) -> None:
        status = answer.status_code
        refused = {401 if role == "nobody" else 403}
        if case.meta is None or case.meta.generation.mode is GenerationMode.NEGATIVE:
            refused |= {404, 405}  # such a path may be none
        if not allowed and status not in refused:
            self._note(f"{label} answered {role} with {status}")
        if allowed and status in {401, 403} and not label.startswith("POST /api/auth/"):
            self._note(f"{label} refused {role} with {status}: {answer.text}")
        checks = [*CHECKS] if status in ASKS_OTHERS else [*CHECKS, not_a_server_error]
        if "application/yaml" in str(answer.headers.get("content-type")):
            checks.remove(response_schema_conformance)  # it is text: schemathesis would parse it
        if status in ASKS_OTHERS and answer.json()["code"] == "internal":
            self._note(f"{label}: {answer.text}")
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as group:
            told = "; ".join(f"{e.title}: {e.message}" for e in group.exceptions)  # type: ignore[attr-defined]
            self._note(f"{label} as {role}, {status}: {told}\n{case.as_curl_command()}")


def _spare_the_callers(label: str, case: Case) -> None:
    """Let no case end the access of those who ask: their users and tokens have low numbers."""
    for name in ("user_id", "token_id", "session_id"):
        value = (case.path_parameters or {}).get(name)
        if not label.startswith("GET") and isinstance(value, int) and 0 < value < 10:
            case.path_parameters[name] = value + 10
    if label == "PUT /api/logs/level":
        case.body = {"level": "info"} if isinstance(case.body, dict) else case.body


def explore(server: Server) -> Asking:
    asking = Asking(server)
    began = time.monotonic()
    admin = {"authorization": f"Bearer {server.tokens['admin']}"}
    document = requests.get(f"{server.url}/api/openapi.json", headers=admin, timeout=LIMIT_S)
    schema = schemathesis.openapi.from_dict(document.json())
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not (
                operation.body or operation.query or operation.path_parameters
            ):
                continue
            left = time.monotonic() - began < BUDGET_S
            _explore(asking, operation, mode, CASES if left else 1)
    return asking


def _explore(asking: Asking, operation: APIOperation, mode: GenerationMode, cases: int) -> None:
    @seed(SEED)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Case) -> None:
        asking.ask(case)

    try:
        each()
    except Unsatisfiable:  # there is no wrong request: every text is a name
        assert mode is GenerationMode.NEGATIVE


@pytest.mark.timeout(300)
async def test_every_operation_answers_as_the_document_says(server: Server) -> None:
    asking = await anyio.to_thread.run_sync(explore, server)
    assert not asking.wrong, "\n".join(asking.wrong)
    succeeded = {role for (role, status), count in asking.answers.items() if status < 300 and count}
    assert succeeded == set(ROLES)  # what is right gets through, or nothing was tried
    assert asking.answers["admin", 200] > len(asking.answers)
    crashed = [line for line in server.life.lines() if line["event"] == "request_crashed"]
    assert crashed == []
