"""Configurations: what is secret stays hidden, what is wrong is refused when it is saved."""

import msgspec
import pytest

from dtaas.model.connectors import (
    FileConfig,
    S3Config,
    SqlServerConfig,
    decode_config,
    redacted,
    secret_fields,
    secrets_set,
)

SERVER = SqlServerConfig(host="h", database="d", username="u", password="s3cret")


def test_a_secret_is_in_no_text():
    assert "s3cret" not in repr(SERVER)
    assert "s3cret" not in str(redacted(SERVER))
    assert secrets_set(SERVER) == ("password",)
    assert secret_fields(S3Config) == {"secret_access_key", "session_token"}


@pytest.mark.parametrize("prefix", ["{nope}/x", "a/{table!r}", "{table:>3}", "{", "x}", "{}"])
@pytest.mark.parametrize("config", [{"path": "/lake"}, {"bucket": "lake"}])
def test_a_wrong_prefix_is_refused_when_saved(config: dict[str, str], prefix: str):
    kind = FileConfig if "path" in config else S3Config
    with pytest.raises(msgspec.ValidationError, match="prefix"):
        decode_config({**config, "prefix": prefix}, kind)


def test_every_placeholder_is_known():
    prefix = "{database}/{schema}/{table}/{task}/{{braces}}"
    assert decode_config({"path": "/lake", "prefix": prefix}, FileConfig) == FileConfig(
        path="/lake", prefix=prefix
    )
