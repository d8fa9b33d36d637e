"""Secrets from Vault, over HTTP: our fake, and a real server where one is named.

The opt-in suite needs DTAAS_TEST_VAULT_ADDR and DTAAS_TEST_VAULT_TOKEN of a development server
(`vault server -dev`), whose key-value store `secret` it writes to.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dtaas.connectors.secrets.resolver import SecretResolver
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import SecretMissingError, SecretStoreUnavailableError
from dtaas.settings import SecretsSettings
from tests.fakes.vault_server import ROLE_ID, ROOT_TOKEN, SECRET_ID, FakeVault, vault_server

PLANTED = "Ge-Heim-4711"
REAL = os.environ.get("DTAAS_TEST_VAULT_ADDR", "")


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    with vault_server() as running:
        running.secrets["shop/db"] = {"password": PLANTED, "port": 1433, "flag": True}
        yield running


async def password(settings: SecretsSettings, reference: str = "${vault:shop/db#password}") -> str:
    return await read_with(SecretResolver(settings, {}), reference)


async def read_with(resolver: SecretResolver, reference: str) -> str:
    config = SqlServerConfig(host="h", database="d", username="u", password=reference)
    return (await resolver.resolve(config)).password


async def test_reads_with_a_token(vault: FakeVault, tmp_path: Path) -> None:
    settings = SecretsSettings(vault_address=vault.address, vault_token=ROOT_TOKEN)
    assert await password(settings) == PLANTED
    assert await password(settings, "${vault:/shop/db#port}") == "1433"
    (tmp_path / "token").write_text(ROOT_TOKEN + "\n")
    from_file = SecretsSettings(
        vault_address=vault.address, vault_token_file=str(tmp_path / "token")
    )
    assert await password(from_file) == PLANTED


async def test_reads_in_a_namespace(vault: FakeVault) -> None:
    vault.namespace = "team/a"
    settings = SecretsSettings(
        vault_address=vault.address, vault_token=ROOT_TOKEN, vault_namespace="team/a"
    )
    assert await password(settings) == PLANTED


async def test_logs_in_with_an_approle_and_keeps_the_token_while_it_lasts(
    vault: FakeVault,
) -> None:
    settings = SecretsSettings(
        vault_address=vault.address, vault_role_id=ROLE_ID, vault_secret_id=SECRET_ID
    )
    resolver = SecretResolver(settings, {})
    assert await read_with(resolver, "${vault:shop/db#password}") == PLANTED
    assert await read_with(resolver, "${vault:shop/db#port}") == "1433"
    assert vault.logins == 1
    vault.tokens.clear()  # revoked
    assert await read_with(resolver, "${vault:shop/db#password}") == PLANTED
    assert vault.logins == 2


async def test_says_what_is_wrong_and_never_a_secret(vault: FakeVault) -> None:
    good = SecretsSettings(vault_address=vault.address, vault_token=ROOT_TOKEN)
    wrong = SecretsSettings(vault_address=vault.address, vault_token=PLANTED)
    role = SecretsSettings(
        vault_address=vault.address, vault_role_id=ROLE_ID, vault_secret_id=PLANTED
    )
    vault.secrets["gone"] = None
    cases = [
        (good, "${vault:nowhere#a}", "no such secret"),
        (good, "${vault:gone#a}", "was deleted"),
        (good, "${vault:shop/db#nope}", "no text under that key"),
        (good, "${vault:shop/db#flag}", "no text under that key"),
        (wrong, "${vault:shop/db#password}", "refused with 403"),
        (role, "${vault:shop/db#password}", "refused with 400"),
        (SecretsSettings(vault_address=vault.address), "${vault:shop/db#password}", "no token"),
    ]
    for settings, reference, said in cases:
        with pytest.raises(SecretMissingError, match=said) as refused:
            await password(settings, reference)
        assert PLANTED not in f"{refused.value.detail}{refused.value.hint}"
        assert refused.value.field == "$.connection_config.password"


async def test_what_may_pass_is_tried_again(vault: FakeVault) -> None:
    settings = SecretsSettings(vault_address=vault.address, vault_token=ROOT_TOKEN)
    vault.sealed = True
    with pytest.raises(SecretStoreUnavailableError, match="503"):
        await password(settings)
    away = SecretsSettings(vault_address="http://127.0.0.1:1", vault_token=ROOT_TOKEN)
    with pytest.raises(SecretStoreUnavailableError, match="does not answer"):
        await password(away)


@pytest.mark.external
@pytest.mark.skipif(not REAL, reason="DTAAS_TEST_VAULT_ADDR names no Vault")
async def test_a_real_vault_is_read_by_token_and_by_approle() -> None:
    root = os.environ["DTAAS_TEST_VAULT_TOKEN"]
    async with httpx.AsyncClient(base_url=REAL, headers={"X-Vault-Token": root}) as http:

        async def do(method: str, path: str, **body: object) -> dict[str, dict[str, str]]:
            answer = await http.request(method, f"/v1/{path}", json=body)
            assert answer.is_success or "already in use" in answer.text, answer.text
            return dict(answer.json()) if answer.content else {}

        await do("POST", "secret/data/dtaas/test", data={"password": PLANTED})
        await do("POST", "sys/auth/approle", type="approle")
        rule = 'path "secret/data/dtaas/*" { capabilities = ["read"] }'
        await do("PUT", "sys/policies/acl/dtaas-test", policy=rule)
        await do("POST", "auth/approle/role/dtaas-test", token_policies="dtaas-test")
        role_id = (await do("GET", "auth/approle/role/dtaas-test/role-id"))["data"]["role_id"]
        made = await do("POST", "auth/approle/role/dtaas-test/secret-id")
    reference = "${vault:dtaas/test#password}"
    assert await password(SecretsSettings(vault_address=REAL, vault_token=root), reference) == (
        PLANTED
    )
    role = SecretsSettings(
        vault_address=REAL, vault_role_id=role_id, vault_secret_id=made["data"]["secret_id"]
    )
    assert await password(role, reference) == PLANTED
    with pytest.raises(SecretMissingError, match="refused with 403"):
        await password(role, "${vault:other#password}")
