"""One identity provider for all tests, and how the daemon is told of it."""

from collections.abc import Iterator

import pytest

from dtaas.settings import OidcSettings
from tests.integration.oidc.identity_provider import CLIENT_ID, CLIENT_SECRET, identity_provider

BASE = "http://localhost:8000"


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """Run the provider and return its address."""
    with identity_provider(BASE) as address:
        yield address


@pytest.fixture
def provider(issuer: str) -> OidcSettings:
    """The settings of the provider, with roles by the claim `groups`."""
    return OidcSettings(
        name="corp",
        title="Corp",
        issuer=issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        public_url=BASE,
        role_claim="groups",
        admin_values=("dtaas-admins",),
        operator_values=("dtaas-operators",),
        default_role="",
    )
