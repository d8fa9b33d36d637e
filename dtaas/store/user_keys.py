"""What users come in with: sessions of browsers and tokens of machines. Only digests are kept."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from dtaas.model.errors import NotFoundError
from dtaas.model.identity import ApiToken, Session, UserRole
from dtaas.store.database import Database
from dtaas.store.identity_tables import api_tokens, sessions, users
from dtaas.store.page import Page, Window, fetch_page

_TOKENS: Final = select(api_tokens, users.c.username).join(
    users, users.c.id == api_tokens.c.user_id
)
_SORTABLE: Final = {
    "name": api_tokens.c.name,
    "id": api_tokens.c.id,
    "created_at": api_tokens.c.created_at,
    "expires_at": api_tokens.c.expires_at,
    "last_used_at": api_tokens.c.last_used_at,
}


class Holder(Struct, frozen=True, kw_only=True):
    """Whose key it is, and what it may do.

    Attributes:
        role: the user's.
        key_role: the most the key allows, None for all its user may.
    """

    key_id: int
    user_id: int
    username: str
    role: UserRole
    key_role: UserRole | None
    used_at: datetime | None


class SessionRepository:
    """Stores sessions."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def create(
        self, user_id: int, digest: str, *, address: str, user_agent: str, expires_at: datetime
    ) -> int:
        """Store a session and return its id; those that are over are forgotten."""
        now = self._now()
        values = {
            "user_id": user_id,
            "digest": digest,
            "address": address[:100],
            "user_agent": user_agent[:300],
            "created_at": now,
            "last_seen_at": now,
            "expires_at": expires_at,
        }

        def work(connection: Connection) -> int:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            key = connection.execute(insert(sessions).values(values)).inserted_primary_key
            assert key is not None  # noqa: S101 - an INSERT of one row always has one
            return int(key[0])

        return await self._database.write(work)

    async def holder(self, digest: str, idle_since: datetime) -> Holder | None:
        """Return whose session it is, while it lasts and was used since `idle_since`."""
        query = (
            select(sessions, users.c.username, users.c.role)
            .join(users, users.c.id == sessions.c.user_id)
            .where(
                sessions.c.digest == digest,
                sessions.c.expires_at > self._now(),
                sessions.c.last_seen_at > idle_since,
                users.c.is_active,
            )
        )

        def work(connection: Connection) -> Holder | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else _holder_of(row, row.role, None, row.last_seen_at)

        return await self._database.read(work)

    async def touch(self, session_id: int) -> None:
        """Note that it is used."""
        change = update(sessions).where(sessions.c.id == session_id)
        await _run(self._database, change.values(last_seen_at=self._now()))

    async def of_user(self, user_id: int) -> tuple[Session, ...]:
        """Return a user's sessions that last, the newest first."""
        query = (
            select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.expires_at > self._now())
            .order_by(sessions.c.id.desc())
        )
        return await self._database.read(lambda c: tuple(map(_session_of, c.execute(query))))

    async def end(self, session_id: int, user_id: int | None) -> None:
        """Remove a session.

        Args:
            user_id: whose it must be; None for anybody's.

        Raises:
            NotFoundError: there is none.
        """
        which = delete(sessions).where(sessions.c.id == session_id)
        if user_id is not None:
            which = which.where(sessions.c.user_id == user_id)
        if not await _run(self._database, which):
            raise NotFoundError(f"There is no session {session_id}.")


