"""The trail: every change through the API becomes an entry of the audit log, whatever the route.

What an object was before and is afterwards is what the API's own GET shows of it: no secret is in
there, and a new route is on the trail without a line of its own.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from dtaas.api.request import ApiRequest
from dtaas.model.errors import DtaasError
from dtaas.model.identity import AuditEntry, AuthKind, Caller, Role
from dtaas.services.audit import AuditService

log = structlog.get_logger()

AUDIT_BODY: Final = "audit_body"
"""In a route's decorator: its request body holds no secret and says what was asked for."""
CHANGES_NOTHING: Final = "changes_nothing"
"""In a route's decorator, or in a request's state: there is nothing to record."""
AUDIT_DETAIL: Final = "audit_detail"
"""In a request's state, put there by its route: what was done, without secrets."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_MOST_CHARS: Final = 100_000
_SELF: Final = Caller(username="trail", role=Role.ADMIN, auth=AuthKind.OFF)


class Started(msgspec.Struct):
    """What is known of a change before it happens."""

    action: str
    path: str
    before: str | None
    keep_body: bool


def entry_of_get(
    request: ApiRequest, path: str, *, actor: str, auth: str, action: str, status: int
) -> AuditEntry:
    """Return the entry of a request by GET that is to be on record: the trail passes those by.

    Args:
        path: of the object.
    """
    client = request.scope.get("client")
    return AuditEntry(
        number=0,
        at=_NEVER,
        actor=actor,
        auth=auth,
        address=client[0] if client else "socket",
        action=action,
        object=path[:300],
        status=status,
        request_id=request.scope["state"].get("request_id", ""),
    )


class Trail:
    """An ASGI layer around the routes."""

    def __init__(self, app: ASGIApp, audit: AuditService) -> None:
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and record it when it is a change."""
        if scope["type"] != ScopeType.HTTP or scope["method"] in _SAFE:
            await self._app(scope, receive, send)
            return
        asked: list[bytes] = []

        async def receive_and_keep() -> Any:
            message = await receive()
            started = scope["state"].get("trail")
            if started is not None and started.keep_body and message["type"] == "http.request":
                asked.append(message.get("body", b""))
            return message

        async def record_and_send(message: Message) -> None:
            # Before the answer leaves: who is told that something is done finds it in the log.
            if message["type"] == "http.response.start":
                await self._end(scope, message, b"".join(asked))
            await send(message)

        await self._app(scope, receive_and_keep, record_and_send)

    async def begin(self, scope: Scope, handler: BaseRouteHandler) -> None:
        """Note a change that is allowed, and how its object is before."""
        if handler.opt.get(CHANGES_NOTHING):
            scope["state"][CHANGES_NOTHING] = True
            return
        path = _object_path(scope)
        scope["state"]["trail"] = Started(
            action=_action(scope, handler),
            path=path,
            before=await self._view(scope, path) if "{" in scope["path_template"] else None,
            keep_body=bool(handler.opt.get(AUDIT_BODY)),
        )

    async def _end(self, scope: HTTPScope, message: Any, body: bytes) -> None:
        state = scope["state"]
        if state.get(CHANGES_NOTHING):
            return
        started: Started | None = state.get("trail")
        caller: Caller | None = state.get("caller")
        actor = caller.username if caller is not None else state.get("actor")
        if actor is None:  # strangers cannot fill the log
            return
        if started is None:  # refused at the gate
            started = Started(f"{scope['method']} refused", scope["path"], None, keep_body=False)
        created = _header(message, b"location")
        path = created if created.startswith("/api/") else started.path
        client = scope.get("client")
        entry = AuditEntry(
            number=0,
            at=_NEVER,
            actor=actor[:100],
            auth=caller.auth.value if caller is not None else "none",
            address=client[0] if client else "socket",
            action=started.action[:100],
            object=path[:300],
            before=started.before,
            after=await self._view(scope, path)
            if message["status"] < HTTPStatus.BAD_REQUEST
            else None,
            detail=(state.get(AUDIT_DETAIL) or body.decode(errors="replace"))[:_MOST_CHARS] or None,
            status=message["status"],
            request_id=state.get("request_id", ""),
        )
        try:
            await self._audit.record(entry)
        except DtaasError as error:
            # The change is made and cannot be unmade: the log of the daemon keeps who did it.
            log.exception("audit_not_recorded", entry=msgspec.to_builtins(entry), code=error.code)

    async def _view(self, scope: Scope, path: str) -> str | None:
        """Return what GET shows of an object, None when there is nothing."""
        inner: Any = {
            key: value
            for key, value in scope.items()
            if key
            in {
                "asgi",
                "http_version",
                "server",
                "client",
                "scheme",
                "root_path",
                "app",
                "litestar_app",
            }
        }
        inner |= {
            "type": ScopeType.HTTP,
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "state": {"caller": _SELF, "request_id": scope["state"].get("request_id", "")},
        }
        status, parts = 0, []

        async def nothing() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def take(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(inner, nothing, take)
        if status != HTTPStatus.OK:
            return None
        text = b"".join(parts).decode(errors="replace")
        return text if len(text) <= _MOST_CHARS else f'{{"omitted_chars":{len(text)}}}'


def _object_path(scope: Scope) -> str:
    """Return the request's path up to its last parameter: the object it is about."""
    template = scope["path_template"].split("/")
    known = [index for index, part in enumerate(template) if part.startswith("{")]
    if not known:
        return str(scope["path"])
    return "/".join(scope["path"].split("/")[: known[-1] + 1])


def _action(scope: Scope, handler: BaseRouteHandler) -> str:
    parts = [p for p in scope["path_template"].split("/") if p and not p.startswith("{")]
    kind = parts[1] if len(parts) > 1 else parts[-1] if parts else "daemon"
    return f"{kind}.{handler.handler_name.rsplit('.', 1)[-1]}"


def _header(message: Any, wanted: bytes) -> str:
    for name, value in message.get("headers", ()):
        if name.lower() == wanted:
            return bytes(value).decode("latin-1")
    return ""
