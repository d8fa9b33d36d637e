"""Who uses the daemon, and what they may do."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

Username = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][\w.@+-]*$")]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]


class Role(StrEnum):
    """What somebody may do, each role all of the ones before it.

    `public` is for routes: nobody has it, everybody may.
    """

    PUBLIC = "public"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def allows(self, least: "Role") -> bool:
        """Return whether this role is at least `least`."""
        return _RANK[self] >= _RANK[least]


_RANK: Final = {role: rank for rank, role in enumerate(Role)}


class UserRole(StrEnum):
    """What a user or a token may be given."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """Return the same as a role of a route."""
        return Role(self.value)


class AuthKind(StrEnum):
    """How somebody came in."""

    OFF = "off"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, not a token
    SOCKET = "socket"


class Caller(Struct, frozen=True, kw_only=True):
    """Whoever sent a request.

    Attributes:
        user_id: None for callers that are no user: the socket's, or anybody while auth is off.
        key_id: the session or the API token it came with.
        csrf: what a page must send back with every change; empty when no page can be behind it.
        owner: whether it is root or the daemon's own user, at the socket.
    """

    user_id: int | None = None
    username: str
    role: Role
    auth: AuthKind
    key_id: int | None = None
    csrf: str = ""
    owner: bool = False


class User(Struct, frozen=True, kw_only=True):
    """Somebody with an account.

    Attributes:
        has_password: whether it can log in here, not only at an identity provider.
        provider: the identity provider it logs in at, None for a local account.
    """

    id: int
    username: str
    role: UserRole
    is_active: bool
    has_password: bool
    provider: str | None
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


class Session(Struct, frozen=True, kw_only=True):
    """A login of a browser.

    Attributes:
        address: where it logged in from.
    """

    id: int
    user_id: int
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class ApiToken(Struct, frozen=True, kw_only=True):
    """A key of a machine. What it is made of is known to its holder alone.

    Attributes:
        role: the most it may do; never more than its owner.
        start: its first characters, to tell it by.
    """

    id: int
    user_id: int
    username: str
    name: str
    role: UserRole
    start: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Something somebody did.

    Attributes:
        number: 1, 2, 3 … without a gap.
        actor: the user's name.
        auth: how the actor came in.
        address: where from; `socket` for the admin socket.
        action: the kind of object and what was done, such as `tasks.update`.
        object: path of the object, such as `/api/tasks/7`.
        before: the object as the API showed it before, as JSON; None when it was not there.
        after: the same afterwards.
        detail: what was asked for, as JSON, where that says more than the object.
        status: HTTP status of the answer.
        hash: of this entry and of the hash before it.
    """

    number: int
    at: datetime
    actor: str
    auth: str
    address: str
    action: str
    object: str
    status: int
    request_id: str
    before: str | None = None
    after: str | None = None
    detail: str | None = None
    hash: str = ""