class TokenRepository:
    """Stores API tokens."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def create(
        self,
        user_id: int,
        *,
        name: str,
        role: UserRole,
        start: str,
        digest: str,
        expires_at: datetime | None,
    ) -> ApiToken:
        """Store a token, or raise NotFoundError when there is no such user."""
        values = {
            "user_id": user_id,
            "name": name,
            "role": role.value,
            "start": start,
            "digest": digest,
            "created_at": self._now(),
            "expires_at": expires_at,
        }

        def work(connection: Connection) -> ApiToken:
            if connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
                raise NotFoundError(f"There is no user {user_id}.")
            key = connection.execute(insert(api_tokens).values(values)).inserted_primary_key
            assert key is not None  # noqa: S101 - an INSERT of one row always has one
            return _token_of(connection.execute(_TOKENS.where(api_tokens.c.id == key[0])).one())

        return await self._database.write(work)

    async def list(self, window: Window, user_id: int | None) -> Page[ApiToken]:
        """Return a page of a user's tokens, of everybody's for None."""
        query = _TOKENS if user_id is None else _TOKENS.where(api_tokens.c.user_id == user_id)

        def work(connection: Connection) -> Page[ApiToken]:
            rows, total = fetch_page(connection, query, window, _SORTABLE, api_tokens.c.id)
            items = tuple(map(_token_of, rows))
            return Page(items=items, total=total, limit=window.limit, offset=window.offset)

        return await self._database.read(work)

    async def get(self, token_id: int, user_id: int | None) -> ApiToken:
        """Return a token, or raise NotFoundError; `user_id` as in `delete`."""
        query = _TOKENS.where(api_tokens.c.id == token_id)
        if user_id is not None:
            query = query.where(api_tokens.c.user_id == user_id)

        def work(connection: Connection) -> ApiToken:
            row = connection.execute(query).one_or_none()
            if row is None:
                raise _no_token(token_id)
            return _token_of(row)

        return await self._database.read(work)

    async def delete(self, token_id: int, user_id: int | None) -> None:
        """Remove a token.

        Args:
            user_id: whose it must be; None for anybody's.

        Raises:
            NotFoundError: there is none.
        """
        which = delete(api_tokens).where(api_tokens.c.id == token_id)
        if user_id is not None:
            which = which.where(api_tokens.c.user_id == user_id)
        if not await _run(self._database, which):
            raise _no_token(token_id)

    async def holder(self, digest: str) -> Holder | None:
        """Return whose token it is, while it lasts."""
        return await self._holder(self._lasting().where(api_tokens.c.digest == digest))

    async def holder_of_id(self, token_id: int) -> Holder | None:
        """Return whose token has that id, while it lasts."""
        return await self._holder(self._lasting().where(api_tokens.c.id == token_id))

    async def touch(self, token_id: int) -> None:
        """Note that it is used."""
        change = update(api_tokens).where(api_tokens.c.id == token_id)
        await _run(self._database, change.values(last_used_at=self._now()))

    def _lasting(self) -> Select[Any]:
        never = api_tokens.c.expires_at.is_(None)
        return (
            select(api_tokens, users.c.username, users.c.role.label("user_role"))
            .join(users, users.c.id == api_tokens.c.user_id)
            .where(never | (api_tokens.c.expires_at > self._now()), users.c.is_active)
        )

    async def _holder(self, query: Select[Any]) -> Holder | None:
        def work(connection: Connection) -> Holder | None:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            return _holder_of(row, row.user_role, UserRole(row.role), row.last_used_at)

        return await self._database.read(work)


async def _run(database: Database, statement: Any) -> int:
    """Run a statement and return how many rows it changed."""
    return await database.write(lambda c: int(c.execute(statement).rowcount))


def _holder_of(
    row: Row[Any], role: str, key_role: UserRole | None, used_at: datetime | None
) -> Holder:
    return Holder(
        key_id=row.id,
        user_id=row.user_id,
        username=row.username,
        role=UserRole(role),
        key_role=key_role,
        used_at=used_at,
    )


def _session_of(row: Row[Any]) -> Session:
    return Session(**{name: getattr(row, name) for name in Session.__struct_fields__})


def _token_of(row: Row[Any]) -> ApiToken:
    fields = {name: getattr(row, name) for name in ApiToken.__struct_fields__}
    return ApiToken(**{**fields, "role": UserRole(row.role)})


def _no_token(token_id: int) -> NotFoundError:
    return NotFoundError(f"There is no API token {token_id}.")
