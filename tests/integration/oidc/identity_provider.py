"""A real identity provider, the npm package oidc-provider, as a process on loopback."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLIENT_ID, CLIENT_SECRET = "dtaas", "Ge-Heim-4711"
_SOURCES = Path(__file__).parent / "provider"
_CACHE = Path(__file__).parents[3] / ".pytest_cache" / "oidc-provider"
_NPM_LIMIT_S = 240


@contextmanager
def identity_provider(base: str) -> Iterator[str]:
    """Run it for a daemon whose page is at `base`, as provider `corp`; yields its own address."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("npm is not installed, so there is no identity provider to log in at")
    callback = f"{base}/api/auth/oidc/corp/callback"
    with subprocess.Popen(
        [node, "provider.mjs", callback, CLIENT_ID, CLIENT_SECRET],
        cwd=_installed(npm),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["issuer"]
        finally:
            process.terminate()


def _installed(npm: str) -> Path:
    """Return a folder with the provider and what it needs; one process at a time installs it."""
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    with _CACHE.with_suffix(".lock").open("w") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        return _install(npm)


def _install(npm: str) -> Path:
    lock = (_SOURCES / "package-lock.json").read_bytes()
    done = _CACHE / "installed.lock"
    if not done.exists() or done.read_bytes() != lock:
        shutil.rmtree(_CACHE, ignore_errors=True)
        _CACHE.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_SOURCES / name, _CACHE / name)
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=_CACHE,
            check=True,
            capture_output=True,
            timeout=_NPM_LIMIT_S,
        )
        done.write_bytes(lock)
    shutil.copy(_SOURCES / "provider.mjs", _CACHE / "provider.mjs")
    return _CACHE
