import msgspec
import pytest

from dtaas.model.connectors import ENDPOINT_FIELDS, S3Config, SqlServerConfig
from dtaas.model.errors import SecretRequiredError, ValidationFailedError
from dtaas.services.connection_config import changed_config, new_config, only_secrets_differ
from dtaas.services.refusal import refusal

STORED = SqlServerConfig(host="db", database="shop", username="reader", password="pw")
GIVEN = {"host": "db", "database": "shop", "username": "reader"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({**GIVEN, "port": "1433"}, "$.connection_config.port"),
        ({**GIVEN, "port": 70_000}, "$.connection_config.port"),
        ({**GIVEN, "colour": "red"}, "$.connection_config.colour"),
        ({"database": "shop", "username": "reader"}, "$.connection_config.host"),
        ({**GIVEN, "password": None}, "$.connection_config.password"),
        ({**GIVEN, "encrypt": "maybe"}, "$.connection_config.encrypt"),
    ],
)
def test_a_mistake_is_named_by_its_path(data, field):
    with pytest.raises(ValidationFailedError) as caught:
        new_config(data, SqlServerConfig)
    assert caught.value.field == field
    assert field in caught.value.detail


def test_a_path_inside_a_list_is_kept():
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert([{"b": "x"}], list[dict[str, int]])
    assert refusal(caught.value, at="$.tables").field == "$.tables[0][...]"


def test_a_secret_left_out_keeps_its_value():
    changed = changed_config(STORED, {**GIVEN, "database": "shop2"})
    assert changed == msgspec.structs.replace(STORED, database="shop2")


def test_a_secret_given_replaces_and_an_empty_one_clears():
    for secret in ("new", ""):
        changed = changed_config(STORED, {**GIVEN, "password": secret})
        assert isinstance(changed, SqlServerConfig)
        assert changed.password == secret


@pytest.mark.parametrize(
    "change",
    [{"host": "evil"}, {"port": 1434}, {"encrypt": "no"}, {"trust_server_certificate": True}],
)
def test_another_endpoint_demands_the_secret_again(change):
    assert set(change) <= ENDPOINT_FIELDS
    with pytest.raises(SecretRequiredError) as caught:
        changed_config(STORED, {**GIVEN, **change})
    assert caught.value.field == "$.connection_config.password"
    assert changed_config(STORED, {**GIVEN, **change, "password": "pw"})


def test_every_stored_secret_is_demanded():
    stored = S3Config(
        bucket="lake", access_key_id="id", secret_access_key="key", session_token="token"
    )
    data = {"bucket": "lake", "access_key_id": "id", "endpoint_url": "http://evil"}
    with pytest.raises(SecretRequiredError) as caught:
        changed_config(stored, {**data, "secret_access_key": "key"})
    assert caught.value.field == "$.connection_config.session_token"
    assert changed_config(stored, {**data, "secret_access_key": "key", "session_token": "t"})


def test_without_a_stored_secret_the_endpoint_may_change():
    stored = msgspec.structs.replace(STORED, password="")
    changed = changed_config(stored, {**GIVEN, "host": "other"})
    assert isinstance(changed, SqlServerConfig)
    assert changed.host == "other"


def test_secrets_alone_do_not_move_a_connection():
    assert only_secrets_differ(STORED, msgspec.structs.replace(STORED, password="other"))
    assert not only_secrets_differ(STORED, msgspec.structs.replace(STORED, database="other"))
