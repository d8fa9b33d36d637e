"""`make fuzz`: random and damaged answers of a server, decoded under ASan and UBSan.

`decoder.c` makes them, seed by seed, and says what must hold. One process a core works at low
priority until the time is over; a finding names its seed and is repeated with
`python -m tests.fuzz.run --seed N --executions 1`. Its last line is one JSON object.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "dtaas" / "tds"
PARTS = ("stream.c", "batch.c", "blocks.c", "receive.c", "text.c", "values.c")
FLAGS = (
    *("-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-DKEPT_FROM=64", "-pthread"),
)
ENVIRONMENT = {"ASAN_OPTIONS": "quarantine_size_mb=4:malloc_context_size=4"}
MOST_FINDINGS = 10
APART = 1 << 48
"""Between the first seeds of two processes: more than one works off."""


class Outcome(Struct):
    """What one process did."""

    executions: int
    findings: list[str]


def compiler() -> str:
    """Return the C compiler, '' without one."""
    return next((c for c in ("gcc", "clang", "cc") if shutil.which(c)), "")


def build(target: Path, sources: Path = SOURCES) -> None:
    """Compile the driver with a decoder's sources.

    Raises:
        subprocess.CalledProcessError: the compiler has no sanitizers, or the sources are wrong.
    """
    command = [compiler(), *FLAGS, f"-I{sources}", str(Path(__file__).with_name("decoder.c"))]
    command += [*(str(sources / part) for part in PARTS), "-o", str(target)]
    subprocess.run(command, check=True)


def work(driver: Path, seed: int, executions: int, seconds: float) -> Outcome:
    """Run executions from a seed on, one after the other; go on behind each finding."""
    outcome = Outcome(0, [])
    end = time.monotonic() + seconds
    while outcome.executions < executions and len(outcome.findings) < MOST_FINDINGS:
        left = end - time.monotonic()
        if left <= 0:
            break
        at = seed + outcome.executions
        command = [str(driver), str(at), str(executions - outcome.executions), str(left)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT}
        )
        if done.returncode == 0:
            outcome.executions += int(done.stdout)
            break
        told = [line for line in done.stderr.splitlines() if line.startswith("finding: seed ")]
        if not told:
            raise RuntimeError(f"the driver ended with {done.returncode}: {done.stderr}")
        outcome.executions += int(told[-1].rpartition(" ")[2]) - at + 1
        outcome.findings.append(done.stderr)
    return outcome


def main(arguments: Sequence[str]) -> int:
    """Fuzz; 0 without a finding."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--executions", type=int, default=10**12, help="of all processes together")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    processes = min(given.processes, given.executions)
    os.nice(10)
    with tempfile.TemporaryDirectory() as folder:
        driver = Path(folder) / "decoder"
        build(driver)
        began = time.monotonic()
        share = -(-given.executions // processes)
        with ThreadPoolExecutor(processes) as pool:
            outcomes = list(
                pool.map(
                    lambda n: work(driver, given.seed + n * APART, share, given.seconds),
                    range(processes),
                )
            )
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    for finding in findings:
        print(finding, file=sys.stderr)
    summary = {
        "executions": sum(outcome.executions for outcome in outcomes),
        "findings": len(findings),
        "seconds": round(time.monotonic() - began, 1),
        "seed": given.seed,
    }
    print(json.dumps(summary))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
