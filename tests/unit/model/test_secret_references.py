"""References to secrets: told apart from secrets, and refused when they are half of one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.model.connectors import S3Config, decode_config, secret_references
from dtaas.model.secret_references import SecretReference, SecretScheme, parse_secret


@pytest.mark.parametrize(
    ("text", "scheme", "name", "key"),
    [
        ("${env:SHOP_PASSWORD}", SecretScheme.ENV, "SHOP_PASSWORD", ""),
        ("${file:/run/secrets/a b}", SecretScheme.FILE, "/run/secrets/a b", ""),
        ("${aws-sm:prod/shop}", SecretScheme.AWS, "prod/shop", ""),
        ("${aws-sm:arn:aws:secretsmanager:eu-west-1:1:secret:x-AbC#password}",
         SecretScheme.AWS, "arn:aws:secretsmanager:eu-west-1:1:secret:x-AbC", "password"),
        ("${vault:shop/db#password}", SecretScheme.VAULT, "shop/db", "password"),
    ],
)  # fmt: skip
def test_reads_every_kind(text: str, scheme: SecretScheme, name: str, key: str) -> None:
    reference = parse_secret(text)
    assert reference == SecretReference(scheme, name, key)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "${enw:X}",
        "${env:}",
        "${env:A-B}",
        "${env:A#b}",
        "${file:relative}",
        "${file:/a#b}",
        "${aws-sm:}",
        "${vault:shop/db}",
        "${vault:#password}",
        "${vault:a/../b#c}",
        "${hunter2:hunter3}",
    ],
)
def test_refuses_half_a_reference_and_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ValueError, match="reference") as refused:
        parse_secret(text)
    assert text.split(":")[1].strip("}") == "" or text[2:-1] not in str(refused.value)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "plain", "$", "${", "${no colon}", "a${env:X}", "${env:X}b"])
def test_takes_everything_else_as_it_is(text: str) -> None:
    assert parse_secret(text) == text


def test_an_escaped_one_is_a_secret() -> None:
    assert parse_secret("$${env:X}") == "${env:X}"


@given(st.text())
def test_a_text_is_never_changed_in_silence(text: str) -> None:
    try:
        found = parse_secret(text)
    except ValueError:
        return
    assert str(found) == (text[1:] if text.startswith("$${") else text)


def test_a_bad_reference_is_refused_with_its_field_when_it_is_saved() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"at `\$\.secret_access_key`"):
        decode_config({"bucket": "lake", "secret_access_key": "${vault:x}"}, S3Config)


def test_references_are_found_among_the_secrets_only() -> None:
    config = S3Config(
        bucket="lake", access_key_id="${env:NO}", secret_access_key="${env:YES}"
    )  # fmt: skip
    assert secret_references(config) == {
        "secret_access_key": SecretReference(SecretScheme.ENV, "YES")
    }
