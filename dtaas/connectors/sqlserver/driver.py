"""Finds Microsoft's ODBC driver: the one named, else the one in the wheel, else a system one."""

import ctypes
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from dtaas.connectors.sqlserver.odbc import SYSTEM_LIBRARIES_HINT, pyodbc
from dtaas.model.errors import DriverMissingError

_INSTALL_HINT = (
    "Install the Python package mssql-python-odbc, or Microsoft's ODBC Driver 18 for SQL Server: "
    "apt-get install msodbcsql18"
)
_FAMILIES = {
    "alpine": "alpine",
    "debian": "debian_ubuntu",
    "ubuntu": "debian_ubuntu",
    "rhel": "rhel",
    "fedora": "rhel",
    "centos": "rhel",
    "suse": "suse",
    "opensuse": "suse",
    "sles": "suse",
}
"""From the words of ID and ID_LIKE in os-release to the wheel's folder names."""
_MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


def find_driver(explicit: str = "") -> str:
    """Return what to put behind `Driver=`: the path of a library or a registered name.

    Args:
        explicit: path or registered name set by the user; used as it is when a path exists.

    Raises:
        DriverMissingError: there is none, or it cannot be loaded.
    """
    if explicit:
        return _loadable(Path(explicit)) if "/" in explicit else explicit
    for path in _wheel_drivers(_wheel_libraries(), family_of(_os_release()), machine()):
        return _loadable(path)
    for name in registered_drivers(pyodbc.drivers()):
        return name
    raise DriverMissingError("No ODBC driver for SQL Server is installed.", hint=_INSTALL_HINT)


def family_of(os_release: Mapping[str, str]) -> str:
    """Return the wheel's folder for a Linux distribution; Debian's when it is not known."""
    words = f"{os_release.get('ID', '')} {os_release.get('ID_LIKE', '')}".lower()
    for word in words.replace("-", " ").split():
        if word in _FAMILIES:
            return _FAMILIES[word]
    return "debian_ubuntu"


def machine() -> str:
    """Return the processor as the wheel's folders spell it."""
    name = platform.machine().lower()
    return _MACHINES.get(name, name)


def registered_drivers(names: Iterable[str]) -> list[str]:
    """Return Microsoft's drivers among the registered ones, newest first."""
    ours = [n for n in names if n.startswith("ODBC Driver ") and n.endswith(" for SQL Server")]
    return sorted(ours, key=lambda name: int(name.split()[2]), reverse=True)


def _os_release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:  # not a Linux with os-release
        return {}


def _wheel_libraries() -> Path | None:
    spec = find_spec("mssql_python_odbc")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "libs"


def _wheel_drivers(libraries: Path | None, family: str, cpu: str) -> Iterator[Path]:
    """Yield the wheel's drivers that fit, best first; other glibc families are a fallback."""
    if libraries is None:
        return
    families = [family] if family == "alpine" else [family, "debian_ubuntu", "rhel"]
    for name in families:
        yield from sorted((libraries / "linux" / name / cpu / "lib").glob("libmsodbcsql-*.so*"))
    yield from sorted((libraries / "macos" / cpu / "lib").glob("libmsodbcsql*.dylib"))


def _loadable(path: Path) -> str:
    """Return the path once the library and all it needs have been loaded."""
    try:
        ctypes.CDLL(str(path))
    except OSError as exc:  # the driver manager would only say "file not found"
        raise DriverMissingError(
            f"The ODBC driver {path} cannot be loaded: {exc}.", hint=SYSTEM_LIBRARIES_HINT
        ) from exc
    return str(path)
