"""Do source and destination hold the same? Read by connectors of the test's own."""

from dtaas.cli.demo_verify import Proof, prove
from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import ACCESS_KEY, BUCKET, DATABASE, SA_PASSWORD, SECRET_KEY, Sandbox


async def compare(servers: Sandbox, prefix: str, *tables: TableRef) -> Proof:
    """Compare tables loaded to S3 below `prefix` (the connector's template)."""
    source = {
        "name": "proof",
        "connector_type": "source",
        "source_type": "sqlserver",
        "connection_config": {
            "host": servers.sqlserver.host,
            "port": servers.sqlserver.port,
            "database": DATABASE,
            "username": "sa",
            "password": SA_PASSWORD,
            "trust_server_certificate": True,
        },
    }
    target = {
        "name": "proof",
        "connector_type": "destination",
        "destination_type": "s3",
        "connection_config": {
            "bucket": BUCKET,
            "endpoint_url": servers.s3.endpoint_url,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "prefix": prefix,
        },
    }
    return await prove(source, target, tables)
