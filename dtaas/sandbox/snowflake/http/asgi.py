"""The little of HTTP the emulator needs, over ASGI."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Request:
    """One request."""

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        self.headers = {name.decode().lower(): text.decode() for name, text in scope["headers"]}
        self._receive = receive

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            ConnectionError: the client went away.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client went away")
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def json(self) -> Any:
        """Return the body as JSON, which may be gzipped.

        Raises:
            msgspec.DecodeError: it is no JSON.
        """
        body = b"".join([piece async for piece in self.stream()])
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return msgspec.json.decode(body or b"{}")

    @property
    def token(self) -> str | None:
        """The token in `Authorization: Snowflake Token="…"`."""
        text = self.headers.get("authorization", "")
        before, quote, rest = text.partition('"')
        return rest.rstrip('"') if quote and before.strip().endswith("=") else None

    @property
    def origin(self) -> str:
        """How the client reached this server."""
        return f"http://{self.headers.get('host', '127.0.0.1')}"


class Reply(msgspec.Struct, kw_only=True):
    """One reply.

    Attributes:
        cut: end the connection before the body is whole.
        reset: end the connection instead of replying.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    cut: bool = False
    reset: bool = False

    async def send(self, send: Send) -> None:
        """Send it."""
        if self.reset:
            # uvicorn gives applications no way to hang up, so its own cycle is asked.
            cast("Any", send).__self__.transport.abort()
            return
        length = self.headers.get("content-length") or str(len(self.body) + self.cut)
        headers = {"content-type": "application/json", **self.headers, "content-length": length}
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            }
        )
        if not self.cut:
            await send({"type": "http.response.body", "body": self.body})


def reply(value: Any, status: int = 200) -> Reply:
    """Return a reply of JSON."""
    return Reply(status=status, body=msgspec.json.encode(value))


def success(data: Any) -> Reply:
    """Return what Snowflake replies when something worked."""
    return reply({"data": data, "code": None, "message": None, "success": True})


def failure(code: str, message: str, data: dict[str, Any] | None = None) -> Reply:
    """Return what Snowflake replies when something did not; with HTTP status 200, as it does."""
    return reply({"data": data, "code": code, "message": message, "success": False})
