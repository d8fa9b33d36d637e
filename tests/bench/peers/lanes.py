"""The contestants: each tool's command for a copy of the table to a folder or to S3."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from dtaas.connectors.sqlserver.driver import find_driver
from tests.bench.peers.install import ENVIRONMENT, binary

QUERY = "SELECT id, customer, amount, weight, paid, ordered, changed, name, note, ref FROM orders"


class Place(Struct, frozen=True, kw_only=True):
    """Where a run reads and writes.

    Attributes:
        folder: empty, for the tool's settings and, without S3, for what it writes.
        endpoint: S3; '' for the folder.
    """

    port: int
    folder: Path
    endpoint: str = ""
    bucket: str = "bench"
    access_key: str = "bench"
    secret_key: str = "bench-secret"

    @property
    def prefix(self) -> str:
        """Where in the bucket this run writes."""
        return f"peers/{self.folder.name}"


class Run(Struct, frozen=True):
    """What to start."""

    command: list[str]
    environment: Mapping[str, str] = {}


class Peer(Struct, frozen=True, kw_only=True):
    """One tool.

    Attributes:
        differs: what it does more or less than DTaaS does.
    """

    name: str
    prepare: Callable[[Place], Run | None]
    differs: str


def _rivet(place: Place) -> Run | None:
    program = binary("rivet")
    if program is None:
        return None
    target = f"type: local\n      path: {place.folder / 'out'}"
    if place.endpoint:
        target = (
            f"type: s3\n      bucket: {place.bucket}\n      prefix: {place.prefix}\n"
            f"      region: us-east-1\n      endpoint: {place.endpoint}\n"
            "      access_key_env: AWS_ACCESS_KEY_ID\n      secret_key_env: AWS_SECRET_ACCESS_KEY"
        )
    config = place.folder / "rivet.yaml"
    config.write_text(
        f"""source:
  type: mssql
  url: sqlserver://sa:bench@127.0.0.1:{place.port}/bench
exports:
  - name: orders
    query: "{QUERY}"
    mode: full
    format: parquet
    compression: zstd
    destination:
      {target}
"""
    )
    return Run([str(program), "run", "--config", str(config)], _credentials(place))


def _ingestr(place: Place) -> Run | None:
    program = binary("ingestr")
    if program is None:
        return None
    options = "TrustServerCertificate=true&encrypt=disable"
    target, table = f"parquet://{place.folder}/orders.parquet", "orders"
    if place.endpoint:
        keys = f"access_key_id={place.access_key}&secret_access_key={place.secret_key}"
        target = f"s3://?{keys}&endpoint_url={place.endpoint}&region=us-east-1"
        table = f"{place.bucket}/{place.prefix}"
    return Run(
        [
            str(program), "ingest", "--yes", "--progress", "log",
            "--source-uri", f"mssql://sa:bench@127.0.0.1:{place.port}/bench?{options}",
            "--source-table", "dbo.orders",
            "--dest-uri", target, "--dest-table", table,
        ]
    )  # fmt: skip


def _sling(place: Place) -> Run | None:
    program = binary("sling")
    if program is None:
        return None
    target = f"file://{place.folder}/orders.csv"
    environment = {
        "SLING_HOME_DIR": str(place.folder / "home"),
        "SOURCE": f"sqlserver://sa:bench@127.0.0.1:{place.port}/bench?encrypt=disable",
    }
    command = [str(program), "run", "--src-conn", "SOURCE", "--src-stream", QUERY]
    if place.endpoint:
        target = f"{place.prefix}/orders.csv"
        environment["LAKE"] = json.dumps(
            {
                "type": "s3",
                "bucket": place.bucket,
                "access_key_id": place.access_key,
                "secret_access_key": place.secret_key,
                "endpoint": place.endpoint,
            }
        )
        command += ["--tgt-conn", "LAKE"]
    return Run([*command, "--tgt-object", target], environment)


def _library(way: str) -> Callable[[Place], Run | None]:
    """Return what starts a way of `libraries.py`."""

    def prepare(place: Place) -> Run | None:
        python = ENVIRONMENT / "bin" / "python"
        if not python.exists():
            return None
        given: dict[str, Any] = {
            "odbc": f"Driver={find_driver()};Server=127.0.0.1,{place.port};Database=bench;UID=sa;"
            "PWD=bench;Encrypt=no;TrustServerCertificate=yes",
            "url": f"mssql://sa:bench@127.0.0.1:{place.port}/bench"
            "?encrypt=false&trust_server_certificate=true",
            "query": QUERY,
            "folder": str(place.folder),
            "bucket": place.bucket if place.endpoint else "",
            "prefix": place.prefix,
            "endpoint": place.endpoint,
        }
        script = Path(__file__).with_name("libraries.py")
        command = [str(python.absolute()), str(script), way, json.dumps(given)]
        return Run(command, _credentials(place) | {"DLT_DATA_DIR": str(place.folder / "dlt")})

    return prepare


def _dtaas(place: Place) -> Run | None:
    raise NotImplementedError(f"DTaaS is timed in its daemon, not as a process: {place}")


def _credentials(place: Place) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": place.access_key,
        "AWS_SECRET_ACCESS_KEY": place.secret_key,
        "AWS_REGION": "us-east-1",
    }


OURS = Peer(name="dtaas", prepare=_dtaas, differs="ledger of chunks, manifest, checksums, resume")
PEERS = (
    Peer(
        name="rivet-cli",
        prepare=_rivet,
        differs="manifest and checksums too; a table is one stream, changed is cut to µs",
    ),
    Peer(name="arrow-odbc", prepare=_library("arrow-odbc"), differs="a script on the same driver"),
    Peer(name="pyodbc", prepare=_library("pyodbc"), differs="a script: one file, no resume"),
    Peer(
        name="connectorx",
        prepare=_library("connectorx"),
        differs="a script; holds the whole table; decimals become doubles",
    ),
    Peer(
        name="dlt connectorx",
        prepare=_library("dlt-connectorx"),
        differs="schema evolution, state; extracts, normalises, loads",
    ),
    Peer(
        name="ingestr",
        prepare=_ingestr,
        differs="adds a load time; one file",
    ),
    Peer(name="dlt pyarrow", prepare=_library("dlt-pyarrow"), differs="as above"),
    Peer(name="sling", prepare=_sling, differs="writes CSV: Parquet needs a download"),
    Peer(name="dlt sqlalchemy", prepare=_library("dlt-sqlalchemy"), differs="as above"),
)


if __name__ == "__main__":
    sys.exit("run it by make bench-peers")
