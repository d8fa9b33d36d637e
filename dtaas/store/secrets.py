"""Secrets at rest: AES-256-GCM with one key, kept in a file beside the database."""

import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dtaas.model.errors import StoreCorruptError

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SecretBox:
    """Encrypts and decrypts with one key. What was sealed for one purpose opens for no other."""

    def __init__(self, key: bytes, installation: str) -> None:
        self._key = key
        self._cipher = AESGCM(key)
        self._installation = installation

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Return a fresh random nonce of 12 bytes and the ciphertext.

        Args:
            purpose: bound to the result, so that two sealed values cannot be swapped.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, self._bound_to(purpose))

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return what was sealed.

        Raises:
            StoreCorruptError: it was altered, moved, or sealed with another key.
        """
        nonce, cipher = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, cipher, self._bound_to(purpose))
        except (InvalidTag, ValueError) as exc:
            raise StoreCorruptError(
                f"The stored secrets of {purpose.replace(':', ' ')} cannot be decrypted.",
                hint="The row was altered or comes from another database; enter the secrets anew.",
            ) from exc

    def derived(self, purpose: str) -> bytes:
        """Return another key of 32 bytes, made from this one for one purpose."""
        way = HKDF(
            algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=self._bound_to(purpose)
        )
        return way.derive(self._key)

    def _bound_to(self, purpose: str) -> bytes:
        return f"dtaas:{self._installation}:{purpose}".encode()


def key_id(key: bytes) -> str:
    """Return 16 hex digits that tell keys apart and give nothing away."""
    return hashlib.sha256(b"dtaas key id" + key).hexdigest()[:16]


def read_key(path: Path, *, in_credentials: bool = False) -> bytes | None:
    """Return the key in the file, None when there is no file.

    Args:
        in_credentials: the file is a credential that systemd guards.

    Raises:
        StoreCorruptError: others may read it, or it is not a key.
    """
    try:
        # Not through a link, and without waiting for the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _not_a_key_file(path) from exc
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _not_a_key_file(path)
        text = os.read(descriptor, KEY_BYTES * 2 + 2)
    finally:
        os.close(descriptor)
    # systemd lets the daemon's user in by an access list, whose mask shows as the group's rights.
    if mode & (0o037 if in_credentials else 0o077):
        raise StoreCorruptError(
            f"The key file {path} can be read by others (mode {stat.S_IMODE(mode):04o}).",
            hint=f"chmod 600 {path}, and change the passwords it protected if others had it.",
        )
    return parse_key(text, str(path))


def parse_key(text: bytes, where: str) -> bytes:
    """Return the key written as hex digits.

    Raises:
        StoreCorruptError: it is not a key; what it is instead is not told.
    """
    try:
        key = bytes.fromhex(text.decode().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreCorruptError(
            f"{where} does not hold a key: 64 hex digits are wanted.",
            hint="Put the key of this database back from a backup.",
        )
    return key


def _not_a_key_file(path: Path) -> StoreCorruptError:
    return StoreCorruptError(
        f"The key file {path} cannot be read.",
        hint="It must be a plain file that belongs to the user of the daemon.",
    )


def make_key(path: Path, key: bytes | None = None) -> bytes:
    """Write a key file of mode 0600, durable on return, and return the key, a new one if None."""
    key = key or secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(path.name + ".draft")  # a crash must not leave half a key behind
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.hex().encode() + b"\n")
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return key
