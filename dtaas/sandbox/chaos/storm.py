"""A storm: some histories side by side on one daemon that is killed again and again."""

from collections.abc import Callable, Coroutine, Sequence
from random import Random
from time import monotonic
from typing import Any, Final

import anyio
import httpx
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import FatalError
from dtaas.sandbox.chaos.daemon import Daemon
from dtaas.sandbox.chaos.history import History, Plan
from dtaas.sandbox.chaos.places import DELTA, LAKE, SNOWFLAKE, Places
from dtaas.sandbox.chaos.troubles import Ground, Troubles
from dtaas.sandbox.chaos.verdict import Verdict
from dtaas.sandbox.workload.workload import Mix

_ARRIVAL_LIMIT_S: Final = 180.0
_HUGE_ROWS: Final = (300, 300, 3_000)
_ALTERS: Final = (0, 0.5, 2)
_WINDOW_ROWS: Final = (20, 60, 200_000, 200_000)
_PARTS: Final = 4
_LATEST_KILL_S: Final = 2.5


class Weather(Struct, frozen=True, kw_only=True):
    """How much of everything a storm has.

    Attributes:
        delta_share: of the histories, to Delta Lake.
        snowflake_share: of the histories, to Snowflake.
        rising_share: of those, whose tables only grow, so that their windows go by COPY alone.
        quiet_share: of the histories, whose tables do not change while they are loaded.
        upheaval_share: of the histories, that lose changes to cleanup, and as many again that are
            asked to load a table anew.
    """

    histories: int = 6
    kills: int = 2
    delta_share: float = 0.25
    snowflake_share: float = 0.0
    rising_share: float = 0.5
    quiet_share: float = 0.5
    upheaval_share: float = 0.25


class Judged(Struct, frozen=True, kw_only=True):
    """How one history ended.

    Attributes:
        alterations: columns that were added or dropped in it.
    """

    plan: Plan
    kind: str
    verdict: Verdict
    seconds: float
    alterations: int = 0


Tamper = Callable[[History], None]


