"""Build hook: compiles the native decoder and builds the web page; a package lives without either.

Without a C compiler tables are read through ODBC; without Node the daemon serves its API only.
"""

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = tuple(
    f"dtaas/tds/{part}.c" for part in ("stream", "batch", "blocks", "receive", "text", "values")
)
LIBRARY = "dtaas/tds/_decoder.so"
FLAGS = (
    *("-std=c17", "-O3", "-flto", "-Wall", "-Wextra"),
    *("-fPIC", "-shared", "-pthread", "-fvisibility=hidden"),
)


class CompileDecoder(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the compiled decoder beside its source, for wheels and editable installs alike.

    It is plain C behind ctypes: one library serves every Python of the machine.
    """

    def dependencies(self) -> list[str]:
        """Return what to install first: a compiler from the package index where there is none."""
        compiler = [] if system_compiler() else ["ziglang"]
        page = page_builder(Path(self.root))
        has_node = page.skipped() or page.node_command()
        return compiler if has_node else [*compiler, page.FROM_INDEX]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and mark the wheel as made for this platform; put the page into both kinds."""
        if version != "editable":  # a working copy builds its own, in `make setup`
            if page_builder(Path(self.root)).main("build"):
                raise SystemExit(1)
            build_data["artifacts"].append("/dtaas/web_dist")
        if self.target_name != "wheel" or not compiled(Path(self.root)):
            return
        build_data["artifacts"].append(f"/{LIBRARY}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def page_builder(root: Path) -> Any:
    """Return the module that builds the page; it lies with the page's sources."""
    spec = importlib.util.spec_from_file_location("dtaas_page", root / "web" / "build.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("web/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def system_compiler() -> list[str]:
    """Return the command of the system's C compiler, empty without one."""
    found = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    return [found] if found else []


def compiled(root: Path) -> bool:
    """Compile the library; say why and go on without it when that fails."""
    compiler = system_compiler() or [sys.executable, "-m", "ziglang", "cc"]
    library = root / LIBRARY
    library.unlink(missing_ok=True)
    command = [*compiler, *FLAGS, *(str(root / s) for s in SOURCES), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as exc:
        problem = str(exc)
    else:
        problem = "" if done.returncode == 0 else done.stderr.strip() or "the compiler failed"
    if problem:
        print(f"dtaas: no native reader, tables are read through ODBC: {problem}", file=sys.stderr)  # noqa: T201
    return not problem
