"""The contestants for changes: each tool's command for a backlog of a change table to Parquet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.sandbox.sandbox import SA_PASSWORD
from tests.bench.peers.install import ENVIRONMENT, binary
from tests.bench.peers.lanes import Run

INSTANCE = "dbo_orders"


class ChangePlace(Struct, frozen=True, kw_only=True):
    """Where a run reads and writes.

    Attributes:
        folder: empty, for what it writes.
        state: what the tool knows of the time before the backlog.
        want: changes that must come.
    """

    port: int
    folder: Path
    state: Path
    want: int = 0


Prepare = Callable[[ChangePlace], Run | None]


class ChangePeer(Struct, frozen=True, kw_only=True):
    """One tool.

    Attributes:
        stands: notes where the log stands before there are changes; None where none is needed.
        reason: why it cannot run, '' when it can.
    """

    name: str
    differs: str
    prepare: Prepare
    stands: Prepare | None = None
    reason: str = ""


def _rivet(place: ChangePlace) -> Run | None:
    program = binary("rivet")
    if program is None:
        return None
    return Run(
        [
            str(program), "cdc", "--table", "orders", "--capture-instance", INSTANCE,
            "--source", f"sqlserver://sa:{SA_PASSWORD}@127.0.0.1:{place.port}/bench",
            "--output", str(place.folder / "out"), "--format", "parquet",
        ]
    )  # fmt: skip


def _script(name: str, *words: str) -> Prepare:
    """Return what starts a script in the peers' environment."""

    def prepare(place: ChangePlace) -> Run | None:
        python = ENVIRONMENT / "bin" / "python"
        if not python.exists():
            return None
        given: dict[str, Any] = {
            "port": place.port,
            "password": SA_PASSWORD,
            "folder": str(place.folder),
            "state": str(place.state),
            "want": place.want,
            "odbc": f"Driver={find_driver()};Server=127.0.0.1,{place.port};Database=bench;UID=sa;"
            f"PWD={SA_PASSWORD};Encrypt=no;TrustServerCertificate=yes",
        }
        script = str(Path(__file__).with_name(name))
        command = [str(python.absolute()), script, *words, json.dumps(given)]
        return Run(command)

    return prepare


def _nothing(place: ChangePlace) -> Run | None:
    raise NotImplementedError(f"this one is not run as a process: {place}")


OURS = ChangePeer(
    name="dtaas",
    prepare=_nothing,
    differs="follows for ever; position durable with the data; commit times; gaps seen",
)
PEERS = (
    ChangePeer(
        name="rivet-cli",
        prepare=_rivet,
        differs="one pass to the log's end, then exits; no commit times",
    ),
    ChangePeer(
        name="pyodbc",
        prepare=_script("libraries.py", "changes"),
        differs="a script: one file, no position",
    ),
    ChangePeer(
        name="debezium",
        prepare=_script("debezium.py"),
        stands=_script("debezium.py"),
        differs="a JSON text a change, before and after; a handler of one's own writes them",
    ),
    ChangePeer(
        name="ingestr",
        prepare=_nothing,
        differs="",
        reason="it merges changes only, and refuses Parquet: 'merge strategy is not supported for "
        "Parquet destination', 'incremental-strategy \"append\" is not supported for SQL Server "
        "CDC'; its DuckDB driver is a download",
    ),
)
