"""Users, as admins see them."""

from msgspec import Struct

from dtaas.model.identity import Password, User, Username, UserRole
from dtaas.services.identity.authenticator import Authenticator
from dtaas.services.identity.passwords import Passwords
from dtaas.store.page import Page, Window
from dtaas.store.users import UserDraft, UserRepository


class UserSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new user."""

    username: Username
    password: Password
    role: UserRole = UserRole.VIEWER


class UserChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user is to be.

    Attributes:
        is_active: false ends every session at once.
        password: a new one ends every session too; left out it stays.
    """

    role: UserRole
    is_active: bool
    password: Password | None = None


class UserService:
    """The use cases of users."""

    def __init__(
        self, users: UserRepository, passwords: Passwords, authenticator: Authenticator
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._authenticator = authenticator

    async def list(self, window: Window) -> Page[User]:
        """Return a page of users."""
        return await self._users.list(window)

    async def get(self, user_id: int) -> User:
        """Return a user, or raise NotFoundError."""
        return await self._users.get(user_id)

    async def create(self, spec: UserSpec) -> User:
        """Store a user.

        Raises:
            NameTakenError: the name is taken.
            ValidationFailedError: the password is too short.
        """
        hashed = await self._passwords.hashed(spec.password)
        draft = UserDraft(username=spec.username, role=spec.role, password_hash=hashed)
        return await self._users.create(draft)

    async def change(self, user_id: int, change: UserChange) -> User:
        """Change a user.

        Raises:
            NotFoundError: no such user.
            InUseError: no active admin would be left.
            ValidationFailedError: the password is too short.
        """
        password = change.password
        user = await self._users.change(
            user_id,
            role=change.role,
            is_active=change.is_active,
            password_hash=None if password is None else await self._passwords.hashed(password),
        )
        self._authenticator.forget()
        return user

    async def delete(self, user_id: int) -> None:
        """Remove a user with sessions and tokens; see `change` for errors."""
        await self._users.delete(user_id)
        self._authenticator.forget()
