import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest

from dtaas.api.page import Page, read_page

HTML = {"accept": "text/html,*/*"}


async def _api(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"api", "more_body": False})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<h1>page</h1>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("let a = 1")
    (tmp_path / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(b"let a = 1"))
    (tmp_path / ".stamp").write_text("secret")
    return tmp_path


def client(folder: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Page(_api, read_page(folder)))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.mark.parametrize("path", ["/", "/tasks/7?tab=live", "/no/such/page", "/index.html"])
async def test_addresses_inside_the_page_give_its_index(folder: Path, path: str):
    async with client(folder) as http:
        answer = await http.get(path, headers=HTML)
    assert (answer.status_code, answer.text) == (200, "<h1>page</h1>")
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/nothing", "/ws", "/metrics", "/assets/gone.js", "/.stamp", "/x/../.stamp"],
)
async def test_what_is_not_the_page_goes_on_to_the_api(folder: Path, path: str):
    async with client(folder) as http:
        answer = await http.get(path, headers=HTML)
    assert (answer.status_code, answer.text) == (404, "api")


async def test_programs_that_mistype_an_address_get_no_page(folder: Path):
    async with client(folder) as http:
        assert (await http.get("/tasks/7")).text == "api"
        assert (await http.post("/", headers=HTML)).text == "api"


async def test_assets_are_kept_for_ever_and_sent_packed(folder: Path):
    async with client(folder) as http:
        packed = await http.get("/assets/app-1a2b.js", headers={"accept-encoding": "gzip"})
        plain = await http.get("/assets/app-1a2b.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text == "let a = 1"
    assert "content-encoding" not in plain.headers
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"].startswith("text/javascript")


async def test_a_known_file_is_not_sent_again(folder: Path):
    async with client(folder) as http:
        etag = (await http.get("/", headers=HTML)).headers["etag"]
        again = await http.get("/", headers={**HTML, "if-none-match": etag})
        head = await http.head("/", headers=HTML)
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "13"


async def test_without_a_built_page_the_address_says_how_to_build_it(tmp_path: Path):
    async with client(tmp_path / "nothing") as http:
        answer = await http.get("/", headers=HTML)
    assert answer.status_code == 200
    assert "make setup" in answer.text
