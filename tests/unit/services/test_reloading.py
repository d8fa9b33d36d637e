from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dtaas.logs import present_level, set_level
from dtaas.services.reloading import LiveSettings
from dtaas.settings import load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dtaas.toml"
    path.write_text("[api]\nport = 8000\n")
    return path


async def test_a_reload_applies_what_it_can_and_names_the_rest(file: Path) -> None:
    before = present_level()
    live = LiveSettings(load_settings(file, environ={}), lambda: load_settings(file, environ={}))
    file.write_text('[api]\nport = 9000\n[log]\nlevel = "error"\n[retention]\nlogs_days = 7\n')
    try:
        with capture_logs() as told:
            await live.reload()
        assert present_level() == "error"
    finally:
        set_level(before)
    assert (live.now.retention.logs_days, live.now.api.port) == (7, 8000)
    (line,) = [entry for entry in told if entry["event"] == "settings_reloaded"]
    assert line["needs_restart"] == ["api.port"]
    assert set(line["applied"]) == {"log.level", "retention.logs_days"}


@pytest.mark.parametrize("text", ["[api]\nport = 'x'\n", "[api", "[retention]\nlogs_days = 0\n"])
async def test_a_bad_file_keeps_the_old_settings(file: Path, text: str) -> None:
    old = load_settings(file, environ={})
    live = LiveSettings(old, lambda: load_settings(file, environ={}))
    file.write_text(text)
    with capture_logs() as told:
        await live.reload()
    assert live.now is old
    assert [entry["event"] for entry in told] == ["settings_refused"]
