"""ID tokens: only what the provider signed, for us, for this login, and lately."""

from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from dtaas.model.identity import UserRole
from dtaas.services.identity import provider as module
from dtaas.services.identity.oidc import role_of
from dtaas.services.identity.provider import Providers
from dtaas.settings import OidcSettings

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "dtaas",
    "sub": "ann",
    "nonce": "n",
    "iat": int(NOW.timestamp()) - 5,
    "exp": int(NOW.timestamp()) + 300,
}


class Site:
    """What the provider publishes."""

    def __init__(self) -> None:
        self.keys = KeySet([KEY]).as_dict(private=False)
        self.issuer = ISSUER

    async def fetch(self, url: str, headers: object = None) -> dict[str, Any]:
        if url.endswith("/jwks"):
            return dict(self.keys)
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
        }


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(module, "fetch", made.fetch)
    return made


async def verified(providers: Providers, token: str) -> dict[str, Any]:
    provider = await providers.of(ISSUER)
    return await providers.verified(provider, token, client_id="dtaas", nonce="n")


def signed(claims: dict[str, Any], key: Any = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "one"}, claims, key, algorithms=[alg])


async def test_takes_a_good_token() -> None:
    providers = Providers(lambda: NOW)
    assert (await verified(providers, signed(GOOD)))["sub"] == "ann"
    assert (await verified(providers, signed(GOOD | {"aud": ["dtaas"], "azp": "dtaas"})))["sub"]


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"nonce": "m"},
        {"exp": int(NOW.timestamp()) - 100},
        {"iat": int(NOW.timestamp()) + 1000},
        {"azp": "other"},
        {"sub": None},
    ],
)
async def test_refuses_what_is_not_for_us_or_not_for_now(change: dict[str, Any]) -> None:
    claims = {k: v for k, v in (GOOD | change).items() if v is not None}
    with pytest.raises(ValueError, match="ID token"):
        await verified(Providers(lambda: NOW), signed(claims))


@pytest.mark.parametrize("missing", sorted(GOOD))
async def test_refuses_what_lacks_a_claim(missing: str) -> None:
    claims = {k: v for k, v in GOOD.items() if k != missing}
    with pytest.raises(ValueError, match="ID token"):
        await verified(Providers(lambda: NOW), signed(claims))


async def test_refuses_what_the_provider_did_not_sign() -> None:
    forged = [
        signed(GOOD, OTHER),
        signed(GOOD, OctKey.import_key(b"x" * 32), "HS256"),
        "",
        "a.b.c",
        signed(GOOD)[:-8] + "AAAAAAAA",
        signed(GOOD).rsplit(".", 1)[0] + ".",
    ]
    for token in forged:
        with pytest.raises(ValueError):  # noqa: PT011 - each of them has a text of its own
            await verified(Providers(lambda: NOW), token)


async def test_follows_a_provider_that_changes_its_keys(site: Site) -> None:
    providers = Providers(lambda: NOW)
    await verified(providers, signed(GOOD))
    site.keys = KeySet([OTHER]).as_dict(private=False)
    assert await verified(providers, signed(GOOD, OTHER))
    with pytest.raises(ValueError, match="ID token"):
        await verified(providers, signed(GOOD))


async def test_refuses_a_description_of_another_issuer(site: Site) -> None:
    site.issuer = "https://evil.example"
    with pytest.raises(ValueError, match="another issuer"):
        await Providers(lambda: NOW).of(ISSUER)


def test_the_highest_role_wins() -> None:
    settings = OidcSettings(
        name="corp", issuer=ISSUER, client_id="d", public_url="http://x", role_claim="groups",
        admin_values=("a",), operator_values=("o",), viewer_values=("v",), default_role="",
    )  # fmt: skip
    assert role_of(settings, {"groups": ["v", "a", "o"]}) is UserRole.ADMIN
    assert role_of(settings, {"groups": "o"}) is UserRole.OPERATOR
    assert role_of(settings, {"groups": ["v", 7, None]}) is UserRole.VIEWER
    for claims in ({}, {"groups": []}, {"groups": None}, {"groups": ["x"]}):
        assert role_of(settings, claims) is None
