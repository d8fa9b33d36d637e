"""Every error of every route is a problem, and says enough."""

import gzip
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from dtaas.api.document import openapi_document
from dtaas.model import errors
from dtaas.model.errors import DtaasError, RequestError
from dtaas.services.control import TaskActionRefusedError
from dtaas.services.health import DrainingError
from tests.fakes.services_at_work import AtWork, services_at_work
from tests.unit.api.conftest import MAX_BODY_MB, client_of

DOCUMENT = msgspec.json.decode(openapi_document())
ROUTES = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if method in {"get", "post", "put", "delete", "patch"}
]


@pytest.fixture(scope="module")
async def work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AtWork]:
    """One for the whole file: what is refused leaves no trace."""
    async with services_at_work(tmp_path_factory.mktemp("refusals")) as made:
        yield made


@pytest.fixture(scope="module")
async def http(work: AtWork) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(work) as client:
        yield client


def is_problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert problem["type"] == "about:blank"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return problem


def test_the_document_lists_the_routes():
    assert len(ROUTES) >= 19
    assert ("POST", "/api/tasks/{task_id}/control") in ROUTES


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_answers_its_mistakes_with_problems(
    http: httpx.AsyncClient, method: str, path: str
):
    for number in ("99", "0", "9" * 30):
        if "{" in path:
            real = path.replace("{", "").replace("}", "")
            real = "/".join(number if part.endswith("_id") else part for part in real.split("/"))
            with_body = {"json": {}} if method in {"POST", "PUT"} else {}
            answer = await http.request(method, real, **with_body)
            needs_body = not _takes_empty_body(DOCUMENT["paths"][path][method.lower()])
            expected = (422, "validation_failed") if needs_body else (404, "not_found")
            is_problem(answer, *expected)
            if "_id}" in path:  # names, unlike ids, may be any text
                path_without_id = real.replace(number, "x")
                is_problem(await http.request(method, path_without_id), 404, "not_found")
    answer = await http.request(method, path.format(**dict.fromkeys(_names(path), 1)) + "?x=1")
    assert is_problem(answer, 422, "validation_failed")["field"] == "$.x"


def _takes_empty_body(operation: dict) -> bool:
    """Return whether a request without any field is one."""
    if "requestBody" not in operation:
        return True
    shape = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return not DOCUMENT["components"]["schemas"][shape.rpartition("/")[2]].get("required")


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


@pytest.mark.parametrize(("method", "path"), [r for r in ROUTES if r[0] in {"POST", "PUT"}])
async def test_every_body_is_checked(http: httpx.AsyncClient, method: str, path: str):
    operation = DOCUMENT["paths"][path][method.lower()]
    if "requestBody" not in operation:
        return
    url = path.format(**dict.fromkeys(_names(path), 1))
    send = {"content-type": "application/json"}
    nothing = await http.request(method, url, headers=send)
    assert is_problem(nothing, 422, "validation_failed")["field"] == "$"
    for text in (b"{", b"nonsense", b"\xff", b"{'a': 1}", b'"\\ud800"'):
        answer = await http.request(method, url, content=text, headers=send)
        is_problem(answer, 400, "malformed_json")
    empty = () if _takes_empty_body(operation) else (b"{}",)
    for text in (b"null", b"[]", b"1", b'"x"', *empty):
        answer = await http.request(method, url, content=text, headers=send)
        is_problem(answer, 422, "validation_failed")
    answer = await http.request(method, url, content=b'{"no such field": 1}', headers=send)
    is_problem(answer, 422, "validation_failed")
    deep = await http.request(method, url, content=b"[" * 100_000, headers=send)
    assert deep.status_code in {400, 422}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await http.request(method, url, content=b"{}", headers={"content-type": kind})
        is_problem(answer, 415, "unsupported_media_type")


async def test_a_body_that_is_too_large(http: httpx.AsyncClient):
    body = b'{"name":"' + b"x" * (MAX_BODY_MB * 1_000_000) + b'"}'
    send = {"content-type": "application/json"}
    is_problem(await http.post("/api/tasks/", content=body, headers=send), 413, "body_too_large")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/", "/api/task/", "/api/openapi", "/api/tasks/x", "/%ff", "/x"],
)
async def test_unknown_paths(http: httpx.AsyncClient, path: str):
    is_problem(await http.get(path), 404, "not_found")


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT"])
async def test_methods_that_a_path_does_not_have(http: httpx.AsyncClient, method: str):
    answer = await http.request(method, "/api/tasks/")
    is_problem(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


async def test_what_nobody_foresaw_is_logged_and_not_shown(
    http: httpx.AsyncClient, work: AtWork, monkeypatch: pytest.MonkeyPatch
):
    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the secret plan")

    monkeypatch.setattr(work.services.tasks, "get", crash)
    with capture_logs() as logs:
        answer = await http.get("/api/tasks/1", headers={"x-request-id": "mine"})
    is_problem(answer, 500, "internal")
    assert "secret plan" not in answer.text
    assert answer.json()["request_id"] == "mine"
    (crashed,) = [entry for entry in logs if entry["event"] == "request_crashed"]
    assert str(crashed["exc_info"]) == "the secret plan"


def every_error() -> list[type[DtaasError]]:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, DtaasError)]
    return [k for k in kinds if k not in {DtaasError, TaskActionRefusedError}]


