"""Where a contestant reads and writes, and its clock."""

import resource
import threading
import time
from dataclasses import dataclass

import psutil

from dtaas.connectors.sqlserver.driver import find_driver


@dataclass
class Race:
    """The servers of a race, and what is measured of one run.

    Attributes:
        peak_bytes: largest resident memory of this process since `begin`.
    """

    port: int
    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    peak_bytes: int = 0

    def begin(self) -> None:
        """Start the clock, again if it ran."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(self._ended,), daemon=True)
        self._thread.start()
        self._cpu_s = _cpu_s()
        self._began = time.perf_counter()

    def end(self) -> tuple[float, float]:
        """Stop the clock; return wall and CPU seconds."""
        took = time.perf_counter() - self._began, _cpu_s() - self._cpu_s
        self._ended.set()
        self._thread.join()
        return took

    def boto3(self) -> dict[str, str]:
        """Return arguments of `boto3.client("s3", …)`."""
        return {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": "us-east-1",
        }

    def upload(self, path: str, name: str) -> None:
        """Upload a file as one would."""
        import boto3  # noqa: PLC0415 - the contestants that use it imported it before the clock

        client = boto3.client("s3", **self.boto3())
        client.upload_file(path, self.bucket, f"{name}/{time.time_ns()}.parquet")

    def odbc(self) -> str:
        """Return the connection string for Microsoft's driver."""
        return (
            f"Driver={{{find_driver()}}};Server=127.0.0.1,{self.port};Database=bench;"
            "UID=sa;PWD=bench;Encrypt=no;TrustServerCertificate=yes"
        )

    def _look(self, ended: threading.Event) -> None:
        process = psutil.Process()
        while not ended.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
