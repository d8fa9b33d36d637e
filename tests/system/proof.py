"""Do source and destination hold the same? Read by connectors of the test's own."""

from contextlib import aclosing

from msgspec import Struct

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.engine.verification.sides import fingerprint_of, scan_source
from dtaas.model.connectors import S3Config, SqlServerConfig
from dtaas.model.fingerprint import Fingerprinter
from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import ACCESS_KEY, BUCKET, DATABASE, SA_PASSWORD, SECRET_KEY, Sandbox


class Proof(Struct, frozen=True, kw_only=True):
    """Rows at the source over all tables, and what differs by table."""

    rows: int
    differences: dict[str, tuple[str, ...]]

    @property
    def verified(self) -> bool:
        return not self.differences

    def differs(self) -> dict[str, tuple[str, ...]]:
        return self.differences


async def compare(servers: Sandbox, prefix: str, *tables: TableRef) -> Proof:
    """Compare tables loaded to S3 below `prefix` (the connector's template)."""
    source = SqlServerSource(
        SqlServerConfig(
            host=servers.sqlserver.host,
            port=servers.sqlserver.port,
            database=DATABASE,
            username="sa",
            password=SA_PASSWORD,
            trust_server_certificate=True,
        )
    )
    destination = LakeDestination.s3(
        S3Config(
            bucket=BUCKET,
            endpoint_url=servers.s3.endpoint_url,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            prefix=prefix,
        ),
        task_name="",
        database=DATABASE,
    )
    rows, differences = 0, {}
    async with aclosing(source), aclosing(destination):
        for table in tables:
            schema = await source.describe(table)
            figures = Fingerprinter(schema.arrow_schema())
            await scan_source(source, schema, figures.add)
            left = figures.result()
            target = destination.target_of(table, None)
            found = left.differences(await fingerprint_of(destination, target, schema))
            rows += left.rows
            if found:
                differences[str(table)] = found
    return Proof(rows=rows, differences=differences)
