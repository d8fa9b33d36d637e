"""The straightforward way, in a file of its own: `tests/bench/straightforward.py`."""

import time

from tests.bench.race import Race
from tests.bench.straightforward import move


def prepare(race: Race):
    return lambda: move(race.odbc(), race.boto3(), race.bucket, f"pyodbc/{time.time_ns()}.parquet")
