"""`make torture`: random histories under faults and kills, until the time is over.

Each storm plays histories side by side against one daemon and judges them; its seed repeats it.
Prints what went wrong as it comes and, as its last line, one JSON object; exit 1 when anything
was lost, doubled, falsified, out of order or did not arrive.
"""

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
from msgspec import Struct
from msgspec.structs import replace

from dtaas.logs import configure_logs
from dtaas.sandbox.chaos.arena import arena
from dtaas.sandbox.chaos.storm import Judged, Storm, Weather, problems
from tests.torture.clock import Clock, compiler
from tests.torture.plant import Plant

SLOW_S = 20.0


class Tally(Struct):
    """What was seen so far.

    Attributes:
        copied: windows that went into Snowflake by COPY alone.
        merged: windows that went there by MERGE.
    """

    seed: int
    histories: int = 0
    kills: int = 0
    alterations: int = 0
    copied: int = 0
    merged: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    disordered: int = 0
    stuck: int = 0
    slowest_s: float = 0.0
    seconds: float = 0.0

    def take(self, judged: Sequence[Judged]) -> None:
        """Add the histories of a storm."""
        for one in judged:
            self.histories += 1
            self.alterations += one.alterations
            self.lost += one.verdict.lost
            self.doubled += one.verdict.doubled
            self.wrong += one.verdict.wrong
            self.disordered += one.verdict.disordered
            self.stuck += bool(one.verdict.stuck)
            self.slowest_s = max(self.slowest_s, round(one.seconds, 1))

    @property
    def is_clean(self) -> bool:
        """Return whether nothing went wrong."""
        return not (self.lost or self.doubled or self.wrong or self.disordered or self.stuck)


async def storms(folder: Path, tally: Tally, limits: argparse.Namespace) -> None:
    """Let storms blow until a limit is reached."""
    began = time.monotonic()
    clock = Clock(folder) if compiler() else None
    jump, environ = (clock.jump, clock.environ) if clock is not None else (None, None)
    async with arena(folder, jump=jump, environ=environ, snowflake=limits.snowflake > 0) as place:
        tamper = Plant(place.s3).tamper if limits.plant else None
        for seed in range(tally.seed, tally.seed + limits.storms):
            weather = Weather(
                histories=limits.histories,
                kills=limits.kills,
                snowflake_share=limits.snowflake,
                rising_share=limits.rising,
            )
            if limits.plant:  # where there are change files that count
                weather = replace(
                    weather,
                    delta_share=0.0,
                    snowflake_share=0.0,
                    quiet_share=1.0,
                    upheaval_share=0.0,
                )
            storm = Storm(seed, weather, place.ground, place.places, place.daemon, tamper=tamper)
            judged = await storm.blow()
            tally.take(judged)
            tally.kills = place.daemon.kills
            if (account := place.ground.snowflake) is not None:
                tally.copied, tally.merged = account.copied, account.merged
            tally.seconds = round(time.monotonic() - began, 1)
            report(seed, judged)
            if tally.seconds >= limits.seconds:
                break


def report(seed: int, judged: Sequence[Judged]) -> None:
    """Say what was found, and how to see it again."""
    found = problems(judged)
    slow = [f"{j.plan.name} ({j.kind}) {j.seconds:.0f} s" for j in judged if j.seconds > SLOW_S]
    if slow:
        print(f"slow: {', '.join(slow)}", file=sys.stderr)
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        print(f"again: make torture SEED={seed} SECONDS=1", file=sys.stderr)
    sys.stderr.flush()


def main(arguments: Sequence[str]) -> int:
    """Torture; 0 when everything arrived once, whole and in order."""
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("--seconds", type=float, default=2_400.0, help="no storm begins after")
    parser.add_argument("--storms", type=int, default=50, help="no more than these")
    parser.add_argument("--histories", type=int, default=6, help="of one storm")
    parser.add_argument("--kills", type=int, default=2, help="of one storm")
    parser.add_argument(
        "--snowflake", type=float, default=0.0, help="share of histories that go to Snowflake"
    )
    parser.add_argument(
        "--rising", type=float, default=0.5, help="share of those whose tables only grow"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(100_000))
    parser.add_argument("--keep", type=Path, help="leave logs and data below this folder")
    parser.add_argument(
        "--plant", action="store_true", help="lose a change and double one, which must be found"
    )
    given = parser.parse_args(arguments)
    configure_logs(level="error", form="json")
    tally = Tally(seed=given.seed)
    if given.keep is None:
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(storms, Path(folder), tally, given)
    else:
        given.keep.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(dir=given.keep.absolute())
        print(f"data and logs: {folder}", file=sys.stderr)
        anyio.run(storms, Path(folder), tally, given)
    print(json.dumps({n: getattr(tally, n) for n in Tally.__struct_fields__}))
    return int(not tally.is_clean)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
