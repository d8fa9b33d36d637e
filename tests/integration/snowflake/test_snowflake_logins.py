"""How a connector logs in, what its sessions ask for, and what its test says when it may not."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec.structs import replace

from dtaas.model.check import CheckStep, StepStatus
from dtaas.model.connectors import SnowflakeAuthentication, SnowflakeConfig
from dtaas.sandbox.snowflake.credentials import User
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.snowflake.conftest import destination_of

A = SnowflakeAuthentication


def pem(key: rsa.RSAPrivateKey, passphrase: str = "") -> str:
    encryption: Any = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return written.decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def anyone(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, key: rsa.RSAPrivateKey
) -> SnowflakeConfig:
    """Return the connector of somebody who may log in by a key and by tokens."""
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    user = User(public_key=public.decode(), oauth_token="access of anyone", pat="pat of anyone")
    await snowflake.put_users({"anyone": user})
    return replace(config, user="anyone", password="", role="LOADER", warehouse="WH")


async def checked(config: SnowflakeConfig) -> list[CheckStep]:
    destination, seen = destination_of(config), list[CheckStep]()
    report = await destination.check(seen.append)
    await destination.aclose()
    assert list(report.steps) == seen
    assert report.ok is (seen[-1].status is StepStatus.OK)
    return seen


@pytest.mark.parametrize("way", [A.KEY_PAIR, A.OAUTH, A.PAT])
async def test_a_connector_logs_in_its_own_way(
    snowflake: SnowflakeEmulator, anyone: SnowflakeConfig, key: rsa.RSAPrivateKey, way: A
) -> None:
    secrets: dict[A, list[dict[str, str]]] = {
        A.KEY_PAIR: [
            {"private_key": pem(key)},
            {"private_key": pem(key, "open sesame"), "private_key_passphrase": "open sesame"},
        ],
        A.OAUTH: [{"token": "access of anyone"}],
        A.PAT: [{"token": "pat of anyone"}],
    }
    for secret in secrets[way]:
        steps = await checked(replace(anyone, authentication=way, **secret))
        assert [(s.name, s.status) for s in steps] == [
            (name, StepStatus.OK) for name in ("login", "rights", "stage")
        ]
        assert "role LOADER, warehouse WH" in steps[0].detail
    assert {said.user for said in await snowflake.log()} == {"ANYONE"}


@pytest.mark.parametrize(
    ("way", "secret", "told"),
    [
        (A.PASSWORD, {"password": "wrong"}, "Check user, authentication"),
        (A.OAUTH, {"token": "stale"}, "OAuth token is wrong or has expired"),
        (A.PAT, {"token": "stale"}, "access token is wrong or has expired"),
        (A.KEY_PAIR, {"private_key": "another"}, "public key of the user is another one"),
        (A.KEY_PAIR, {"private_key": "no PEM"}, "Give it as PEM"),
        (A.KEY_PAIR, {"private_key": "sealed"}, "with its passphrase"),
    ],
)
async def test_who_may_not_log_in_is_told_what_to_do(
    anyone: SnowflakeConfig, key: rsa.RSAPrivateKey, way: A, secret: dict[str, str], told: str
) -> None:
    if secret.get("private_key") == "another":
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        secret = {"private_key": pem(other)}
    elif secret.get("private_key") == "sealed":
        secret = {"private_key": pem(key, "open sesame"), "private_key_passphrase": "open barley"}
    steps = await checked(replace(anyone, authentication=way, **secret))
    assert [(s.name, s.status, s.code) for s in steps] == [
        ("login", StepStatus.FAILED, "authentication_failed")
    ]
    assert told in steps[0].fix
    assert not any(value in steps[0].detail for value in secret.values())


async def test_sessions_ask_for_what_transactions_need(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig
) -> None:
    destination = destination_of(replace(config, statement_timeout_s=77))
    await destination.check(lambda _: None)
    asked = [one["parameters"] for one in await snowflake.sessions()]
    wanted = {
        "TIMEZONE": "UTC",
        "ABORT_DETACHED_QUERY": "true",
        "LOCK_TIMEOUT": "300",
        "STATEMENT_TIMEOUT_IN_SECONDS": "77",
        "TRANSACTION_ABORT_ON_ERROR": "true",
    }
    assert wanted in [{name: str(one.get(name)) for name in wanted} for one in asked]
    await destination.aclose()
