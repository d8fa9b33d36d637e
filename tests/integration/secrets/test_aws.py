"""Secrets from AWS Secrets Manager, against moto's server as a process on loopback."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from dtaas.connectors.secrets.resolver import SecretResolver
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import SecretMissingError, SecretStoreUnavailableError
from dtaas.settings import SecretsSettings

PLANTED = "Ge-Heim-4711"
REGION = "eu-central-1"
_PORT = re.compile(r"http://127\.0\.0\.1:(\d+)")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run moto's server on a free port and return its address."""
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            port = None
            for line in process.stdout:
                out.write(line.encode())
                if found := _PORT.search(line):
                    port = found[1]
                    break
            assert port, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def kept(moto: str) -> dict[str, str]:
    """Put secrets into the service and return the ARN of each."""
    client: Any = boto3.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=moto,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    made = {
        "shop/plain": {"SecretString": "only this"},
        "shop/db": {"SecretString": json.dumps({"password": "p w", "port": 1433, "on": True})},
        "shop/binary": {"SecretBinary": b"\x00\x01"},
        "shop/deleted": {"SecretString": "x"},
    }
    arns = {name: client.create_secret(Name=name, **value)["ARN"] for name, value in made.items()}
    client.delete_secret(SecretId="shop/deleted", RecoveryWindowInDays=7)
    return arns


async def password(endpoint: str, reference: str) -> str:
    settings = SecretsSettings(aws_region=REGION, aws_endpoint_url=endpoint)
    config = SqlServerConfig(host="h", database="d", username="u", password=reference)
    return (await SecretResolver(settings, {}).resolve(config)).password


async def test_reads_a_whole_secret_and_a_key_of_one(moto: str, kept: dict[str, str]) -> None:
    assert await password(moto, "${aws-sm:shop/plain}") == "only this"
    assert await password(moto, "${aws-sm:shop/db#password}") == "p w"
    assert await password(moto, "${aws-sm:shop/db#port}") == "1433"
    assert await password(moto, f"${{aws-sm:{kept['shop/db']}#password}}") == "p w"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("${aws-sm:nowhere}", "no such secret"),
        ("${aws-sm:shop/deleted}", "refused with InvalidRequestException"),
        ("${aws-sm:shop/binary}", "is binary"),
        ("${aws-sm:shop/plain#password}", "not a JSON object"),
        ("${aws-sm:shop/db#nope}", "no text under that key"),
        ("${aws-sm:shop/db#on}", "no text under that key"),
    ],
)
async def test_says_what_is_wrong(
    moto: str, kept: dict[str, str], reference: str, said: str
) -> None:
    assert len(kept) == 4
    with pytest.raises(SecretMissingError, match=said) as refused:
        await password(moto, reference)
    assert "only this" not in f"{refused.value.detail}{refused.value.hint}"


async def test_a_service_that_is_away_is_tried_again() -> None:
    with pytest.raises(SecretStoreUnavailableError, match="does not answer"):
        await password("http://127.0.0.1:1", "${aws-sm:shop/plain}")


async def test_a_machine_without_credentials_is_told(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SecretMissingError, match="no AWS credentials"):
        await password(moto, "${aws-sm:shop/plain}")
