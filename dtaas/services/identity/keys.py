"""Keys users and machines come in with: random, kept only as digests."""

import hashlib
import secrets
from typing import Final

TOKEN_PREFIX: Final = "dtaas_"  # noqa: S105 - the beginning of every API token, to find leaked ones
_BYTES: Final = 32


def new_key(prefix: str = "") -> str:
    """Return a key of 256 random bits."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest_of(key: str) -> str:
    """Return what is kept of a key. It is random, so a fast hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def csrf_of(session_key: str) -> str:
    """Return what a page must echo: it follows from the session's key and gives nothing away."""
    return hashlib.sha256(b"csrf:" + session_key.encode()).hexdigest()[:43]
