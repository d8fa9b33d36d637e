"""What alert rules found, and the messages about it."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from dtaas.model.alerts import (
    AlertEvent,
    AlertKind,
    AlertRule,
    AlertState,
    Delivery,
    DeliveryState,
    Finding,
    Occasion,
    Severity,
)
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import TaskId
from dtaas.store.alert_tables import alert_channels, alert_deliveries, alert_events
from dtaas.store.database import Database
from dtaas.store.page import FIRST_PAGE, Page, Window, fetch_page

_SORTABLE: Final = {
    "last_at": alert_events.c.last_at,
    "first_at": alert_events.c.first_at,
    "id": alert_events.c.id,
    "severity": alert_events.c.severity,
}
_MOST_TEXT: Final = 2_000
_AT_ONCE: Final = 100


class AlertEventRepository:
    """Stores events and deliveries; what is found and who is to be told is one transaction."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def record(self, rule: AlertRule, findings: Sequence[Finding]) -> None:
        """Make the rule's firing events those of `findings`, and order the messages.

        A finding that is new fires; one with another mark than before counts again; an event
        without a finding is over. While a rule is muted nobody is told.
        """

        def work(connection: Connection) -> None:
            now = self._now()
            speaks = rule.muted_until is None or rule.muted_until <= now
            which = alert_events.c.rule_id == rule.id, alert_events.c.state == "firing"
            firing = {
                row.fingerprint: row
                for row in connection.execute(select(alert_events).where(*which))
            }
            for finding in findings:
                row = firing.pop(finding.fingerprint, None)
                if row is None:
                    _fire(connection, rule, finding, now, speaks=speaks)
                else:
                    _again(connection, rule, row, finding, now, speaks=speaks)
            for row in firing.values():
                _resolve(connection, rule, row, now, speaks=speaks)

        await self._database.write(work)

    async def firing_of(self, rule_id: int) -> dict[str, str]:
        """Return the marks of a rule's firing events by their fingerprints."""
        query = select(alert_events.c.fingerprint, alert_events.c.mark).where(
            alert_events.c.rule_id == rule_id, alert_events.c.state == "firing"
        )
        return await self._database.read(
            lambda c: {row.fingerprint: row.mark for row in c.execute(query)}
        )

    async def list(
        self,
        states: Collection[AlertState] = (),
        *,
        task_id: TaskId | None = None,
        acknowledged: bool | None = None,
        window: Window = FIRST_PAGE,
    ) -> Page[AlertEvent]:
        """Return a page of events."""
        query = select(alert_events)
        if states:
            query = query.where(alert_events.c.state.in_([state.value for state in states]))
        if task_id is not None:
            query = query.where(alert_events.c.task_id == task_id)
        if acknowledged is not None:
            known = alert_events.c.acknowledged_at.is_not(None)
            query = query.where(known if acknowledged else ~known)

        def work(connection: Connection) -> Page[AlertEvent]:
            rows, total = fetch_page(connection, query, window, _SORTABLE, alert_events.c.id)
            items = tuple(map(_event_of, rows))
            return Page(items=items, total=total, limit=window.limit, offset=window.offset)

        return await self._database.read(work)

    async def get(self, event_id: int) -> tuple[AlertEvent, tuple[Delivery, ...]]:
        """Return an event and its messages, or raise NotFoundError."""

        def work(connection: Connection) -> tuple[AlertEvent, tuple[Delivery, ...]]:
            query = select(alert_deliveries).where(alert_deliveries.c.event_id == event_id)
            rows = connection.execute(query.order_by(alert_deliveries.c.id))
            return _find(connection, event_id), tuple(map(_delivery_of, rows))

        return await self._database.read(work)

    async def acknowledge(self, event_id: int, by: str, note: str) -> AlertEvent:
        """Note that somebody takes care, which ends reminders, or raise NotFoundError."""

        def work(connection: Connection) -> AlertEvent:
            _find(connection, event_id)
            connection.execute(
                update(alert_events)
                .where(alert_events.c.id == event_id)
                .values(acknowledged_at=self._now(), acknowledged_by=by, note=note)
            )
            return _find(connection, event_id)

        return await self._database.write(work)

    async def due(self) -> Sequence[tuple[Delivery, AlertEvent]]:
        """Return messages whose time has come, the oldest first."""
        query = (
            select(alert_deliveries)
            .where(
                alert_deliveries.c.state == DeliveryState.PENDING.value,
                alert_deliveries.c.next_at <= self._now(),
            )
            .order_by(alert_deliveries.c.next_at, alert_deliveries.c.id)
            .limit(_AT_ONCE)
        )

        def work(connection: Connection) -> list[tuple[Delivery, AlertEvent]]:
            deliveries = [_delivery_of(row) for row in connection.execute(query)]
            return [(d, _find(connection, d.event_id)) for d in deliveries]

        return await self._database.read(work)

    async def delivered(
        self, delivery: Delivery, *, error: str = "", again_in_s: float | None = None
    ) -> None:
        """Note what became of an attempt.

        Args:
            error: empty when the message was sent.
            again_in_s: when to try again; None gives it up.
        """
        now = self._now()
        state = DeliveryState.SENT
        if error:
            state = DeliveryState.FAILED if again_in_s is None else DeliveryState.PENDING
        values = {
            "state": state.value,
            "attempts": delivery.attempts + 1,
            "last_error": error[:_MOST_TEXT],
            "next_at": now + timedelta(seconds=again_in_s or 0),
            "sent_at": None if error else now,
        }
        statement = update(alert_deliveries).where(alert_deliveries.c.id == delivery.id)
        await self._database.write(lambda c: c.execute(statement.values(values)))

    async def forget_before(self, moment: datetime) -> int:
        """Remove events that were over before a moment and return how many."""
        statement = delete(alert_events).where(
            alert_events.c.state == AlertState.RESOLVED.value, alert_events.c.resolved_at < moment
        )
        return await self._database.write(lambda c: c.execute(statement).rowcount)


