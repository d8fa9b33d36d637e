"""Where the key of the secrets comes from: the environment, a systemd credential, or a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from dtaas.settings import StoreSettings
from dtaas.store.secrets import KEY_BYTES, key_id, make_key, parse_key, read_key

KEY_FILE: Final = "dtaas.key"
_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
_NEXT: Final = ".next"


class KeyPlace(Struct, frozen=True, kw_only=True):
    """The one place of the key.

    Attributes:
        file: the key file, also where none is needed because the environment has the key.
        value: the key itself as hex digits, from the environment; empty for a file.
        in_credentials: systemd put the file there; we cannot write it.
    """

    file: Path
    value: str = ""
    in_credentials: bool = False

    def __repr__(self) -> str:
        """Show where it is, never what it is."""
        return f"KeyPlace({self})"

    def __str__(self) -> str:
        """Return the place for messages."""
        return "DTAAS_STORE__KEY" if self.value else str(self.file)

    @property
    def writable(self) -> bool:
        """Whether a new key can be put there by us."""
        return not self.value and not self.in_credentials

    def read(self) -> bytes | None:
        """Return the key, None when there is no file. Blocking.

        Raises:
            StoreCorruptError: others may read it, or it is not a key.
        """
        if self.value:
            return parse_key(self.value.encode()[: KEY_BYTES * 4], str(self))
        return read_key(self.file, in_credentials=self.in_credentials)

    def make(self) -> bytes:
        """Make the key file with a new key, and return it. Blocking."""
        return make_key(self.file)

    @property
    def next(self) -> Path:
        """Where a rotation puts the new key before the database knows it."""
        return self.file.with_name(self.file.name + _NEXT)

    def finish_rotation(self, wanted: str) -> bytes | None:
        """Complete a rotation that was cut off after the database took the new key. Blocking.

        Args:
            wanted: id of the key the database is sealed with.

        Returns:
            That key, now in its file; None when there is nothing to complete.
        """
        if not self.writable:
            return None
        key = read_key(self.next)
        if key is None or key_id(key) != wanted:
            return None
        retire(self.file)
        self.next.replace(self.file)
        return key


def retire(file: Path) -> Path | None:
    """Put an old key aside, for backups made while it counted; return where. Blocking."""
    key = read_key(file)
    if key is None:
        return None
    aside = file.with_name(f"{file.name}.{key_id(key)}.old")
    file.replace(aside)
    return aside


def key_place(settings: StoreSettings, data_dir: Path, environ: Mapping[str, str]) -> KeyPlace:
    """Return where the settings say that the key is."""
    folder = environ.get(_CREDENTIALS)
    if settings.key_file:
        file = Path(settings.key_file)
        inside = folder is not None and file.parent == Path(folder)
        return KeyPlace(file=file, value=settings.key, in_credentials=inside)
    credential = Path(folder) / KEY_FILE if folder else None
    if credential is not None and credential.exists():
        return KeyPlace(file=credential, value=settings.key, in_credentials=True)
    return KeyPlace(file=data_dir / KEY_FILE, value=settings.key)
