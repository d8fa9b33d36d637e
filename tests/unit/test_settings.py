"""Settings: every mistake is named by its path."""

from pathlib import Path

import pytest

from dtaas.model.errors import SettingsError
from dtaas.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "config" / "dtaas.example.toml"


def test_the_example_holds_every_key_with_its_default():
    text = EXAMPLE.read_text()
    assert load_settings(EXAMPLE, environ={}) == Settings()
    for section in Settings.__struct_fields__:
        for key in getattr(Settings(), section).__struct_fields__:
            assert f"\n{key} = " in text


def test_the_environment_wins(tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text("[api]\nport = 1\n")
    environ = {"DTAAS_API__PORT": "9000", "DTAAS_API__CORS_ORIGINS": "http://a, http://b"}
    settings = load_settings(file, environ=environ)
    assert settings.api.port == 9000
    assert settings.api.cors_origins == ("http://a", "http://b")


def test_all_mistakes_are_named_at_once(tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text('[api]\nport = 70000\nhots = "x"\n[log]\nlevel = "loud"\n[nope]\na = 1\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(file, environ={"DTAAS_DAEMON__SHUTDOWN_GRACE_S": "soon"})
    for path in ("$.api.port", "$.api.hots", "$.log.level", "$.nope", "$.daemon.shutdown_grace_s"):
        assert path in caught.value.detail


def test_a_number_as_text_is_refused_in_the_file(tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text("[api]\nport = true\n")
    with pytest.raises(SettingsError, match=r"\$\.api\.port"):
        load_settings(file, environ={})


@pytest.mark.parametrize("text", ["[api", "a = ", "\xff"])
def test_bad_toml_names_the_file(tmp_path: Path, text: str):
    file = tmp_path / "bad.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"bad\.toml is not valid TOML"):
        load_settings(file, environ={})


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="Cannot read"):
        load_settings(tmp_path / "none.toml", environ={})


def test_data_folder_and_socket_follow_systemd(tmp_path: Path):
    settings = Settings()
    environ = {"STATE_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": "/run/dtaas"}
    assert settings.data_dir(environ) == tmp_path
    assert settings.admin_socket(environ) == Path("/run/dtaas/admin.sock")
    assert settings.admin_socket({}) == Path(".dtaas/admin.sock").absolute()
