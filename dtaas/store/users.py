"""Accounts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from dtaas.model.errors import InUseError, NameTakenError, NotFoundError
from dtaas.model.identity import User, UserRole
from dtaas.store.database import Database
from dtaas.store.identity_tables import sessions, users
from dtaas.store.page import Page, Window, fetch_page

_SORTABLE: Final = {
    "username": users.c.username,
    "id": users.c.id,
    "role": users.c.role,
    "created_at": users.c.created_at,
    "last_login_at": users.c.last_login_at,
}


class Account(Struct, frozen=True, kw_only=True):
    """A user with what a login needs.

    Attributes:
        password_hash: as argon2 writes it, None when it cannot log in here.
    """

    user: User
    password_hash: str | None


class UserDraft(Struct, frozen=True, kw_only=True):
    """A user to be made."""

    username: str
    role: UserRole
    password_hash: str | None = None
    provider: str | None = None
    subject: str | None = None


class UserRepository:
    """Stores users. Names are kept in lower case. The last active admin stays one."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def count(self) -> int:
        """Return how many users there are."""
        query = select(func.count()).select_from(users)
        return await self._database.read(lambda c: c.scalar(query) or 0)

    async def list(self, window: Window) -> Page[User]:
        """Return a page of users."""

        def work(connection: Connection) -> Page[User]:
            rows, total = fetch_page(connection, select(users), window, _SORTABLE, users.c.id)
            return Page(
                items=tuple(map(_user_of, rows)),
                total=total,
                limit=window.limit,
                offset=window.offset,
            )

        return await self._database.read(work)

    async def get(self, user_id: int) -> User:
        """Return a user, or raise NotFoundError."""
        return await self._database.read(lambda c: _user_of(_find(c, user_id)))

    async def account(self, username: str) -> Account | None:
        """Return the account of that name."""
        query = select(users).where(users.c.username == username.lower())

        def work(connection: Connection) -> Account | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else _account_of(row)

        return await self._database.read(work)

    async def of_provider(self, provider: str, subject: str) -> User | None:
        """Return the user an identity provider knows as `subject`."""
        query = select(users).where(users.c.provider == provider, users.c.subject == subject)

        def work(connection: Connection) -> User | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else _user_of(row)

        return await self._database.read(work)

    async def create(self, draft: UserDraft, *, only_first: bool = False) -> User:
        """Store a new user.

        Args:
            only_first: refuse when there are users already.

        Raises:
            NameTakenError: another user has the name.
            InUseError: there are users already.
        """
        name = draft.username.lower()

        def work(connection: Connection) -> User:
            if only_first and connection.scalar(select(func.count()).select_from(users)):
                raise InUseError("The first user was made already.", hint="Log in.")
            if connection.scalar(select(users.c.id).where(users.c.username == name)) is not None:
                raise NameTakenError(f"The user name {name!r} is taken.", field="$.username")
            now = self._now()
            values = {
                "username": name,
                "role": draft.role.value,
                "password_hash": draft.password_hash,
                "provider": draft.provider,
                "subject": draft.subject,
                "is_active": True,
                "created_at": now,
                "updated_at": now,
            }
            key = connection.execute(insert(users).values(values)).inserted_primary_key
            assert key is not None  # noqa: S101 - an INSERT of one row always has one
            return _user_of(_find(connection, key[0]))

        return await self._database.write(work)

    async def change(
        self,
        user_id: int,
        *,
        role: UserRole | None = None,
        is_active: bool | None = None,
        password_hash: str | None = None,
        keep_session: int | None = None,
    ) -> User:
        """Change what is given. A new password, or an account's end, ends its sessions.

        Args:
            keep_session: the one session that stays.

        Raises:
            NotFoundError: no such user.
            InUseError: no active admin would be left.
        """
        values: dict[str, Any] = {"updated_at": self._now()}
        if role is not None:
            values["role"] = role.value
        if is_active is not None:
            values["is_active"] = is_active
        if password_hash is not None:
            values["password_hash"] = password_hash

        def work(connection: Connection) -> User:
            _find(connection, user_id)
            connection.execute(update(users).where(users.c.id == user_id).values(values))
            _require_admin(connection)
            if password_hash is not None or is_active is False:
                others = sessions.c.id != (keep_session or 0)
                connection.execute(delete(sessions).where(sessions.c.user_id == user_id, others))
            return _user_of(_find(connection, user_id))

        return await self._database.write(work)

    async def delete(self, user_id: int) -> None:
        """Remove a user with sessions and tokens.

        Raises:
            NotFoundError: no such user.
            InUseError: no active admin would be left.
        """

        def work(connection: Connection) -> None:
            _find(connection, user_id)
            connection.execute(delete(users).where(users.c.id == user_id))
            _require_admin(connection)

        await self._database.write(work)

    async def note_login(self, user_id: int, password_hash: str | None = None) -> None:
        """Note that a user logged in.

        Args:
            password_hash: the same password, hashed as the settings now ask.
        """
        values: dict[str, Any] = {"last_login_at": self._now()}
        if password_hash is not None:
            values["password_hash"] = password_hash
        await self._write(update(users).where(users.c.id == user_id).values(values))

    async def _write(self, statement: Any) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(work)


def _find(connection: Connection, user_id: int) -> Row[Any]:
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no user {user_id}.")
    return row


def _require_admin(connection: Connection) -> None:
    admins = select(users.c.id).where(users.c.role == UserRole.ADMIN.value, users.c.is_active)
    if connection.execute(admins).first() is None:
        raise InUseError(
            "No active admin would be left.", hint="Make another user an admin first.", field="$"
        )


def _account_of(row: Row[Any]) -> Account:
    return Account(user=_user_of(row), password_hash=row.password_hash)


def _user_of(row: Row[Any]) -> User:
    return User(
        id=row.id,
        username=row.username,
        role=UserRole(row.role),
        is_active=row.is_active,
        has_password=row.password_hash is not None,
        provider=row.provider,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_login_at=row.last_login_at,
    )
