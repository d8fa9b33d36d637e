"""What every request passes: who may come in, under which id, and with which headers it leaves."""

import logging
import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address
from math import inf
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
from anyio import current_time, move_on_after
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send, WebSocketScope
from structlog.contextvars import bound_contextvars

from dtaas.api.problems import (
    MEDIA_TYPE,
    HostNotAllowedError,
    OriginNotAllowedError,
    problem_of,
)
from dtaas.model.errors import RequestError
from dtaas.services.instruments import Instruments

log = structlog.get_logger()
access = structlog.get_logger("dtaas.access")

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_POLICY: Final = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
    b" connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _POLICY),
)
_SECURE: Final = ((b"strict-transport-security", b"max-age=31536000"),)
"""With TLS of our own; a proxy that speaks HTTP to us says it itself."""
_API_HEADERS: Final = ((b"cache-control", b"no-store"),)
CLOSE_ORIGIN: Final = 4403
ANSWER_LIMIT_S: Final = 150.0
"""Seconds until an answer must begin: longer than every limit inside, which say what was slow."""


class AnswerTooSlowError(RequestError):
    """Nothing was answered for so long that nobody waits any more."""

    code = "timed_out"
    status = 504


class Rules(msgspec.Struct, frozen=True):
    """Who may come in.

    Attributes:
        hosts: values of Host, without port, accepted besides the loopback names.
        origins: origins of pages served elsewhere that may call the API.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def check_host(self, host: str | None) -> None:
        """Refuse a request for another host.

        A page whose name was made to resolve to our address (DNS rebinding) still sends its own.

        Raises:
            HostNotAllowedError: it is neither a loopback name nor configured.
        """
        name = _host_name(host or "")
        if not (name in self.hosts or _is_loopback(name)):
            raise HostNotAllowedError(
                f"This daemon does not answer as {name!r}.",
                hint="Use its address, or add the name to [api] allowed_hosts.",
            )

    def check_origin(self, origin: str | None, site: str | None, host: str | None) -> None:
        """Refuse a page of another site.

        Args:
            site: the Sec-Fetch-Site header.

        Raises:
            OriginNotAllowedError: it is neither ours nor configured.
        """
        if origin is None and site != "cross-site":
            return  # no browser, or a page of ours
        if origin is not None and (
            origin in self.origins or urlsplit(origin).netloc.lower() == (host or "").lower()
        ):
            return
        raise OriginNotAllowedError(
            f"Pages of {origin or 'another site'} may not use this daemon.",
            hint="Add the origin to [api] cors_origins if it is yours.",
        )


class Doorway:
    """The outermost ASGI layer, around routing, so that refusals and 404 pass it too."""

    def __init__(self, app: ASGIApp, rules: Rules | None, instruments: Instruments) -> None:
        """Wrap `app`.

        Args:
            rules: None lets everybody in: for the admin socket, which file rights protect.
            instruments: told of every answer.
        """
        self._app = app
        self._rules = rules
        self._instruments = instruments
        self.answer_limit_s = ANSWER_LIMIT_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get(b"x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        with bound_contextvars(request_id=request_id):
            if scope["type"] == ScopeType.HTTP:
                await self._http(
                    scope, receive, self._with_headers(scope, send, request_id), headers
                )
            else:
                await self._websocket(scope, receive, send, headers)

    async def _http(
        self, scope: HTTPScope, receive: Receive, send: Send, headers: dict[bytes, str]
    ) -> None:
        try:
            if self._rules is not None:
                self._rules.check_host(headers.get(b"host"))
                if scope["method"] not in _SAFE_METHODS:
                    self._check_origin(self._rules, headers)
        except RequestError as error:
            await _refuse(send, error, scope["state"]["request_id"])
            return
        if self._rules is None:
            await self._app(scope, receive, send)
        else:
            await self._within_limit(scope, receive, send)

    async def _within_limit(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            limit.deadline = inf  # an answer that has begun may take its time
            await send(message)

        with move_on_after(self.answer_limit_s) as limit:
            await self._app(scope, receive, send_in_time)
        if limit.cancelled_caught:
            error = AnswerTooSlowError(
                f"There was no answer within {self.answer_limit_s:g} s.",
                hint="What was asked for may still happen; look before asking again.",
            )
            await _refuse(send, error, scope["state"]["request_id"])

    async def _websocket(
        self, scope: WebSocketScope, receive: Receive, send: Send, headers: dict[bytes, str]
    ) -> None:
        if self._rules is not None:
            try:
                self._rules.check_host(headers.get(b"host"))
            except HostNotAllowedError as error:
                log.warning("websocket_refused", code=error.code, error=error.detail)
                await send({"type": "websocket.close", "code": CLOSE_ORIGIN, "reason": error.code})
                return
            try:
                self._check_origin(self._rules, headers)
            except OriginNotAllowedError as error:
                log.warning("websocket_refused", code=error.code, error=error.detail)
                await _refuse_websocket(receive, send, error)
                return
        await self._app(scope, receive, send)

    def _check_origin(self, rules: Rules, headers: dict[bytes, str]) -> None:
        rules.check_origin(
            headers.get(b"origin"), headers.get(b"sec-fetch-site"), headers.get(b"host")
        )

    def _with_headers(self, scope: HTTPScope, send: Send, request_id: str) -> Send:
        extra = [*_HEADERS, (b"x-request-id", request_id.encode())]
        if scope["path"].startswith("/api/"):
            extra += _API_HEADERS
        if scope["scheme"] == "https":
            extra += _SECURE
        began = current_time()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
                self._note(scope, message["status"], current_time() - began)
            await send(message)

        return send_with_headers

    def _note(self, scope: HTTPScope, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "(none)"
        self._instruments.request_served(scope["method"], route, status, seconds)
        client = scope.get("client")
        # Reading is what a page does all day: only changes and refusals are worth a line.
        quiet = scope["method"] in _SAFE_METHODS and status < HTTPStatus.BAD_REQUEST
        access.log(
            logging.DEBUG if quiet else logging.INFO,
            "request_served",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=round(seconds * 1000, 1),
            client=client[0] if client else "socket",
        )


def rules(hosts: Iterable[str], origins: Iterable[str]) -> Rules:
    """Return the rules for the settings `allowed_hosts` and `cors_origins`."""
    return Rules(
        frozenset(_host_name(host) for host in hosts),
        frozenset(origin.rstrip("/").lower() for origin in origins),
    )


def _host_name(host: str) -> str:
    """Return a Host header's name: lower case, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


async def _refuse(send: Send, error: RequestError, request_id: str) -> None:
    log.warning("request_refused", code=error.code, error=error.detail)
    body = msgspec.json.encode(problem_of(error, request_id))
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": [
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _refuse_websocket(receive: Receive, send: Send, error: RequestError) -> None:
    """Accept and close at once: a page only sees the code of a connection that was open."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    await send({"type": "websocket.close", "code": CLOSE_ORIGIN, "reason": error.code})
