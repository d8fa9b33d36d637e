"""What the streams of one task share."""

from collections.abc import Callable

from msgspec import Struct

from dtaas.engine.budget import ByteBudget
from dtaas.engine.drain import Drain
from dtaas.engine.drift.gate import DriftGate
from dtaas.engine.turns import Turns
from dtaas.model.change_ports import ChangeDestination, StreamStore, WindowSource
from dtaas.model.execution import TablePhase
from dtaas.model.ports import Source
from dtaas.model.task import TaskSpec


class StreamContext(Struct, frozen=True, kw_only=True):
    """What the streams of one task share.

    Attributes:
        rows: the same source, for single rows by key.
        turns: places for windows being applied, over all tables.
        caught_up: called when a table has done all it knew of, to ask for more at once.
        gate: looks whether tables changed; None where somebody else does, or nobody.
        phase: what tables are shown in while they take changes.
    """

    spec: TaskSpec
    source: WindowSource
    rows: Source
    destination: ChangeDestination
    streams: StreamStore
    turns: Turns
    budget: ByteBudget
    drain: Drain
    uniform: Callable[[float, float], float]
    caught_up: Callable[[], None]
    gate: DriftGate | None = None
    phase: TablePhase = TablePhase.STREAMING
