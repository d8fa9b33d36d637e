"""What one would write by hand: rows from pyodbc, Parquet by pyarrow, upload by boto3."""

import os
import tempfile

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pyodbc

QUERY = "SELECT id, customer, amount, weight, paid, ordered, changed, name, note, ref FROM orders"
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("customer", pa.int32()),
        ("amount", pa.decimal128(18, 4)),
        ("weight", pa.float64()),
        ("paid", pa.bool_()),
        ("ordered", pa.date32()),
        ("changed", pa.timestamp("ms")),
        ("name", pa.string()),
        ("note", pa.string()),
        ("ref", pa.string()),
    ]
)


def move(connection_string: str, s3: dict[str, str], bucket: str, key: str) -> int:
    """Copy the table into one Parquet object; return its rows."""
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "orders.parquet")  # noqa: PTH118 - as one would write it
        cursor = pyodbc.connect(connection_string).cursor()
        cursor.execute(QUERY)
        with pq.ParquetWriter(path, SCHEMA) as writer:
            while rows := cursor.fetchmany(10_000):
                columns = zip(*rows, strict=True)
                arrays = [
                    pa.array(values, field.type)
                    for values, field in zip(columns, SCHEMA, strict=True)
                ]
                writer.write_table(pa.table(arrays, schema=SCHEMA))
                total += len(rows)
        boto3.client("s3", **s3).upload_file(path, bucket, key)
    return total
