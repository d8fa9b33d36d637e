"""Kinds of targets as a task's destination and as somebody who reads them back."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
from anyio import to_thread
from botocore.config import Config
from botocore.exceptions import ClientError
from deltalake import DeltaTable
from snowflake.connector import aio
from snowflake.connector.errors import ProgrammingError

from dtaas.model.connectors import (
    ConnectionConfig,
    DeltaFileConfig,
    S3Config,
    SnowflakeAuthentication,
    SnowflakeConfig,
    SnowflakeNames,
)
from dtaas.model.schema import TableRef
from dtaas.sandbox.chaos.lake_reader import Fetch, LakeReader
from dtaas.sandbox.seaweed import SeaweedServer
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import Setting

BUCKET = "streams"
Rows = dict[Any, dict[str, Any]]


class Files(Setting):
    """A folder, and what every target has in common."""

    async def rows(self, table: TableRef, key: str = "id") -> Rows:
        """Return the rows of a target by their key; none before it is there."""
        return {row[key]: row for row in self.table(table).state((key,)).values()}

    async def aclose(self) -> None:
        """Close what reads the target back."""


class S3(Files):
    """The same files in a bucket."""

    kind = "s3"
    server: SeaweedServer

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder, database)
        self._readers: dict[TableRef, LakeReader] = {}

    def target(self) -> S3Config:
        return S3Config(
            bucket=BUCKET,
            endpoint_url=self.server.endpoint_url,
            access_key_id=self.server.access_key,
            secret_access_key=self.server.secret_key,
            prefix=f"{self.database.config.database}/{{table}}",
        )

    async def rows(self, table: TableRef, key: str = "id") -> Rows:
        base = f"{self.database.config.database}/{table.name}"
        if table not in self._readers:
            fetch = await to_thread.run_sync(_objects, self.server)
            self._readers[table] = LakeReader(fetch, base)
        state = await to_thread.run_sync(self._readers[table].state, (key,))
        return {row[key]: row for row in state.values()}


class Delta(Files):
    """A Delta Lake table in a folder."""

    kind = "delta_file"
    config_type = DeltaFileConfig

    async def rows(self, table: TableRef, key: str = "id") -> Rows:
        return await to_thread.run_sync(self._rows, table, key)

    def _rows(self, table: TableRef, key: str) -> Rows:
        path = str(self.lake / table.schema / table.name)
        if not DeltaTable.is_deltatable(path):
            return {}
        found: pa.Table = DeltaTable(path).to_pyarrow_dataset().to_table()
        return {row[key]: row for row in found.to_pylist()}


class Snowflake(Files):
    """A table of the emulated Snowflake; the reader logs in once."""

    kind = "snowflake"
    emulator: SnowflakeEmulator
    _session: Any = None

    def target(self) -> ConnectionConfig:
        running = self.emulator
        return SnowflakeConfig(
            account=running.account,
            user=running.user,
            authentication=SnowflakeAuthentication.PASSWORD,
            password=running.password,
            database="TEST",
            schema=f"{self.database.config.database}_{{schema}}",
            metadata_schema=f"{self.database.config.database}_META",
            identifiers=SnowflakeNames.PRESERVE,
            host=running.host,
            port=running.port,
            protocol=running.protocol,
        )

    async def rows(self, table: TableRef, key: str = "id") -> Rows:
        if self._session is None:
            self._session = await aio.connect(**self.emulator.connection, database="TEST")
        cursor = self._session.cursor()
        schema = f"{self.database.config.database}_{table.schema}"
        with suppress(ProgrammingError):  # before the load is published
            await cursor.execute(f'SELECT * FROM "TEST"."{schema}"."{table.name}"')
            names = [column.name for column in cursor.description or ()]
            found = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
            return {row[key]: row for row in found}
        return {}

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


@cache
def _objects(server: SeaweedServer) -> Fetch:
    """Return what fetches objects; its client costs more than many looks."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        config=Config(s3={"addressing_style": "path"}),
    )

    def fetch(key: str) -> bytes | None:
        try:
            data: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey"}:
                return None
            raise
        return data

    return fetch
