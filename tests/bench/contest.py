"""One contestant, once, in a process of its own: timed from first query to last object.

Its imports are made before the clock starts. Prints one JSON object.
"""

import argparse
import importlib
import json

from tests.bench.race import Race

WAYS = {
    "dtaas": "tests.bench.ways.dtaas",
    "dtaas-transformed": "tests.bench.ways.dtaas_transformed",
    "dtaas-hashed": "tests.bench.ways.dtaas_hashed",
    "arrow-odbc": "tests.bench.ways.arrow_odbc",
    "connectorx": "tests.bench.ways.connectorx",
    "pyodbc": "tests.bench.ways.pyodbc",
}


def main() -> None:
    """Run the contestant the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument("--port", type=int, required=True)
    for name in ("--endpoint", "--access-key", "--secret-key", "--bucket"):
        parser.add_argument(name, required=True)
    arguments = vars(parser.parse_args())
    way = arguments.pop("way")
    race = Race(**arguments)
    run = importlib.import_module(WAYS[way]).prepare(race)
    race.begin()
    rows = run()
    seconds, cpu_s = race.end()
    peak_mb = race.peak_bytes / 1e6
    print(
        json.dumps(
            {"way": way, "rows": rows, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb}
        )
    )


if __name__ == "__main__":
    main()
