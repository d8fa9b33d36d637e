"""arrow-odbc to one Parquet file with pyarrow's defaults, then boto3."""

import tempfile

import arrow_odbc
import boto3  # noqa: F401 - imported before the clock
import pyarrow.parquet as pq

from tests.bench.race import Race
from tests.bench.straightforward import QUERY


def prepare(race: Race):
    def run() -> int:
        reader = arrow_odbc.read_arrow_batches_from_odbc(
            QUERY, connection_string=race.odbc(), max_bytes_per_batch=8 << 20
        )
        rows = 0
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            with pq.ParquetWriter(file.name, reader.schema) as writer:
                for batch in reader:
                    rows += batch.num_rows
                    writer.write_batch(batch)
            race.upload(file.name, "arrow-odbc")
        return rows

    return run