@pytest.mark.parametrize("kind", every_error())
async def test_every_error_of_the_vocabulary_has_a_status(
    http: httpx.AsyncClient, work: AtWork, monkeypatch: pytest.MonkeyPatch, kind: type[DtaasError]
):
    async def fail(*_: object, **__: object) -> None:
        raise kind("It went wrong.", hint="Do this.", field="$.there")

    monkeypatch.setattr(work.services.tasks, "get", fail)
    answer = await http.get("/api/tasks/1")
    assert 400 <= answer.status_code < 600
    assert issubclass(kind, RequestError) == (
        answer.status_code < 500 and kind.code not in {"destination_in_use", "target_collision"}
    )
    problem = is_problem(answer, answer.status_code, kind.code)
    assert (problem["detail"], problem["hint"], problem["field"]) == (
        "It went wrong.",
        "Do this.",
        "$.there",
    )


async def test_request_ids(http: httpx.AsyncClient):
    one = (await http.get("/api/version")).headers["x-request-id"]
    two = (await http.get("/api/version")).headers["x-request-id"]
    assert one != two
    for bad in ("a b", "x" * 65, "<script>"):
        given = await http.get("/api/version", headers={"x-request-id": bad})
        assert given.headers["x-request-id"] != bad


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.1.2.3", "[::1]:80", "dtaas.example"],
)
async def test_hosts_that_are_ours(http: httpx.AsyncClient, host: str):
    assert (await http.get("/api/version", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[", ""],
)
async def test_hosts_that_are_not(http: httpx.AsyncClient, host: str):
    answer = await http.get("/api/version", headers={"host": host})
    is_problem(answer, 421, "host_not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
    ],
)
async def test_pages_of_others_change_nothing(http: httpx.AsyncClient, work: AtWork, headers):
    task = await work.task()
    answer = await http.delete(f"/api/tasks/{task.id}", headers=headers)
    is_problem(answer, 403, "origin_not_allowed")
    assert (await http.get(f"/api/tasks/{task.id}", headers=headers)).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://page.example"])
async def test_pages_of_ours_may(http: httpx.AsyncClient, work: AtWork, origin: str):
    task = await work.task()
    answer = await http.delete(f"/api/tasks/{task.id}", headers={"origin": origin})
    assert answer.status_code == 204


async def test_cors(http: httpx.AsyncClient):
    asked = {
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type",
    }
    for origin, allowed in (("https://page.example", True), ("https://evil.example", False)):
        answer = await http.options("/api/tasks/1", headers={"origin": origin, **asked})
        assert (answer.headers.get("access-control-allow-origin") == origin) == allowed
        answer = await http.get("/api/tasks/", headers={"origin": origin})
        assert (answer.headers.get("access-control-allow-origin") == origin) == allowed


async def test_answers_are_compressed_and_not_kept(http: httpx.AsyncClient):
    request = http.build_request("GET", "/api/openapi.json", headers={"accept-encoding": "gzip"})
    answer = await http.send(request, stream=True)
    raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "no-store"
    assert msgspec.json.decode(gzip.decompress(raw))["openapi"].startswith("3.1")


async def test_health(http: httpx.AsyncClient, work: AtWork, monkeypatch: pytest.MonkeyPatch):
    assert (await http.get("/api/health/live")).json() == {"status": "live"}
    assert (await http.get("/api/health/ready")).json() == {"status": "ready"}
    monkeypatch.setattr(work.services.health, "draining", True)
    is_problem(await http.get("/api/health/ready"), 503, DrainingError.code)
    assert (await http.get("/api/health/live")).status_code == 200


async def test_the_document_is_served_as_the_command_prints_it(http: httpx.AsyncClient):
    assert (await http.get("/api/openapi.json")).json() == DOCUMENT
    assert openapi_document() == openapi_document()


def test_every_reference_of_the_document_exists_and_every_error_is_a_problem():
    schemas = DOCUMENT["components"]["schemas"]
    seen: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                seen.add(ref.removeprefix("#/components/schemas/"))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DOCUMENT)
    assert seen <= set(schemas)
    for path, method in ((p, m.lower()) for m, p in ROUTES):
        responses = DOCUMENT["paths"][path][method]["responses"]
        success = [status for status in responses if status != "default"]
        assert len(success) == 1
        assert success[0].startswith("2")
        assert success[0] != "204" or "content" not in responses["204"], path
        assert "application/problem+json" in responses["default"]["content"]
    assert "password" not in str(schemas["ConnectorSpec"]["examples"])
    assert schemas["TaskSpec"]["properties"]["source_tables"]["items"] == {
        "$ref": "#/components/schemas/TableRef"
    }
