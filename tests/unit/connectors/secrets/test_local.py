"""Secrets of the machine: what is allowed, and what is said when there is none."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dtaas.connectors.registry import Registry
from dtaas.connectors.secrets.resolver import SecretResolver
from dtaas.model.connectors import Connector, ConnectorRole, S3Config
from dtaas.model.errors import SecretMissingError
from dtaas.model.ids import ConnectorId
from dtaas.settings import SecretsSettings

PLANTED = "Ge-Heim-4711"


async def resolved(secret: str, settings: SecretsSettings, **environ: str) -> str:
    resolver = SecretResolver(settings, environ)
    config = S3Config(bucket="lake", secret_access_key=secret)
    return (await resolver.resolve(config)).secret_access_key


async def test_reads_a_variable() -> None:
    assert await resolved("${env:SHOP}", SecretsSettings(), SHOP=PLANTED) == PLANTED
    assert await resolved("${env:DTAAS_SECRET_A}", SecretsSettings(), DTAAS_SECRET_A="x") == "x"


async def test_leaves_what_is_no_reference_alone() -> None:
    assert await resolved("plain", SecretsSettings()) == "plain"
    assert await resolved("$${env:X}", SecretsSettings(), X="no") == "${env:X}"


@pytest.mark.parametrize("name", ["DTAAS_STORE__KEY", "DTAAS_SECRETS__VAULT_TOKEN", "OTHER"])
async def test_never_reads_the_daemons_own_or_what_is_not_allowed(name: str) -> None:
    settings = SecretsSettings(env=("SHOP_*", "DTAAS_*"))
    with pytest.raises(SecretMissingError, match="may not be read") as refused:
        await resolved(f"${{env:{name}}}", settings, **{name: PLANTED})
    assert PLANTED not in f"{refused.value.detail} {refused.value.hint}"
    assert refused.value.field == "$.connection_config.secret_access_key"


async def test_says_what_is_missing_or_empty() -> None:
    with pytest.raises(SecretMissingError, match="no variable NOWHERE"):
        await resolved("${env:NOWHERE}", SecretsSettings())
    with pytest.raises(SecretMissingError, match="is empty"):
        await resolved("${env:EMPTY}", SecretsSettings(), EMPTY="")


async def test_reads_a_file_without_its_last_newline(tmp_path: Path) -> None:
    settings = SecretsSettings(file_roots=(str(tmp_path),))
    (tmp_path / "a").write_bytes(b" two words \r\n")
    assert await resolved(f"${{file:{tmp_path}/a}}", settings) == " two words "


async def test_reads_systemds_credentials(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text(PLANTED)
    found = await resolved(
        f"${{file:{tmp_path}/shop}}", SecretsSettings(), CREDENTIALS_DIRECTORY=str(tmp_path)
    )
    assert found == PLANTED


async def test_files_stay_inside_their_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.write_text(PLANTED)
    (inside / "link").symlink_to(outside)
    settings = SecretsSettings(file_roots=(str(inside),))
    for path in (outside, inside / "link", inside / ".." / "out"):
        with pytest.raises(SecretMissingError, match="outside"):
            await resolved(f"${{file:{path}}}", settings)
    os.mkfifo(inside / "pipe")
    (inside / "large").write_bytes(b"x" * 70_000)
    (inside / "binary").write_bytes(b"\xff\xfe")
    for name in ("pipe", "large", "binary", "nothing"):
        with pytest.raises(SecretMissingError):
            await resolved(f"${{file:{inside}/{name}}}", settings)


async def test_the_stores_own_key_is_never_read(tmp_path: Path) -> None:
    key = tmp_path / "dtaas.key"
    key.write_text("00" * 32)
    resolver = SecretResolver(SecretsSettings(file_roots=(str(tmp_path),)), {}, key_file=key)
    (tmp_path / "link").symlink_to(key)
    for path in (key, tmp_path / "link"):
        with pytest.raises(SecretMissingError, match="outside"):
            await resolver.resolve(S3Config(bucket="lake", session_token=f"${{file:{path}}}"))


async def test_nothing_is_asked_of_services_that_are_not_set_up() -> None:
    with pytest.raises(SecretMissingError, match="there is no Vault"):
        await resolved("${vault:shop#password}", SecretsSettings())


def test_a_connector_with_references_cannot_be_built() -> None:
    now = datetime.now(UTC)
    connector = Connector(
        id=ConnectorId(1),
        name="lake",
        description="",
        role=ConnectorRole.DESTINATION,
        kind="s3",
        config=S3Config(bucket="lake", secret_access_key="${env:X}"),
        is_active=True,
        created_at=now,
        updated_at=now,
    )
    with pytest.raises(TypeError, match="must be resolved"):
        Registry().destination(connector, task_name="t", database="d")
