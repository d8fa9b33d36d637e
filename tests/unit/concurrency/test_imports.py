"""Libraries are read in a thread when they are needed, not before and not on the event loop."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dtaas.concurrency.imports import imported

_LAZY = ("arrow_odbc", "sqlglot", "deltalake", "snowflake.connector", "alembic", "arro3.io")
_BUILD = """
import json, sys, threading
import anyio
from dtaas.connectors.registry import Registry
from dtaas.model.connectors import *

registry = Registry()
CONFIGS = {
    "sqlserver": SqlServerConfig(host="h", database="d", username="u", password="p"),
    "s3": S3Config(bucket="lake", access_key_id="AKIA", secret_access_key="s"),
    "file": FileConfig(path="/nowhere"),
    "delta_file": DeltaFileConfig(path="/nowhere"),
}

async def main(kind):
    config = CONFIGS[kind]
    role = ConnectorRole.SOURCE if kind == "sqlserver" else ConnectorRole.DESTINATION
    await registry.import_driver(config)
    before = set(sys.modules)
    connector = Connector(
        id=1, name="c", role=role, kind=kind, config=config, is_active=True,
        description="", created_at=NOW, updated_at=NOW,
    )
    if kind == "sqlserver":
        registry.source(connector)
        registry.change_source(connector)
        registry.watermark_source(connector)
    else:
        registry.destination(connector, task_name="t", database="d")
    print(json.dumps(sorted(set(sys.modules) - before)))

import datetime
NOW = datetime.datetime.now(datetime.UTC)
anyio.run(main, sys.argv[1])
"""


def run(code: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_a_daemon_starts_without_what_only_some_need() -> None:
    code = (
        f"import dtaas.daemon, json, sys; print(json.dumps([*set({_LAZY!r}) & set(sys.modules)]))"
    )
    assert run(code) == []


@pytest.mark.parametrize("kind", ["sqlserver", "s3", "file", "delta_file"])
def test_building_a_connector_imports_nothing_more(kind: str) -> None:
    assert run(_BUILD, kind) == []


async def test_a_module_is_imported_once_and_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_driver.py").write_text(
        "import threading\nTHREAD = threading.get_ident()\n", encoding="ascii"
    )
    await imported("slow_driver")
    found = sys.modules.pop("slow_driver")
    assert threading.get_ident() != found.THREAD
    await imported("slow_driver")  # it was here: nothing is looked for again
    assert "slow_driver" not in sys.modules


async def test_what_is_not_installed_is_left_to_who_needs_it() -> None:
    await imported("no_such_driver_of_ours")
    with pytest.raises(ModuleNotFoundError):
        __import__("no_such_driver_of_ours")
