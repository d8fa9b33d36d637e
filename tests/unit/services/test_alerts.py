"""Rules over a real store: what fires, what is told, and when it is over."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dtaas.concurrency.figures import FIGURES, Figure
from dtaas.engine.progress import utc_now
from dtaas.model.alerts import (
    AlertEvent,
    AlertKind,
    AlertRule,
    AlertRuleSpec,
    AlertState,
    ChannelKind,
    DeliveryState,
    Occasion,
    WebhookConfig,
)
from dtaas.model.errors import SourceQueryError
from dtaas.model.task import TableMapping, Task, TaskAction, TaskStatus
from dtaas.services.alerting.channels import NotDeliveredError, RefusedDeliveryError
from dtaas.services.alerting.dispatcher import Dispatcher
from dtaas.services.alerting.messages import Message
from dtaas.services.alerting.service import AlertService, ChannelSpec
from dtaas.services.alerting.watcher import AlertWatcher
from dtaas.store.alert_events import AlertEventRepository
from tests.fakes.services_at_work import ORDERS, AtWork


class Clock:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Mouth:
    """What would go out; the wires are proved in tests/integration/alerts."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.error: Exception | None = None

    async def send(self, channel: object, message: Message) -> None:
        if self.error is not None:
            raise self.error
        self.said.append(message)


class Watch:
    def __init__(self, work: AtWork, data_dir: Path) -> None:
        self.work = work
        self.clock = Clock()
        self.mouth = Mouth()
        # One clock for what is looked at and what is written down.
        self.events = AlertEventRepository(work.store.database, self.clock)
        self.watcher = AlertWatcher(work.store, work.bus, data_dir=data_dir, now=self.clock)
        self.dispatcher = Dispatcher(
            self.events,
            work.store.alert_channels,
            self.mouth,  # type: ignore[arg-type]
        )

    async def rule(self, kind: AlertKind, **changed: object) -> AlertRule:
        for rule in await self.work.store.alert_rules.every():
            if rule.spec.name != kind:
                await self.work.store.alert_rules.delete(rule.id)
        spec = AlertRuleSpec(**{"name": kind, "kind": kind, **changed})  # type: ignore[arg-type]
        return await self.work.store.alert_rules.save(spec)

    async def channel(self) -> int:
        config = WebhookConfig(url="http://localhost/hook", secret="s")
        channel = await self.work.store.alert_channels.save(
            "hook", ChannelKind.WEBHOOK, config, is_active=True
        )
        return channel.id

    async def look(self, seconds: float = 0) -> list[str]:
        """Let time pass, look, deliver, and return what was said."""
        self.clock.pass_s(seconds)
        await self.watcher.look()
        await self.dispatcher.send_due()
        said = [f"{m.occasion}" for m in self.mouth.said]
        self.mouth.said.clear()
        return said

    async def firing(self) -> list[AlertEvent]:
        return list((await self.events.list({AlertState.FIRING})).items)


