"""Access tokens for logins, as Entra ID issues them: who holds one is taken for its user."""

import secrets
import time
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from dtaas.sandbox.sqlserver.results import SqlError

AUDIENCE: Final = "https://database.windows.net/"
"""Whom a token must be meant for; one for another service opens nothing here."""

_ISSUER: Final = "https://sts.windows.net/dtaas-sandbox/"
_LOGIN_FAILED: Final = 18456
_LIFETIME_S: Final = 3600.0
_KEY_BYTES: Final = 32


class TokenDirectory:
    """Issues tokens and says whose they are. Only its own are good, and only for their time."""

    def __init__(self) -> None:
        self._key = OctKey.import_key(secrets.token_bytes(_KEY_BYTES))

    def issue(self, user: str, *, lifetime_s: float = _LIFETIME_S, audience: str = AUDIENCE) -> str:
        """Return a token for a login; a lifetime below zero gives one that has expired."""
        claims = {
            "iss": _ISSUER,
            "aud": audience,
            "upn": user,
            "exp": int(time.time() + lifetime_s),
        }
        return str(jwt.encode({"alg": "HS256"}, claims, self._key))

    def user_of(self, token: str) -> str:
        """Return whose token it is.

        Raises:
            SqlError: 18456 it is none of ours, for another service, or has expired.
        """
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"]).claims
        except (JoseError, ValueError) as exc:
            raise _refused("") from exc
        if claims["exp"] <= time.time():
            raise _refused(" Token is expired.")
        if claims["aud"] != AUDIENCE:
            raise _refused("")
        return str(claims["upn"])


def _refused(reason: str) -> SqlError:
    text = f"Login failed for user '<token-identified principal>'.{reason}"
    return SqlError(_LOGIN_FAILED, text, severity=14)
