"""Secrets of this machine: environment variables and files, as far as the settings allow."""

import errno
import os
import stat
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import SecretMissingError
from dtaas.model.secret_references import SecretReference
from dtaas.settings import SecretsSettings

MOST_BYTES: Final = 65_536
_OWN: Final = "DTAAS_"
_OPEN: Final = "DTAAS_SECRET_"


class EnvironmentSecrets:
    """Variables of the daemon's environment, never those that hold its own settings."""

    def __init__(self, settings: SecretsSettings, environ: Mapping[str, str]) -> None:
        self._allowed = settings.env
        self._environ = environ

    async def read(self, reference: SecretReference) -> str:
        """Return the variable's value."""
        name = reference.name
        own = name.startswith(_OWN) and not name.startswith(_OPEN)
        if own or not any(fnmatchcase(name, pattern) for pattern in self._allowed):
            raise SecretMissingError(
                f"{reference} may not be read by connectors.",
                hint="The daemon's own settings never are. Others: [secrets] env lists patterns.",
            )
        if name not in self._environ:
            raise SecretMissingError(
                f"{reference}: the daemon's environment has no variable {name}.",
                hint="Set it where the daemon starts (systemd: EnvironmentFile=), and restart it.",
            )
        return self._environ[name]


class FileSecrets:
    """Files inside the allowed folders, one secret each; a newline at the end is not part of it."""

    def __init__(
        self, settings: SecretsSettings, environ: Mapping[str, str], key_file: Path | None
    ) -> None:
        folder = environ.get("CREDENTIALS_DIRECTORY")
        self._roots = (*settings.file_roots, *((folder,) if folder else ()))
        self._key_file = key_file
        self._blocking = Blocking(1)

    async def read(self, reference: SecretReference) -> str:
        """Return the file's text."""
        return await self._blocking(self._read, reference)

    def _read(self, reference: SecretReference) -> str:
        path = Path(reference.name).resolve()  # where links lead, too
        roots = [Path(root).resolve() for root in self._roots]
        if not any(path.is_relative_to(root) for root in roots) or self._is_key(path):
            raise SecretMissingError(
                f"{reference} is outside the folders connectors may read secrets from.",
                hint="[secrets] file_roots lists them: " + ", ".join(map(str, self._roots)),
            )
        try:
            content = _content(path)
        except OSError as exc:
            raise SecretMissingError(
                f"{reference} cannot be read: {os.strerror(exc.errno or errno.EIO)}.",
                hint="It must be a plain file that the daemon's user may read.",
            ) from exc
        try:
            return content.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise SecretMissingError(f"{reference} is not text in UTF-8.") from None

    def _is_key(self, path: Path) -> bool:
        key = self._key_file
        return key is not None and path == key.resolve()


def _content(path: Path) -> bytes:
    # Not through a link made meanwhile, and without waiting for the other end of a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        if found.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, "too large for a secret")
        return os.read(descriptor, MOST_BYTES)
    finally:
        os.close(descriptor)