class Storm:
    """One storm from its seed."""

    def __init__(
        self,
        seed: int,
        weather: Weather,
        ground: Ground,
        places: Places,
        daemon: Daemon,
        *,
        tamper: Tamper | None = None,
    ) -> None:
        """Draw the histories.

        Args:
            tamper: called with each history that has arrived, before it is judged.
        """
        self._seed = seed
        self._weather = weather
        self._ground = ground
        self._daemon = daemon
        self._tamper = tamper
        self._dice = self._own_dice("storm")
        self._troubles = Troubles(ground, self._own_dice("troubles"))
        self._reading = Blocking(2)
        self._kinds: dict[str, str] = {}
        self._histories: list[History] = []
        for number in range(weather.histories):
            kind = DELTA if self._dice.random() < weather.delta_share else LAKE
            if self._own_dice(f"snowflake {number}").random() < weather.snowflake_share:
                kind = SNOWFLAKE
            plan = self._plan(number, kind)
            place = places.make(kind, f"{plan.name}_{daemon.kills}")
            self._kinds[plan.name] = kind
            self._histories.append(History(plan, ground.server, place))

    async def blow(self) -> list[Judged]:
        """Play all of it and return what became of each history."""
        daemon = self._daemon
        await self._all(lambda history: history.prepare())
        await self._all(lambda history: history.enrol(daemon))
        for life in range(self._weather.kills):
            async with anyio.create_task_group() as group:
                group.start_soon(self._strike, life)
                group.start_soon(self._kill, life)
                for history in self._histories:
                    group.start_soon(self._play, history, life)
        await self._all(lambda history: history.finish())
        judged: list[Judged] = []

        async def judge(history: History) -> None:
            judged.append(await self._judge(history))

        await self._all(judge)
        await self._calm()
        return judged

    async def _play(self, history: History, life: int) -> None:
        """Work on, and let at times cleanup pass by or a table be loaded anew."""
        dice = self._own_dice(f"{history.plan.name} {life}")
        table = dice.choice(history.tables)
        clean = life == 0 and dice.random() < self._weather.upheaval_share
        reload = not clean and dice.random() < self._weather.upheaval_share
        if life == 0 and history.plan.quiet_load:
            streams = await history.streams(self._daemon, _ARRIVAL_LIMIT_S)
            history.loads_again = not streams
        for part in range(_PARTS):
            await history.play(dice.randint(3, 20))
            if part == _PARTS // 2:
                if clean:
                    await history.clean(table, keep=dice.randint(1, 3))
                elif reload:
                    await _asked(history, self._daemon, table)
            await anyio.sleep(dice.random() * 0.3)

    async def _strike(self, life: int) -> None:
        dice = self._own_dice(f"strikes {life}")
        for _ in range(dice.randint(2, 6)):
            self._troubles.strike()
            if self._ground.snowflake is not None:
                await self._ground.snowflake.strike(dice)
            await anyio.sleep(dice.random() * 0.3)
            if dice.random() < 1 / 2:
                self._troubles.calm()
        await self._calm()

    async def _calm(self) -> None:
        self._troubles.calm()
        if self._ground.snowflake is not None:
            await self._ground.snowflake.calm()

    async def _kill(self, life: int) -> None:
        dice = self._own_dice(f"kill {life}")
        await anyio.sleep(dice.random() * _LATEST_KILL_S)
        await self._daemon.kill()
        await self._daemon.start()

    async def _judge(self, history: History) -> Judged:
        began = monotonic()
        stuck = await history.arrived(self._daemon, _ARRIVAL_LIMIT_S)
        # What is still under way is neither lost nor doubled; that it stays there is told apart.
        verdict = Verdict(stuck=stuck) if stuck else await self._read_back(history)
        seconds = monotonic() - began
        await history.aclose(self._daemon)
        kind = self._kinds[history.plan.name]
        return Judged(
            plan=history.plan,
            kind=kind,
            verdict=verdict,
            seconds=seconds,
            alterations=history.alterations,
        )

    async def _read_back(self, history: History) -> Verdict:
        if self._tamper is not None:
            await self._reading(self._tamper, history)
        try:
            if self._tamper is not None:
                return await history.judge(self._reading, settle_s=0.0)
            return await history.judge(self._reading)
        except Exception as exc:  # noqa: BLE001 - what cannot be read did not arrive
            return Verdict(lost=1, examples=(f"{type(exc).__name__}: {exc}",))

    async def _all(self, do: Callable[[History], Coroutine[Any, Any, None]]) -> None:
        async with anyio.create_task_group() as group:
            for history in self._histories:
                group.start_soon(do, history)

    def _plan(self, number: int, kind: str) -> Plan:
        dice = self._own_dice(f"plan {number}")
        keeps = kind == SNOWFLAKE and self._own_dice(f"history {number}").random() < 1 / 2
        mix = Mix(alter=dice.choice(_ALTERS), huge=0.2, huge_rows=dice.choice(_HUGE_ROWS))
        rising = self._own_dice(f"growing {number}").random() < self._weather.rising_share
        if kind == SNOWFLAKE and rising:
            mix, keeps = replace(mix, rising=True), False
        return Plan(
            seed=self._seed * self._weather.histories + number,
            name=f"h{self._seed}_{number}",
            mix=mix,
            early_steps=dice.randint(10, 60),
            quiet_load=dice.random() < self._weather.quiet_share,
            options={
                "poll_interval_ms": dice.choice((100, 300)),
                "window_rows": dice.choice(_WINDOW_ROWS),
                "on_gap": "reload",
                "max_attempts": 100,
                "merge_interval_s": 0,
                "history": keeps,
            },
        )

    def _own_dice(self, name: str) -> Random:
        return Random(f"{self._seed} {name}")


async def _asked(history: History, daemon: Daemon, table: str) -> None:
    """Ask for a load anew; a daemon that is down or not ready for it does not hear it."""
    try:
        await history.reload(daemon, table)
    except (FatalError, httpx.TransportError):
        return


def problems(judged: Sequence[Judged]) -> list[str]:
    """Return what went wrong, a paragraph a history."""
    return [
        f"history {j.plan.name} ({j.kind}): lost {j.verdict.lost}, doubled {j.verdict.doubled}, "
        f"wrong {j.verdict.wrong}, disordered {j.verdict.disordered} {j.verdict.stuck}\n  "
        + "\n  ".join(j.verdict.examples)
        for j in judged
        if not j.verdict.is_clean
    ]
