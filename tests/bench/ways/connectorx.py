"""connectorx to one Arrow table in memory, pyarrow's defaults, then boto3."""

import tempfile

import boto3  # noqa: F401 - imported before the clock
import connectorx
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.race import Race
from tests.bench.straightforward import QUERY


def prepare(race: Race):
    url = (
        f"mssql://sa:bench@127.0.0.1:{race.port}/bench?encrypt=false&trust_server_certificate=true"
    )

    def run() -> int:
        table: pa.Table = connectorx.read_sql(url, QUERY, return_type="arrow")
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            pq.write_table(table, file.name)
            race.upload(file.name, "connectorx")
        return table.num_rows

    return run
