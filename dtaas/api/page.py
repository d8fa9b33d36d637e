"""The web page: the files of `dtaas/web_dist/`, read once and served from memory.

An ASGI layer before the routes, for a page's address may be anything that is not the API's.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import Struct

WEB_DIST: Final = Path(__file__).resolve().parent.parent / "web_dist"
_INDEX: Final = "index.html"
_OURS: Final = ("/api", "/ws", "/metrics")
"""Not the page's: a mistyped address of the API must not answer with a page."""
_HASHED: Final = b"public, max-age=31536000, immutable"
_ASK_ALWAYS: Final = b"no-cache"
_NOT_BUILT: Final = (
    b"<!doctype html><title>DTaaS</title><h1>DTaaS runs; its page was not built.</h1>"
    b"<p>The API is at <a href=/api/openapi.json>/api/openapi.json</a>. To build the page, run"
    b" <code>make setup</code> in the sources, with Node 20.19 or newer installed.</p>"
)


class _File(Struct, frozen=True):
    """A file of the page and the headers it leaves with."""

    body: bytes
    packed: bytes | None
    media_type: bytes
    etag: bytes
    cache: bytes


def read_page(folder: Path = WEB_DIST) -> Mapping[str, _File]:
    """Return the files of a built page by their address; without one, a page that says so."""
    files = {
        f"/{path.relative_to(folder).as_posix()}": _file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".gz" and not path.name.startswith(".")
    }
    return files or {f"/{_INDEX}": _made(_NOT_BUILT, None, _INDEX, hashed=False)}


def _file(path: Path) -> _File:
    packed = path.with_name(f"{path.name}.gz")
    return _made(
        path.read_bytes(),
        packed.read_bytes() if packed.exists() else None,
        path.name,
        hashed=path.parent.name == "assets",
    )


def _made(body: bytes, packed: bytes | None, name: str, *, hashed: bool) -> _File:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith(("javascript", "json"))
    return _File(
        body=body,
        packed=packed,
        media_type=f"{kind}; charset=utf-8".encode() if text else kind.encode(),
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode(),
        cache=_HASHED if hashed else _ASK_ALWAYS,
    )


class Page:
    """Serves the page, and hands everything else on."""

    def __init__(self, app: ASGIApp, files: Mapping[str, _File]) -> None:
        """Wrap `app`."""
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = self._find(scope) if scope["type"] == ScopeType.HTTP else None
        if found is None or scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
        else:
            await _answer(scope, send, found)

    def _find(self, scope: HTTPScope) -> _File | None:
        path = scope["path"]
        if scope["method"] not in {"GET", "HEAD"} or _is_ours(path):
            return None
        if (file := self._files.get(path)) is not None:
            return file
        # An address inside the page, such as /tasks/7: only people's browsers open those.
        navigates = b"text/html" in _header(scope, b"accept") and "." not in path.rpartition("/")[2]
        return self._files[f"/{_INDEX}"] if path == "/" or navigates else None


def _is_ours(path: str) -> bool:
    return any(path == start or path.startswith(f"{start}/") for start in _OURS)


def _header(scope: HTTPScope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


async def _answer(scope: HTTPScope, send: Send, file: _File) -> None:
    headers = [(b"etag", file.etag), (b"cache-control", file.cache), (b"vary", b"accept-encoding")]
    known = file.etag in _header(scope, b"if-none-match")
    body = b"" if known else file.body
    if not known:
        if file.packed is not None and b"gzip" in _header(scope, b"accept-encoding"):
            body = file.packed
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-type", file.media_type))
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": shown, "more_body": False})
