"""`/ws`: what happens, as it happens."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from anyio import CancelScope, Lock, create_task_group, current_time, fail_after, move_on_after
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from msgspec import Struct

from dtaas.api.live import DashboardTopic, Data, Due, MessageType, TasksTopic, TaskTopic
from dtaas.api.live_reader import DASHBOARD_EVERY_S, LiveReader
from dtaas.concurrency.bus import EventBus, Feed, Taken
from dtaas.model.errors import DtaasError
from dtaas.services.dashboard import DashboardService
from dtaas.services.refusal import refusal
from dtaas.services.tasks import TaskService

log = structlog.get_logger()

FIGURES_EVERY_S: Final = 0.25
STALL_LIMIT_S: Final = 10.0
CLOSE_STALLED: Final = 4408
CLOSE_CRASHED: Final = 1011
_MOST_TOPICS: Final = 100
_CLOSE_LIMIT_S: Final = 1.0


class _Op(Struct, frozen=True, tag_field="op", forbid_unknown_fields=True):
    """What a client may say."""


class Subscribe(_Op, frozen=True, tag="subscribe"):
    """Send a snapshot of each topic, then its changes; again for one that is subscribed."""

    topics: tuple[str, ...]


class Unsubscribe(_Op, frozen=True, tag="unsubscribe"):
    """Send no more of these topics."""

    topics: tuple[str, ...]


class Ping(_Op, frozen=True, tag="ping"):
    """Send a pong."""


_OPS: Final = msgspec.json.Decoder(Subscribe | Unsubscribe | Ping)


class Fault(Struct, frozen=True, kw_only=True):
    """Why something a client said was not done."""

    code: str
    detail: str
    hint: str


class Empty(Struct, frozen=True):
    """No data."""


class Message(Struct, frozen=True, kw_only=True):
    """Everything the server says.

    Attributes:
        seq: 1, 2, 3 … within a connection; after a gap, subscribe again.
        topic: empty when it is about no topic.
        data: by topic and type: `TasksSnapshot`, `TasksDelta`, `ExecutionEvent` or
            `SchemaChangeEvent` of `tasks`,
            `TaskSnapshot` or `TaskDelta` of `task:ID`, `DashboardMetrics` of `dashboard`, a
            `Fault` of an error, `Empty` of a pong.
    """

    v: int = 1
    seq: int
    topic: str
    type: MessageType
    ts: datetime
    data: Any


@websocket("/ws")
async def live(
    socket: WebSocket[Any, Any, Any],
    tasks: NamedDependency[TaskService],
    dashboard: NamedDependency[DashboardService],
    bus: NamedDependency[EventBus],
) -> None:
    """Serve one client: all tasks from the start, other topics when it asks."""
    await socket.accept()
    await LiveSession(socket, LiveReader(tasks, dashboard), bus).run()


class LiveSession:
    """One client. It can be as slow as it likes: it slows nobody, and loses deltas instead."""

    def __init__(self, socket: WebSocket[Any, Any, Any], reader: LiveReader, bus: EventBus) -> None:
        self._socket = socket
        self._reader = reader
        self._bus = bus
        self._topics: dict[str, TasksTopic | TaskTopic | DashboardTopic] = {}
        self._seq = 0
        self._talking = Lock()  # a snapshot and the deltas after it leave in this order
        self._figures_at = self._dashboard_at = current_time()

    async def run(self) -> None:
        """Talk until the client leaves or stalls."""
        with self._bus.subscribe() as feed:  # before any snapshot, so that nothing is missed
            try:
                async with create_task_group() as group:
                    group.start_soon(self._listen, group.cancel_scope)
                    await self._talk(feed)
            except* TimeoutError:
                log.warning("websocket_stalled", limit_s=STALL_LIMIT_S)
                with move_on_after(_CLOSE_LIMIT_S):
                    await self._socket.close(CLOSE_STALLED, "stalled")
            except* (WebSocketDisconnect, OSError):
                log.debug("websocket_left")
            except* Exception as crash:
                log.exception("websocket_crashed", exc_info=crash)
                with move_on_after(_CLOSE_LIMIT_S):
                    await self._socket.close(CLOSE_CRASHED, "internal")

    async def _listen(self, scope: CancelScope) -> None:
        try:
            while True:
                frame = await self._socket.receive_text()
                async with self._talking:
                    await self._obey(frame)
        except WebSocketDisconnect:
            scope.cancel()

    async def _obey(self, frame: str) -> None:
        try:
            op: Subscribe | Unsubscribe | Ping = _OPS.decode(frame)
        except msgspec.ValidationError as exc:
            return await self._send("", MessageType.ERROR, _fault(refusal(exc)))
        except (msgspec.DecodeError, RecursionError):
            fault = Fault(code="malformed_json", detail="The message is not JSON.", hint="")
            return await self._send("", MessageType.ERROR, fault)
        match op:
            case Ping():
                await self._send("", MessageType.PONG, Empty())
            case Unsubscribe(topics=topics):
                for name in topics:
                    self._topics.pop(name, None)
            case Subscribe(topics=topics):
                for name in topics:
                    await self._open(name)
        return None

    async def _talk(self, feed: Feed) -> None:
        async with self._talking:
            await self._open("tasks")
        while True:
            taken = Taken(())
            with move_on_after(self._pause_s()):
                taken = await feed.take()
            async with self._talking:
                if taken.missed:
                    log.info("websocket_overflowed")
                    for topic in self._topics.values():
                        topic.stale = True
                else:
                    for event in taken.events:
                        for topic in self._topics.values():
                            topic.apply(event)
                await self._send_due()

    def _pause_s(self) -> float | None:
        """Return how long there is nothing to send unless something happens."""
        due_at = [self._figures_at for topic in self._topics.values() if topic.has_figures()]
        due_at += [
            self._dashboard_at
            for topic in self._topics.values()
            if topic.stale and isinstance(topic, DashboardTopic)
        ]
        return max(0.0, min(due_at) - current_time()) if due_at else None

    async def _send_due(self) -> None:
        now = current_time()
        figures = now >= self._figures_at
        for name, topic in list(self._topics.items()):
            if topic.stale:
                if isinstance(topic, DashboardTopic):
                    if now < self._dashboard_at:
                        continue
                    self._dashboard_at = now + DASHBOARD_EVERY_S
                await self._open(name)
                continue
            await self._send_all(name, topic.at_once())
            if figures and topic.has_figures():
                self._figures_at = now + FIGURES_EVERY_S
                await self._send_all(name, topic.figures())

    async def _open(self, name: str) -> None:
        """Send a snapshot of a topic, which is subscribed from now on."""
        if name not in self._topics and len(self._topics) >= _MOST_TOPICS:
            fault = Fault(
                code="too_many_topics",
                detail=f"A connection can have {_MOST_TOPICS} topics.",
                hint="Unsubscribe from some.",
            )
            return await self._send(name, MessageType.ERROR, fault)
        try:
            topic = await self._reader.open(name)
        except DtaasError as error:
            self._topics.pop(name, None)
            return await self._send(name, MessageType.ERROR, _fault(error))
        self._topics[name] = topic
        return await self._send(name, MessageType.SNAPSHOT, topic.snapshot())

    async def _send_all(self, topic: str, due: Sequence[Due]) -> None:
        for one in due:
            await self._send(topic, one.type, one.data)

    async def _send(self, topic: str, kind: MessageType, data: Data | Fault | Empty) -> None:
        self._seq += 1
        message = Message(seq=self._seq, topic=topic, type=kind, ts=datetime.now(UTC), data=data)
        with fail_after(STALL_LIMIT_S):
            await self._socket.send_text(msgspec.json.encode(message).decode())


def _fault(error: DtaasError) -> Fault:
    return Fault(code=error.code, detail=error.detail, hint=error.hint)
