"""Passwords: hashed with argon2id, off the event loop."""

from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import ValidationFailedError
from dtaas.settings import AuthSettings

_AT_ONCE: Final = 2
"""Each takes argon2's memory; more at once would let strangers fill the machine."""


class Passwords:
    """Hashes and compares."""

    def __init__(self, settings: AuthSettings) -> None:
        self._least = settings.min_password_length
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_mb * 1024,
            parallelism=settings.argon2_lanes,
            type=Type.ID,
        )
        self._blocking = Blocking(_AT_ONCE)
        self._nobodys: str | None = None

    async def hashed(self, password: str, *, field: str = "$.password") -> str:
        """Return the hash of a new password.

        Raises:
            ValidationFailedError: it is too short.
        """
        if len(password) < self._least:
            raise ValidationFailedError(
                f"The password is too short: at least {self._least} characters.", field=field
            )
        return await self._blocking(self._hasher.hash, password)

    async def fits(self, password: str, hashed: str | None) -> bool:
        """Return whether it is the password; for a `hashed` of None never, but as slowly."""
        if hashed is None:
            if self._nobodys is None:
                self._nobodys = await self._blocking(self._hasher.hash, "nobody's password")
            await self._blocking(self._same, password, self._nobodys)
            return False
        return await self._blocking(self._same, password, hashed)

    def is_outdated(self, hashed: str) -> bool:
        """Return whether it was hashed with other settings than the present ones."""
        return self._hasher.check_needs_rehash(hashed)

    def _same(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
