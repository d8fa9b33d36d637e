"""The real account that the opt-in suite logs in to."""

from pathlib import Path

import pytest

from dtaas.model.connectors import SnowflakeAuthentication
from tests.integration.snowflake.account import URL, account_of


def test_without_a_url_there_is_none() -> None:
    assert account_of({}) is None


def test_a_url_says_everything() -> None:
    config = account_of(
        {URL: "snowflake://me%40x:p%2Fw@org-acc/My%20DB?warehouse=WH&role=R&host=h.example"}
    )
    assert config is not None
    assert (config.account, config.user, config.password) == ("org-acc", "me@x", "p/w")
    assert (config.database, config.warehouse, config.role) == ("My DB", "WH", "R")
    assert (config.host, config.port, config.protocol) == ("h.example", 443, "https")
    assert config.authentication is SnowflakeAuthentication.PASSWORD


def test_secrets_may_come_from_the_environment(tmp_path: Path) -> None:
    url = {URL: "snowflake://me@acc/DB"}
    token = account_of({**url, "DTAAS_TEST_SNOWFLAKE_TOKEN": "t"})
    assert token is not None
    assert (token.authentication, token.token) == (SnowflakeAuthentication.PAT, "t")
    key = tmp_path / "key.pem"
    key.write_text("PEM")
    pair = account_of({URL: f"snowflake://me@acc/DB?private_key_file={key}"})
    assert pair is not None
    assert (pair.authentication, pair.private_key) == (SnowflakeAuthentication.KEY_PAIR, "PEM")
    oauth = account_of(
        {URL: "snowflake://me@acc/DB?authentication=oauth", "DTAAS_TEST_SNOWFLAKE_TOKEN": "t"}
    )
    assert oauth is not None
    assert oauth.authentication is SnowflakeAuthentication.OAUTH


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://me:p@acc/DB", "must be snowflake://"),
        ("snowflake://acc/DB", "must be snowflake://"),
        ("snowflake://me:p@acc", "one database"),
        ("snowflake://me:p@acc/DB/S", "one database"),
        ("snowflake://me:p@acc/DB?warehose=W", "warehose"),
        ("snowflake://me@acc/DB", "no password"),
    ],
)
def test_what_is_wrong_is_said(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        account_of({URL: url})
