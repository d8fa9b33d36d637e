"""What may go wrong between the daemon and its servers: drawn from dice, and taken back."""

from collections.abc import Callable
from random import Random
from typing import Final

from msgspec import Struct

from dtaas.sandbox.chaos.snowflake import SnowflakeGround
from dtaas.sandbox.faults import FaultProxy
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer

_REQUESTS: Final = (b"PUT ", b"POST ", b"GET ", b"HEAD ", b"DELETE ")
_NOT_NOW: Final = SqlError(
    40613,
    "Database on server is not currently available. Please retry the connection later.",
    severity=14,
)
_SLOW_ROWS_S: Final = 2_000.0
_LATENCY_S: Final = 0.02
_MOST_JUMP_S: Final = 600.0
Jump = Callable[[float], None]
"""Sets the daemon's wall clock so many seconds off."""


class Ground(Struct, frozen=True, kw_only=True):
    """The servers to be hurt.

    Attributes:
        proxy: stands before the S3 server.
        jump: None where the daemon's clock cannot be moved.
        snowflake: None where there is none.
    """

    server: SimulatedSqlServer
    proxy: FaultProxy
    jump: Jump | None = None
    snowflake: SnowflakeGround | None = None


class Troubles:
    """Strikes with one fault after the other. The same dice strike the same way."""

    def __init__(self, ground: Ground, dice: Random) -> None:
        self._ground = ground
        self._dice = dice
        self.kinds: dict[str, Callable[[], None]] = {
            "connection_reset": self._reset_source,
            "connections_dropped": ground.server.tds.drop_connections,
            "login_refused": self._refuse_logins,
            "capture_stopped": self._stop_capture,
            "slow_rows": self._slow_rows,
            "s3_reset": lambda: ground.proxy.reset_after(dice.randint(1, 60_000)),
            "s3_lost_reply": lambda: ground.proxy.drop_reply(dice.choice(_REQUESTS)),
            "s3_slow_down": lambda: ground.proxy.refuse_request(dice.choice(_REQUESTS)),
            "s3_dropped": ground.proxy.kill_all,
            "s3_refused": self._refuse_s3,
            "s3_latency": self._delay_s3,
        }
        if ground.jump is not None:
            self.kinds["clock_jump"] = self._jump

    def strike(self, kind: str = "") -> str:
        """Do one of `kinds`, the one given or a random one, and return which."""
        kind = kind or self._dice.choice(sorted(self.kinds))
        self.kinds[kind]()
        return kind

    def calm(self) -> None:
        """Take everything back that lasts or did not strike yet. Clocks stay as they are."""
        server, faults = self._ground.server, self._ground.server.faults
        faults.reset_after_bytes = faults.login_error = faults.rows_per_s = None
        server.capture.resume()
        self._ground.proxy.calm()

    def _reset_source(self) -> None:
        self._ground.server.faults.reset_after_bytes = self._dice.randint(1, 30_000)

    def _refuse_logins(self) -> None:
        self._ground.server.faults.login_error = _NOT_NOW
        self._ground.server.tds.drop_connections()

    def _stop_capture(self) -> None:
        self._ground.server.capture.paused = True

    def _slow_rows(self) -> None:
        self._ground.server.faults.rows_per_s = _SLOW_ROWS_S

    def _refuse_s3(self) -> None:
        self._ground.proxy.refuse = True
        self._ground.proxy.kill_all()

    def _delay_s3(self) -> None:
        self._ground.proxy.latency_s = _LATENCY_S

    def _jump(self) -> None:
        if self._ground.jump is not None:
            self._ground.jump(self._dice.uniform(-_MOST_JUMP_S, _MOST_JUMP_S))
