"""What one would write with a library; runs in the peers' environment, without DTaaS.

Usage: libraries.py WAY JSON, where JSON says where to read and to write.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

BATCH = 65_536


def upload(given: dict[str, Any], path: Path) -> None:
    """Send a file to S3, when that is asked for."""
    if given["endpoint"]:
        import boto3

        client = boto3.client("s3", endpoint_url=given["endpoint"], region_name="us-east-1")
        client.upload_file(str(path), given["bucket"], f"{given['prefix']}/{path.name}")


def with_pyodbc(given: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyodbc

    kinds = (
        pa.int64(), pa.int32(), pa.decimal128(18, 4), pa.float64(), pa.bool_(), pa.date32(),
        pa.timestamp("ms"), pa.string(), pa.string(), pa.string(),
    )  # fmt: skip
    path = Path(given["folder"], "orders.parquet")
    cursor = pyodbc.connect(given["odbc"]).cursor()
    cursor.execute(given["query"])
    schema = pa.schema([(d[0], k) for d, k in zip(cursor.description, kinds, strict=True)])
    with pq.ParquetWriter(path, schema) as writer:
        while rows := cursor.fetchmany(10_000):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(c, k) for c, k in zip(columns, kinds, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))
    upload(given, path)


def changes_with_pyodbc(given: dict[str, Any]) -> None:
    """Read a change table in the order of the log."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyodbc

    cursor = pyodbc.connect(given["odbc"]).cursor()
    cursor.execute(
        "SELECT ct.*, m.tran_end_time FROM cdc.dbo_orders_CT AS ct JOIN cdc.lsn_time_mapping AS m"
        " ON m.start_lsn = ct.[__$start_lsn] WHERE ct.[__$start_lsn] <= sys.fn_cdc_get_max_lsn()"
        " ORDER BY ct.[__$start_lsn], ct.[__$command_id], ct.[__$seqval], ct.[__$operation]"
    )
    names = [column[0] for column in cursor.description]
    writer = None
    while rows := cursor.fetchmany(10_000):
        columns = [pa.array(values) for values in zip(*rows, strict=True)]
        table = pa.table(dict(zip(names, columns, strict=True)))
        if writer is None:
            writer = pq.ParquetWriter(Path(given["folder"], "orders.parquet"), table.schema)
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()


def with_arrow_odbc(given: dict[str, Any]) -> None:
    import arrow_odbc
    import pyarrow.parquet as pq

    path = Path(given["folder"], "orders.parquet")
    reader = arrow_odbc.read_arrow_batches_from_odbc(
        query=given["query"],
        connection_string=given["odbc"],
        batch_size=BATCH,
        max_bytes_per_batch=8 << 20,
        fetch_concurrently=True,
    )
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
    upload(given, path)


def with_connectorx(given: dict[str, Any]) -> None:
    import connectorx
    import pyarrow.parquet as pq

    path = Path(given["folder"], "orders.parquet")
    table = connectorx.read_sql(given["url"], given["query"], return_type="arrow")
    pq.write_table(table, path, compression="zstd")
    upload(given, path)


def with_dlt(given: dict[str, Any], backend: str) -> None:
    import dlt
    import sqlalchemy as sa
    from dlt.destinations import filesystem
    from dlt.sources.sql_database import sql_table

    kinds = (
        sa.BigInteger, sa.Integer, sa.Numeric(18, 4), sa.Float, sa.Boolean, sa.Date, sa.DateTime,
        sa.Unicode(50), sa.String(100), sa.String(36),
    )  # fmt: skip
    names = given["query"].removeprefix("SELECT ").partition(" FROM ")[0].split(", ")
    metadata = sa.MetaData()
    sa.Table("orders", metadata, *map(sa.Column, names, kinds))
    engine = sa.create_engine(sa.URL.create("mssql+pyodbc", query={"odbc_connect": given["odbc"]}))
    url, credentials = f"file://{given['folder']}/out", None
    if given["endpoint"]:
        url = f"s3://{given['bucket']}/{given['prefix']}"
        credentials = {
            "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "endpoint_url": given["endpoint"],
            "region_name": "us-east-1",
        }
    more = {"backend_kwargs": {"conn": given["url"]}} if backend == "connectorx" else {}
    table = sql_table(engine, "orders", metadata=metadata, backend=backend, **more)
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(Path(given["folder"], "dlt")),
        destination=filesystem(bucket_url=url, credentials=credentials),
        dataset_name="bench",
    )
    pipeline.run(table, loader_file_format="parquet").raise_on_failed_jobs()


def main() -> None:
    """Do what the command line names."""
    way, given = sys.argv[1], json.loads(sys.argv[2])
    if way.startswith("dlt-"):
        with_dlt(given, way.removeprefix("dlt-"))
    else:
        ways = {
            "pyodbc": with_pyodbc,
            "arrow-odbc": with_arrow_odbc,
            "connectorx": with_connectorx,
            "changes": changes_with_pyodbc,
        }
        ways[way](given)


if __name__ == "__main__":
    main()
