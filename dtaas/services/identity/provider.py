"""What an identity provider tells about itself, and whether it signed a token."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

LIMIT_S: Final = 10.0
_KEPT_S: Final = 3600.0
_LEEWAY_S: Final = 60
_MOST_BYTES: Final = 1_000_000
_SAFE: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
                "Ed25519", "EdDSA")  # fmt: skip
"""Signatures only the provider can make: never `none`, nor one made with a shared secret."""


class Provider(Struct, frozen=True, kw_only=True):
    """A provider's endpoints."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""


class _Known(Struct):
    provider: Provider
    keys: KeySet | None
    at_s: float


class Providers:
    """Providers as they describe themselves, remembered for an hour."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: dict[str, _Known] = {}

    async def of(self, issuer: str) -> Provider:
        """Return a provider.

        Raises:
            ValueError: what it says is not a provider's description, or another's.
            HTTPError: it does not answer.
        """
        moment = self._now().timestamp()
        known = self._known.get(issuer)
        if known is None or moment - known.at_s > _KEPT_S:
            said = await fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
            if str(said.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
                raise ValueError("the description names another issuer")
            fields = {name: str(said.get(name) or "") for name in Provider.__struct_fields__}
            if not all(v for name, v in fields.items() if name != "userinfo_endpoint"):
                raise ValueError("the description lacks an endpoint")
            known = self._known[issuer] = _Known(Provider(**fields), None, moment)
        return known.provider

    async def verified(
        self, provider: Provider, token: str, *, client_id: str, nonce: str
    ) -> dict[str, Any]:
        """Return the claims of an ID token that the provider made for us and this login.

        Raises:
            ValueError: it did not.
            HTTPError: it does not answer.
        """
        try:
            claims = (await self._decoded(provider, token)).claims
            rules = jwt.JWTClaimsRegistry(
                now=lambda: int(self._now().timestamp()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": provider.issuer},
                aud={"essential": True, "value": client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            rules.validate(claims)
        except JoseError as exc:
            raise ValueError(f"the ID token is refused: {exc.error}") from exc
        if claims.get("azp", client_id) != client_id:
            raise ValueError("the ID token was made for another client")
        return claims

    async def _decoded(self, provider: Provider, token: str) -> jwt.Token:
        """Return the token with its signature checked; new keys are fetched when none fits."""
        known = next(k for k in self._known.values() if k.provider == provider)
        if known.keys is not None:
            try:
                return jwt.decode(token, known.keys, algorithms=_SAFE)
            except (JoseError, ValueError):
                known.keys = None  # the provider may have changed its keys
        known.keys = KeySet.import_key_set(await fetch(provider.jwks_uri))  # type: ignore[arg-type]
        return jwt.decode(token, known.keys, algorithms=_SAFE)


async def fetch(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at an address.

    Raises:
        HTTPError: no answer, or not a good one.
        ValueError: it is not a JSON object.
    """
    async with httpx.AsyncClient(timeout=LIMIT_S, follow_redirects=False) as client:
        answer = await client.get(url, headers={"Accept": "application/json", **(headers or {})})
    answer.raise_for_status()
    if answer.is_redirect or len(answer.content) > _MOST_BYTES:
        raise ValueError("the answer is not a description")
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError("the answer is not an object")  # noqa: TRY004 - what others say is data
    return found
