"""Only the right credentials log in; the wrong ones are refused with Snowflake's codes."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import DatabaseError

from dtaas.sandbox.snowflake.credentials import User
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sandbox.snowflake.conftest import Connect


def _pem(key: rsa.RSAPrivateKey, passphrase: bytes | None = None) -> bytes:
    encryption: Any = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def _der(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def users(snowflake: SnowflakeEmulator, key: rsa.RSAPrivateKey) -> None:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    await snowflake.put_users(
        {
            "keys": User(public_key=public.decode()),
            "tokens": User(oauth_token="access-1", pat="pat-1"),
            "gone": User(password="p", disabled=True),
            "rich": User(password="p", default_role="LOADER", default_warehouse="WH"),
        }
    )


async def _who(connect: Connect, **credentials: Any) -> str:
    cursor = (await connect(**credentials)).cursor()
    await cursor.execute("SELECT CURRENT_USER()")
    return (await cursor.fetchall())[0][0]


@pytest.mark.usefixtures("users")
async def test_a_key_pair_logs_in_as_bytes_and_as_a_file(
    connect: Connect, key: rsa.RSAPrivateKey, tmp_path: Any
) -> None:
    assert await _who(connect, user="keys", password=None, private_key=_der(key)) == "KEYS"
    file = tmp_path / "key.p8"
    file.write_bytes(_pem(key, b"open sesame"))
    file.chmod(0o600)
    credentials = {"private_key_file": str(file), "private_key_password": "open sesame"}
    assert await _who(connect, user="keys", password=None, **credentials) == "KEYS"


@pytest.mark.usefixtures("users")
async def test_an_oauth_token_and_a_programmatic_token_log_in(connect: Connect) -> None:
    oauth = {"authenticator": "oauth", "token": "access-1", "password": None}
    assert await _who(connect, user="tokens", **oauth) == "TOKENS"
    pat = {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": "pat-1", "password": None}
    assert await _who(connect, user="tokens", **pat) == "TOKENS"


@pytest.mark.usefixtures("users")
async def test_a_programmatic_token_stands_for_the_password(connect: Connect) -> None:
    assert await _who(connect, user="tokens", password="pat-1") == "TOKENS"


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"user": "tester", "password": "wrong"}, 390100),
        ({"user": "nobody", "password": "Snow-1"}, 390100),
        ({"user": "keys", "password": "Snow-1"}, 390100),
        ({"user": "gone", "password": "p"}, 390101),
        ({"user": "tokens", "authenticator": "oauth", "token": "stale", "password": None}, 390303),
        ({"user": "keys", "authenticator": "oauth", "token": "access-1", "password": None}, 390309),
        (
            {
                "user": "tokens",
                "authenticator": "PROGRAMMATIC_ACCESS_TOKEN",
                "token": "stale",
                "password": None,
            },
            394400,
        ),
    ],
)
async def test_wrong_credentials_are_refused(
    connect: Connect, credentials: dict[str, Any], code: int
) -> None:
    with pytest.raises(DatabaseError) as refused:
        await connect(**credentials)
    assert refused.value.errno == code


@pytest.mark.usefixtures("users")
async def test_another_key_is_refused(connect: Connect) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(DatabaseError) as refused:
        await connect(user="keys", password=None, private_key=_der(other))
    assert refused.value.errno == 390144


@pytest.mark.usefixtures("users")
async def test_defaults_of_the_user_hold_where_the_login_names_none(connect: Connect) -> None:
    cursor = (await connect(user="rich", password="p")).cursor()
    await cursor.execute("SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE()")
    assert await cursor.fetchall() == [("LOADER", "WH")]


async def test_an_expired_session_is_renewed_by_the_connector(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    connection = await connect()
    cursor = connection.cursor()
    await cursor.execute("CREATE TEMPORARY TABLE KEPT AS SELECT 1 AS ONE")
    await snowflake.expire()
    await cursor.execute("SELECT ONE FROM KEPT")
    assert await cursor.fetchall() == [(1,)]


async def test_tokens_are_renewed_again_and_again(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    cursor = (await connect()).cursor()
    for number in range(5):
        await snowflake.expire()
        await cursor.execute(f"SELECT {number}")
        assert await cursor.fetchall() == [(number,)]


async def test_tokens_are_valid_as_long_as_was_set(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    await snowflake.set_validity(session_s=0.0, master_s=0.0)
    try:
        cursor = (await connect()).cursor()
    finally:
        await snowflake.set_validity(session_s=3600, master_s=14_400)
    with pytest.raises(DatabaseError):
        await cursor.execute("SELECT 1")


async def test_an_expired_master_token_ends_the_session(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    cursor = (await connect()).cursor()
    await snowflake.expire(master=True)
    with pytest.raises(DatabaseError) as refused:
        await cursor.execute("SELECT 1")
    assert refused.value.errno in (390112, 390113, 390114)


async def test_a_closed_session_is_gone(connect: Connect, snowflake: SnowflakeEmulator) -> None:
    before = {found["session"] for found in await snowflake.sessions()}
    connection = await connect()
    opened = {found["session"] for found in await snowflake.sessions()} - before
    assert len(opened) == 1
    await connection.close()
    assert not opened & {found["session"] for found in await snowflake.sessions()}
