"""The package where nothing can compile: it installs, reads through ODBC, and says so.

`.ci/wheels` proves the other way, a compiler from the package index, which is too large for a test.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "web_dist", "node_modules", "*.so", ".*")


def _sources(folder: Path) -> Path:
    """Copy what a source distribution holds."""
    for name in ("dtaas", "web"):
        shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_without_any_compiler_a_pure_wheel_is_built_that_says_it_reads_through_odbc(tmp_path):
    sources = _sources(tmp_path / "sources")
    bare = {**os.environ, "PATH": str(tmp_path / "nothing"), "DTAAS_UI": "skip"}

    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=sources, env=bare, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "no native reader, tables are read through ODBC" in built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    installed = tmp_path / "installed"
    with ZipFile(wheel) as packed:
        packed.extractall(installed)
    environment = {**bare, "PYTHONPATH": str(installed)}
    said = subprocess.run(
        [sys.executable, "-m", "dtaas", "version", "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(said.stdout)["reader"] == (
        "odbc (this installation was built without a C compiler)"
    )
