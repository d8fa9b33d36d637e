"""Who may use which route: the one place where that is decided.

A route names its least role as `least_role=Role.ADMIN` in its decorator. One that names none asks
for a viewer when it only reads and for an operator when it changes something, so nothing is open
by omission.
"""

import os
import pwd
import secrets
from functools import lru_cache
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import Scope

from dtaas.api.trail import Trail
from dtaas.model.errors import CsrfError, ForbiddenError, NotAuthenticatedError
from dtaas.model.identity import AuthKind, Caller, Role
from dtaas.services.identity.authenticator import ANYBODY, Authenticator

SESSION_COOKIE: Final = "dtaas_session"
CSRF_COOKIE: Final = "dtaas_csrf"
CSRF_HEADER: Final = "x-csrf-token"
LEAST_ROLE: Final = "least_role"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER: Final = "bearer "
_NOBODY: Final = Caller(username="", role=Role.PUBLIC, auth=AuthKind.OFF)

Connection = ASGIConnection[Any, Any, Any, Any]


def least_role(handler: BaseRouteHandler) -> Role:
    """Return the least role a route asks for."""
    named = handler.opt.get(LEAST_ROLE)
    if named is not None:
        return Role(named)
    reads = not isinstance(handler, HTTPRouteHandler) or handler.http_methods <= SAFE_METHODS
    return Role.VIEWER if reads else Role.OPERATOR


def caller_of(scope: Scope) -> Caller:
    """Return who sent the request that is being handled."""
    caller: Caller = scope["state"].get("caller", _NOBODY)
    return caller


class Gate:
    """Lets callers through to routes their role allows."""

    def __init__(self, authenticator: Authenticator, *, trusted: bool = False) -> None:
        """Guard an application. Its trail, once set, is told what is about to be changed.

        Args:
            trusted: at the admin socket, where the kernel says who calls.
        """
        self._authenticator = authenticator
        self._trusted = trusted
        self.trail: Trail | None = None

    async def guard(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let a request through or raise.

        Raises:
            NotAuthenticatedError: nobody knows who asks.
            ForbiddenError: the caller's role does not allow it.
            CsrfError: a browser's change without the page's proof.
        """
        caller = connection.scope["state"].get("caller") or await self.identify(connection)
        if caller is not None:
            connection.scope["state"]["caller"] = caller
        changes = connection.scope.get("method", "GET") not in SAFE_METHODS
        if changes and caller is not None and caller.auth is AuthKind.SESSION:
            _check_csrf(connection, caller)
        least = least_role(handler)
        if least is not Role.PUBLIC:
            require(caller, least)
        if changes and self.trail is not None:
            await self.trail.begin(connection.scope, handler)

    async def identify(self, connection: Connection) -> Caller | None:
        """Return who sent a request, None when that is not known."""
        if self._trusted:
            return _peer(connection.scope, self._authenticator.socket_role)
        if not self._authenticator.enabled:
            return ANYBODY
        given = connection.headers.get("authorization", "")
        if given[: len(_BEARER)].lower() == _BEARER:
            return await self._authenticator.by_bearer(given[len(_BEARER) :].strip())
        key = connection.cookies.get(SESSION_COOKIE)
        return await self._authenticator.by_session(key) if key else None


def require(caller: Caller | None, least: Role) -> None:
    """Return when the caller has at least that role; see `Gate.guard` for errors."""
    if caller is None:
        raise NotAuthenticatedError(
            "Log in first.",
            hint="POST /api/auth/login, or send Authorization: Bearer with an API token.",
        )
    if not caller.role.allows(least):
        raise ForbiddenError(
            f"This needs the role {least}; {caller.username} has {caller.role}.",
            hint="Ask an admin.",
        )


def _check_csrf(connection: Connection, caller: Caller) -> None:
    given = connection.headers.get(CSRF_HEADER, "")
    if not secrets.compare_digest(given.encode(), caller.csrf.encode()):
        raise CsrfError(
            "The change does not come from a page of ours.",
            hint=f"Send the value of the cookie {CSRF_COOKIE} as header X-CSRF-Token.",
        )


def _peer(scope: Scope, members: Role) -> Caller | None:
    """Return the process at the other end of the admin socket, as the kernel knows it."""
    uid = scope["state"].get("peer_uid")
    if uid is None:
        return None
    owner = uid in {0, os.geteuid()}
    return Caller(
        username=_name_of(uid),
        role=Role.ADMIN if owner else members,
        auth=AuthKind.SOCKET,
        owner=owner,
    )


@lru_cache(maxsize=100)
def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