def _fire(
    connection: Connection, rule: AlertRule, finding: Finding, now: datetime, *, speaks: bool
) -> None:
    key = connection.execute(
        insert(alert_events).values(
            rule_id=rule.id,
            rule_name=rule.spec.name,
            kind=rule.spec.kind.value,
            severity=rule.spec.severity.value,
            fingerprint=finding.fingerprint,
            mark=finding.mark,
            state=AlertState.FIRING.value,
            title=finding.title,
            detail=finding.detail[:_MOST_TEXT],
            task_id=finding.task_id,
            times=1,
            first_at=now,
            last_at=now,
            told_at=now if speaks else None,
            note="",
        )
    ).inserted_primary_key
    assert key is not None  # noqa: S101 - an INSERT of one row always has one
    if speaks:
        _order(connection, rule, key[0], Occasion.FIRING, now)


def _again(
    connection: Connection,
    rule: AlertRule,
    row: Row[Any],
    finding: Finding,
    now: datetime,
    *,
    speaks: bool,
) -> None:
    happened = row.mark != finding.mark
    pause = timedelta(seconds=rule.spec.repeat_seconds)
    open_ = speaks and row.acknowledged_at is None
    unheard = open_ and row.told_at is None  # it began while the rule was muted
    remind = open_ and bool(pause) and row.told_at is not None and row.told_at + pause <= now
    if not (happened or unheard or remind):
        return
    values: dict[str, Any] = {"title": finding.title, "detail": finding.detail[:_MOST_TEXT]}
    if happened:
        values |= {"mark": finding.mark, "last_at": now, "times": row.times + 1}
    if unheard or remind:
        values["told_at"] = now
        _order(connection, rule, row.id, Occasion.FIRING if unheard else Occasion.REPEAT, now)
    connection.execute(update(alert_events).where(alert_events.c.id == row.id).values(values))


def _resolve(
    connection: Connection, rule: AlertRule, row: Row[Any], now: datetime, *, speaks: bool
) -> None:
    values = {"state": AlertState.RESOLVED.value, "resolved_at": now, "last_at": now}
    connection.execute(update(alert_events).where(alert_events.c.id == row.id).values(values))
    if speaks and row.told_at is not None:
        _order(connection, rule, row.id, Occasion.RESOLVED, now)


def _order(
    connection: Connection, rule: AlertRule, event_id: int, occasion: Occasion, now: datetime
) -> None:
    query = select(alert_channels.c.id).where(alert_channels.c.is_active)
    if rule.spec.channel_ids:
        query = query.where(alert_channels.c.id.in_(rule.spec.channel_ids))
    for channel_id in connection.scalars(query).all():
        connection.execute(
            insert(alert_deliveries).values(
                event_id=event_id,
                channel_id=channel_id,
                occasion=occasion.value,
                state=DeliveryState.PENDING.value,
                attempts=0,
                next_at=now,
                last_error="",
                created_at=now,
            )
        )


def _find(connection: Connection, event_id: int) -> AlertEvent:
    row = connection.execute(
        select(alert_events).where(alert_events.c.id == event_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no alert {event_id}.")
    return _event_of(row)


def _event_of(row: Row[Any]) -> AlertEvent:
    return AlertEvent(
        id=row.id,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        kind=AlertKind(row.kind),
        severity=Severity(row.severity),
        fingerprint=row.fingerprint,
        state=AlertState(row.state),
        title=row.title,
        detail=row.detail,
        task_id=None if row.task_id is None else TaskId(row.task_id),
        count=row.times,
        first_at=row.first_at,
        last_at=row.last_at,
        resolved_at=row.resolved_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
    )


def _delivery_of(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        channel_id=row.channel_id,
        occasion=Occasion(row.occasion),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        last_error=row.last_error,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
