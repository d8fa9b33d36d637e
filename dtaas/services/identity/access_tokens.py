"""Access tokens of machines: signed, short-lived, and worth no more than the API token behind."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

_ALGORITHM: Final = "HS256"


class AccessTokens:
    """Issues and reads JSON Web Tokens."""

    def __init__(
        self, key: bytes, installation: str, lasts: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._key = OctKey.import_key(key)
        self._issuer = f"dtaas:{installation}"
        self.lasts: Final = lasts
        self._now = now

    def issue(self, token_id: int, username: str) -> str:
        """Return an access token for the holder of an API token."""
        now = self._now()
        claims = {
            "iss": self._issuer,
            "sub": username,
            "tid": token_id,
            "iat": int(now.timestamp()),
            "exp": int((now + self.lasts).timestamp()),
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def token_id(self, text: str) -> int | None:
        """Return the API token an access token stands for, None when it is not valid."""
        try:
            claims = jwt.decode(text, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError):
            return None
        expires, token_id = claims.get("exp"), claims.get("tid")
        lasts = isinstance(expires, int) and expires > self._now().timestamp()
        if not lasts or claims.get("iss") != self._issuer or not isinstance(token_id, int):
            return None
        return token_id
