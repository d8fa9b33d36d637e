"""Who may log in, and with what."""

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey


class User(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One login and the credentials it may use.

    Attributes:
        public_key: RSA, in PEM.
        oauth_token: an access token as an identity provider would have given.
        pat: a programmatic access token.
    """

    password: str | None = None
    public_key: str | None = None
    oauth_token: str | None = None
    pat: str | None = None
    disabled: bool = False
    default_role: str | None = None
    default_warehouse: str | None = None


class LoginError(Exception):
    """A login that is refused, with Snowflake's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_WRONG: Final = "Incorrect username or password was specified."


class Users:
    """The logins of the account, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._users: dict[str, User] = {}
        if path.exists():
            self._users = msgspec.json.decode(path.read_bytes(), type=dict[str, User])

    def put(self, users: dict[str, User]) -> None:
        """Add users, or replace them. Names are case-insensitive."""
        self._users.update({name.upper(): user for name, user in users.items()})
        self._path.touch(mode=0o600)
        self._path.write_bytes(msgspec.json.encode(self._users))

    def check(self, given: dict[str, Any]) -> tuple[str, User]:
        """Return who logs in, by the `data` of a login request.

        Raises:
            LoginError: the credentials are wrong, with the code for their kind.
        """
        kind = (given.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
        if kind == "SNOWFLAKE_JWT":
            name, user = self._by_jwt(given.get("TOKEN") or "")
        elif kind in ("OAUTH", "OAUTH_AUTHORIZATION_CODE", "OAUTH_CLIENT_CREDENTIALS"):
            name, user = self._by_token(
                given, "oauth_token", "390303", "Invalid OAuth access token."
            )
        elif kind == "PROGRAMMATIC_ACCESS_TOKEN":
            name, user = self._by_token(
                given, "pat", "394400", "Programmatic access token is invalid."
            )
        elif kind in ("SNOWFLAKE", "USERNAME_PASSWORD_MFA"):
            name, user = self._by_password(given)
        else:
            raise LoginError("390190", f"The authenticator {kind} is not configured.")
        if user.disabled:
            raise LoginError("390101", "User access disabled. Contact your local system admin.")
        return name, user

    def _by_password(self, given: dict[str, Any]) -> tuple[str, User]:
        name = str(given.get("LOGIN_NAME") or "").upper()
        user = self._users.get(name)
        password = str(given.get("PASSWORD") or "")
        if user is None or not any(
            kept is not None and hmac.compare_digest(kept.encode(), password.encode())
            for kept in (user.password, user.pat)  # a token may stand for the password
        ):
            raise LoginError("390100", _WRONG)
        return name, user

    def _by_token(
        self, given: dict[str, Any], attribute: str, code: str, message: str
    ) -> tuple[str, User]:
        token = str(given.get("TOKEN") or given.get("PASSWORD") or "")
        wanted = str(given.get("LOGIN_NAME") or "").upper()
        for name, user in self._users.items():
            kept = getattr(user, attribute)
            if kept is None or not hmac.compare_digest(kept.encode(), token.encode()):
                continue
            if wanted not in ("", name):
                raise LoginError(
                    "390309",
                    "The user you were trying to authenticate as differs from the user tied to "
                    "the access token.",
                )
            return name, user
        raise LoginError(code, message)

    def _by_jwt(self, token: str) -> tuple[str, User]:
        try:
            claims = msgspec.json.decode(_decoded(token.split(".")[1]), type=_Claims)
            name = claims.sub.rsplit(".", 1)[-1].upper()
            user = self._users[name]
            key = serialization.load_pem_public_key((user.public_key or "").encode())
            wrong = _wrong_jwt(token, claims, key)
        except (KeyError, IndexError, ValueError, UnsupportedAlgorithm) as error:
            raise LoginError("390144", f"JWT token is invalid. [{type(error).__name__}]") from error
        if wrong:
            raise LoginError("390144", f"JWT token is invalid. [{wrong}]")
        return name, user


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    exp: float


def _wrong_jwt(token: str, claims: _Claims, key: object) -> str | None:
    """Return what is wrong with a token signed for this key."""
    signed, _, signature = token.rpartition(".")
    if not isinstance(key, RSAPublicKey):
        return "the user's key is no RSA key"
    if claims.iss.rsplit(".", 1)[-1] != fingerprint(key):
        return "another key's fingerprint"
    if claims.exp < time.time():
        return "expired"
    try:
        key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return "signature"
    return None


def fingerprint(key: RSAPublicKey) -> str:
    """Return the fingerprint of a public key, as the issuer of a JWT ends in it."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"SHA256:{base64.b64encode(hashlib.sha256(der).digest()).decode()}"


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
