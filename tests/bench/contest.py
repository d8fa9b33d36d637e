"""One contestant, once, in a process of its own: timed from first query to last object.

Imports are made before the clock starts. Prints one JSON object.
"""

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import anyio
import arrow_odbc
import boto3
import connectorx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from dtaas.connectors.lake.destination import LakeDestination

from dtaas.concurrency.bus import EventBus
from dtaas.connectors.registry import Registry
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.engine.execution import Workshop
from dtaas.engine.supervisor import Supervisor
from dtaas.model.connectors import ConnectorRole, S3Config, SqlServerConfig
from dtaas.model.events import ExecutionChanged
from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, TaskSpec, TaskStatus
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.store import open_store
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME
from tests.bench.straightforward import QUERY, move

BUCKET = "bench"
_IMPORTED = (LakeDestination, SqlServerSource)  # before the clock, as for the others


class Peak:
    """The largest resident memory of this process while the block runs, in bytes."""

    def __enter__(self) -> Self:
        self._process = psutil.Process()
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            self.bytes = max(self.bytes, self._process.memory_info().rss)


def s3_client(endpoint: str, access_key: str, secret_key: str) -> dict[str, str]:
    return {
        "endpoint_url": endpoint,
        "aws_access_key_id": access_key,
        "aws_secret_access_key": secret_key,
        "region_name": "us-east-1",
    }


def odbc(port: int) -> str:
    return (
        f"Driver={{{find_driver()}}};Server=127.0.0.1,{port};Database=bench;"
        "UID=sa;PWD=bench;Encrypt=yes;TrustServerCertificate=yes"
    )


def pyodbc_way(a: argparse.Namespace) -> int:
    s3 = s3_client(a.endpoint, a.access_key, a.secret_key)
    return move(odbc(a.port), s3, BUCKET, f"pyodbc/{time.time_ns()}.parquet")


def arrow_odbc_way(a: argparse.Namespace) -> int:
    reader = arrow_odbc.read_arrow_batches_from_odbc(
        QUERY, connection_string=odbc(a.port), max_bytes_per_batch=8 << 20
    )
    rows = 0
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        with pq.ParquetWriter(file.name, reader.schema) as writer:
            for batch in reader:
                rows += batch.num_rows
                writer.write_batch(batch)
        _upload(a, file.name, "arrow-odbc")
    return rows


def connectorx_way(a: argparse.Namespace) -> int:
    url = f"mssql://sa:bench@127.0.0.1:{a.port}/bench?encrypt=true&trust_server_certificate=true"
    table: pa.Table = connectorx.read_sql(url, QUERY, return_type="arrow")
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        pq.write_table(table, file.name)
        _upload(a, file.name, "connectorx")
    return table.num_rows


def _upload(a: argparse.Namespace, path: str, name: str) -> None:
    client = boto3.client("s3", **s3_client(a.endpoint, a.access_key, a.secret_key))
    client.upload_file(path, BUCKET, f"{name}/{time.time_ns()}.parquet")


def dtaas_way(a: argparse.Namespace) -> int:
    """The daemon's own engine and store, as a task runs there."""
    return anyio.run(_dtaas, a)


async def _dtaas(a: argparse.Namespace) -> int:
    registry, bus = Registry(), EventBus()
    with tempfile.TemporaryDirectory() as folder:
        async with open_store("", data_dir=Path(folder), registry=registry) as store:
            workshop = Workshop(
                store=store.engine, ledger=store.loads, bus=bus, uniform=lambda low, _high: low
            )
            supervisor = Supervisor(workshop, registry, shutdown_grace_s=5)
            source = await store.connectors.create(
                ConnectorDraft(
                    name="source",
                    role=ConnectorRole.SOURCE,
                    kind="sqlserver",
                    config=SqlServerConfig(
                        host="127.0.0.1",
                        port=a.port,
                        database="bench",
                        username="sa",
                        password="bench",
                        trust_server_certificate=True,
                    ),
                )
            )
            target = await store.connectors.create(
                ConnectorDraft(
                    name="target",
                    role=ConnectorRole.DESTINATION,
                    kind="s3",
                    config=S3Config(
                        bucket=BUCKET,
                        prefix=f"dtaas/{time.time_ns()}/{{table}}",
                        endpoint_url=a.endpoint,
                        access_key_id=a.access_key,
                        secret_access_key=a.secret_key,
                    ),
                )
            )
            spec = TaskSpec(
                name="bench",
                source_connector_id=source.id,
                destination_connector_id=target.id,
                source_tables=(TableRef(SCHEMA_NAME, TABLE_NAME),),
            )
            task = await store.tasks.create(spec)
            with bus.subscribe() as feed:
                async with anyio.create_task_group() as group:
                    await group.start(supervisor.serve)
                    await store.engine.set_status(
                        task.id, TaskStatus.QUEUED, desired=DesiredState.RUNNING
                    )
                    await supervisor.wake(task.id)
                    while True:
                        for event in (await feed.take()).events:
                            if (
                                isinstance(event, ExecutionChanged)
                                and event.execution.status is not ExecutionStatus.RUNNING
                            ):
                                assert event.execution.error_message is None, event.execution
                                group.cancel_scope.cancel()
                                return event.execution.processed_rows


WAYS: dict[str, Callable[[argparse.Namespace], int]] = {
    "dtaas": dtaas_way,
    "pyodbc": pyodbc_way,
    "arrow-odbc": arrow_odbc_way,
    "connectorx": connectorx_way,
}


def main() -> None:
    """Run the contestant the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--access-key", required=True)
    parser.add_argument("--secret-key", required=True)
    arguments = parser.parse_args()
    with Peak() as peak:
        used = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        rows = WAYS[arguments.way](arguments)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "way": arguments.way,
        "rows": rows,
        "seconds": seconds,
        "cpu_s": after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime,
        "peak_mb": peak.bytes / 1e6,
    }
    print(json.dumps(result))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
