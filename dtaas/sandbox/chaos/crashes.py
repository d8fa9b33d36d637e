"""A crash test: one stream, one fault after the other, and after each the proof of what arrived."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import anyio
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.chaos.arena import Arena, arena
from dtaas.sandbox.chaos.history import History, Plan
from dtaas.sandbox.chaos.places import LAKE
from dtaas.sandbox.chaos.troubles import Troubles
from dtaas.sandbox.chaos.verdict import Verdict
from dtaas.sandbox.workload.workload import Mix

KILL: Final = "kill"
_RECOVERY_LIMIT_S: Final = 120.0
_MOST_STEPS: Final = 60
_LATEST_S: Final = 0.5
_LONGEST_S: Final = 1.0
_MIX: Final = Mix(alter=0.2, huge=0.2, huge_rows=300)
_OPTIONS: Final = {"poll_interval_ms": 100, "window_rows": 100, "max_attempts": 100}


class Crash(Struct, frozen=True, kw_only=True):
    """One fault and what came of it.

    Attributes:
        at_s: when it struck, in seconds since the stream began.
        recovery_s: from then until all that was committed by its end had arrived; None when it
            never did.
        changes: committed since the crash before.
        note: what went wrong, in words.
    """

    at_s: float
    fault: str
    recovery_s: float | None
    changes: int
    lost: int
    doubled: int
    wrong: int
    disordered: int
    note: str = ""

    @property
    def is_clean(self) -> bool:
        """Return whether all of it arrived once, whole and in order."""
        broken = self.lost or self.doubled or self.wrong or self.disordered
        return self.recovery_s is not None and not broken


async def crash_test(
    folder: Path, *, seconds: float, seed: int, tell: Callable[[Crash], None]
) -> list[Crash]:
    """Crash until the time is over, or something is lost.

    Args:
        folder: takes the servers' data and the daemon's log.
        tell: called with each crash as it is judged.
    """
    async with arena(folder) as place:
        test = _CrashTest(place, seed)
        await test.begin()
        crashes: list[Crash] = []
        while monotonic() - test.began < seconds and all(c.is_clean for c in crashes):
            crashes.append(await test.crash())
            tell(crashes[-1])
        await test.aclose()
        return crashes


class _CrashTest:
    """One history, in which nothing changes while its tables are loaded."""

    def __init__(self, place: Arena, seed: int) -> None:
        self._place = place
        self._dice = Random(seed)
        self._troubles = Troubles(place.ground, self._dice)
        plan = Plan(
            seed=seed, name="chaos", mix=_MIX, early_steps=60, quiet_load=True, options=_OPTIONS
        )
        target = place.places.make(LAKE, plan.name)
        self._history = History(plan, place.ground.server, target)
        self._reading = Blocking(2)
        self._faults: list[str] = []
        self._committed = 0
        self.began = monotonic()

    async def begin(self) -> None:
        """Load, and return when the stream runs."""
        await self._history.prepare()
        await self._history.enrol(self._place.daemon)
        await self._history.streams(self._place.daemon, _RECOVERY_LIMIT_S)
        self.began = monotonic()
        self._committed = self._changes()

    async def crash(self) -> Crash:
        """Work, strike in the middle of it, wait until all has arrived, and judge."""
        fault = self._next_fault()
        struck: list[float] = []

        async def strike() -> None:
            await anyio.sleep(self._dice.random() * _LATEST_S)
            struck.append(monotonic())
            await self._strike(fault)

        async with anyio.create_task_group() as group:
            group.start_soon(strike)
            group.start_soon(self._history.play, self._dice.randint(10, _MOST_STEPS))
        await self._history.finish()
        stuck = await self._history.arrived(self._place.daemon, _RECOVERY_LIMIT_S)
        recovered = monotonic()
        verdict = await self._judged()
        changes, self._committed = self._committed, self._changes()
        return Crash(
            at_s=round(struck[0] - self.began, 2),
            fault=fault,
            recovery_s=None if stuck else round(recovered - struck[0], 2),
            changes=self._committed - changes,
            lost=verdict.lost,
            doubled=verdict.doubled,
            wrong=verdict.wrong,
            disordered=verdict.disordered,
            note=stuck or verdict.stuck or "; ".join(verdict.examples),
        )

    async def aclose(self) -> None:
        """Let go of the database."""
        await self._history.aclose()

    async def _strike(self, fault: str) -> None:
        if fault == KILL:
            await self._place.daemon.kill()
            await self._place.daemon.start()
            return
        self._troubles.strike(fault)
        await anyio.sleep(self._dice.random() * _LONGEST_S)
        self._troubles.calm()

    async def _judged(self) -> Verdict:
        try:
            return await self._history.judge(self._reading)
        except Exception as exc:  # noqa: BLE001 - what cannot be read did not arrive
            return Verdict(lost=1, stuck=f"{type(exc).__name__}: {exc}")

    def _next_fault(self) -> str:
        """Return every kind of fault in turn, and a kill before each."""
        if not self._faults:
            kinds = self._dice.sample(sorted(self._troubles.kinds), len(self._troubles.kinds))
            self._faults = [fault for kind in kinds for fault in (KILL, kind)]
        return self._faults.pop(0)

    def _changes(self) -> int:
        history = self._history.workload.history
        return sum(len(changes) for commit in history for changes in commit.changes.values())