@pytest.fixture
def watch(work: AtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch(work, tmp_path)
    monkeypatch.setattr(work.store.alert_events, "_now", made.clock)
    return made


async def run(work: AtWork, task: Task, *, fail: bool) -> None:
    async def hook(_step: str, _table: object) -> None:
        if fail:
            raise SourceQueryError("The query is wrong.")

    work.source.hook = hook
    await work.services.control.act(task.id, TaskAction.START)
    await work.until_ended()
    await work.until_task_is(TaskStatus.FAILED if fail else TaskStatus.IDLE)


async def test_a_failure_is_told_once_counts_again_and_is_over(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.EXECUTION_FAILED)
    await watch.channel()
    task = await work.task(ORDERS)
    assert await watch.look() == []
    await run(work, task, fail=True)
    assert await watch.look(1) == [Occasion.FIRING]
    assert await watch.look(1) == []
    (event,) = await watch.firing()
    assert (event.task_id, event.count) == (task.id, 1)
    assert "The query is wrong" in event.detail
    await run(work, task, fail=True)
    assert await watch.look(1) == []
    assert [e.count for e in await watch.firing()] == [2]
    await run(work, task, fail=False)
    assert await watch.look(1) == [Occasion.RESOLVED]
    assert await watch.firing() == []


async def test_reminders_end_when_somebody_takes_care(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.EXECUTION_FAILED, repeat_seconds=60)
    await watch.channel()
    await run(work, await work.task(ORDERS), fail=True)
    assert await watch.look() == [Occasion.FIRING]
    assert await watch.look(59) == []
    assert await watch.look(1) == [Occasion.REPEAT]
    (event,) = await watch.firing()
    taken = await watch.events.acknowledge(event.id, "ada", "on it")
    assert (taken.acknowledged_by, taken.note) == ("ada", "on it")
    assert await watch.look(600) == []


async def test_a_muted_rule_tells_afterwards_what_still_is_so(work: AtWork, watch: Watch) -> None:
    rule = await watch.rule(AlertKind.EXECUTION_FAILED)
    await watch.channel()
    await work.store.alert_rules.mute(rule.id, watch.clock.now + timedelta(seconds=100))
    await run(work, await work.task(ORDERS), fail=True)
    assert await watch.look(1) == []
    assert len(await watch.firing()) == 1
    assert await watch.look(100) == [Occasion.FIRING]


async def test_what_lasts_too_short_is_not_told(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.LAG, threshold=10, for_seconds=60)
    task = await work.task(ORDERS)
    try:
        FIGURES.set(Figure.LAG_S, 11, task_id=task.id, table="dbo.orders")
        await watch.look()
        await watch.look(59)
        assert await watch.firing() == []
        FIGURES.set(Figure.LAG_S, 1, task_id=task.id, table="dbo.orders")
        await watch.look(1)
        FIGURES.set(Figure.LAG_S, 12, task_id=task.id, table="dbo.orders")
        await watch.look(1)
        assert await watch.firing() == []
        await watch.look(60)
        (event,) = await watch.firing()
    finally:
        FIGURES.forget(task.id)
    assert "dbo.orders is 12 s behind" in event.detail


async def other_task(work: AtWork) -> Task:
    mapping = TableMapping(source=ORDERS, target=("elsewhere",))
    return await work.task(ORDERS, table_mappings=(mapping,))


@pytest.mark.parametrize(
    ("kind", "figure", "values"),
    [
        (AlertKind.BACKLOG, Figure.BACKLOG_ROWS, (2e6, 10)),
        (AlertKind.LAG, Figure.LAG_S, (301, 299)),
        (AlertKind.RETENTION_MARGIN, Figure.RETENTION_MARGIN_S, (11 * 3600, 13 * 3600)),
    ],
)
async def test_figures_of_tables(
    work: AtWork, watch: Watch, kind: AlertKind, figure: Figure, values: tuple[float, float]
) -> None:
    bad, good = values
    await watch.rule(kind)
    task, other = await work.task(ORDERS), await other_task(work)
    try:
        FIGURES.set(figure, bad, task_id=task.id, table="a")
        FIGURES.set(figure, good, task_id=task.id, table="b")
        FIGURES.set(figure, good, task_id=other.id, table="a")
        await watch.look()
        assert [event.task_id for event in await watch.firing()] == [task.id]
        FIGURES.set(figure, good, task_id=task.id, table="a")
        await watch.look()
        assert await watch.firing() == []
    finally:
        FIGURES.forget(task.id)
        FIGURES.forget(other.id)


async def test_no_success_for_too_long(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.NO_SUCCESS, threshold=2)
    task = await work.task(ORDERS)
    await run(work, task, fail=False)
    await watch.look(3600)
    assert await watch.firing() == []
    await watch.look(3700)
    assert [event.task_id for event in await watch.firing()] == [task.id]


async def test_an_error_rate_needs_some_executions(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.ERROR_RATE, threshold=50)
    task = await work.task(ORDERS)
    for _ in range(4):
        await run(work, task, fail=True)
    await watch.look()
    assert await watch.firing() == []
    await run(work, task, fail=False)
    await watch.look()
    (event,) = await watch.firing()
    assert "4 of 5" in event.detail


@pytest.mark.parametrize(("threshold", "fires"), [(0, True), (100, False)])
async def test_a_full_disk(watch: Watch, threshold: float, fires: bool) -> None:
    await watch.rule(AlertKind.RESOURCES, threshold=threshold)
    await watch.look()
    assert ("resource:disk" in {e.fingerprint for e in await watch.firing()}) is fires


async def test_a_message_is_tried_again_and_given_up(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.EXECUTION_FAILED)
    await watch.channel()
    await run(work, await work.task(ORDERS), fail=True)
    watch.mouth.error = NotDeliveredError("no route")
    await watch.look()
    (event,) = await watch.firing()
    for attempt, pause in enumerate((10, 30, 120, 600, 1800, 3600, 3600), 1):
        _, (delivery,) = await watch.events.get(event.id)
        assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, attempt)
        assert delivery.last_error == "no route"
        await watch.look(pause - 1)
        assert (await watch.events.get(event.id))[1][0].attempts == attempt
        await watch.look(1)
    _, (delivery,) = await watch.events.get(event.id)
    assert delivery.state is DeliveryState.FAILED


async def test_a_message_that_gets_through_later(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.EXECUTION_FAILED)
    await watch.channel()
    await run(work, await work.task(ORDERS), fail=True)
    watch.mouth.error = NotDeliveredError("no route")
    assert await watch.look() == []
    watch.mouth.error = None
    assert await watch.look(10) == [Occasion.FIRING]
    assert await watch.look(3600) == []


async def test_a_refused_message_is_not_tried_again(work: AtWork, watch: Watch) -> None:
    await watch.rule(AlertKind.EXECUTION_FAILED)
    await watch.channel()
    await run(work, await work.task(ORDERS), fail=True)
    watch.mouth.error = RefusedDeliveryError("404")
    await watch.look()
    (event,) = await watch.firing()
    assert (await watch.events.get(event.id))[1][0].state is DeliveryState.FAILED


async def test_the_secrets_of_a_channel_stay_where_they_were_sent(work: AtWork) -> None:
    alerts: AlertService = work.services.alerts
    spec = ChannelSpec(
        name="hook",
        kind=ChannelKind.WEBHOOK,
        config={"url": "https://a.example/x", "token": "geheim"},
    )
    channel = await alerts.create_channel(spec)
    kept = ChannelSpec(
        name="renamed", kind=ChannelKind.WEBHOOK, config={"url": "https://a.example/x"}
    )
    changed = await alerts.update_channel(channel.id, kept)
    assert changed.config == WebhookConfig(url="https://a.example/x", token="geheim")
    assert "geheim" not in repr(changed)
    raw = work.store.database.place.file
    assert raw is not None
    moved = ChannelSpec(
        name="renamed", kind=ChannelKind.WEBHOOK, config={"url": "https://evil.example/x"}
    )
    with pytest.raises(Exception, match="token must be given again"):
        await alerts.update_channel(channel.id, moved)
    for file in raw.parent.glob(raw.name + "*"):
        assert b"geheim" not in file.read_bytes()
