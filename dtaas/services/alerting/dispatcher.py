"""Delivers messages, tries again, and writes down what became of them."""

from typing import Final

import structlog
from anyio import sleep

from dtaas.model.alerts import AlertEvent, Delivery
from dtaas.model.errors import DtaasError, FatalError, NotFoundError, RetryableError
from dtaas.services.alerting.channels import Sender
from dtaas.services.alerting.messages import Message
from dtaas.store.alert_events import AlertEventRepository
from dtaas.store.alert_rules import AlertChannelRepository

log = structlog.get_logger()
_LOOK_EVERY_S: Final = 1.0
_PAUSES_S: Final = (10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3600.0)
"""Between attempts; after the last a message is given up."""


class Dispatcher:
    """Sends what is due."""

    def __init__(
        self, events: AlertEventRepository, channels: AlertChannelRepository, sender: Sender
    ) -> None:
        self._events = events
        self._channels = channels
        self._sender = sender

    async def serve(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self.send_due()
            except DtaasError as error:
                log.warning("alerts_not_sent", code=error.code, error=error.detail)
            await sleep(_LOOK_EVERY_S)

    async def send_due(self) -> None:
        """Send every message whose time has come.

        Raises:
            StoreUnavailableError: the metadata database does not answer.
        """
        for delivery, event in await self._events.due():
            await self._send(delivery, event)

    async def _send(self, delivery: Delivery, event: AlertEvent) -> None:
        error, again_in_s = "", None
        try:
            channel = await self._channels.get(delivery.channel_id)
            message = Message(
                key=f"dtaas-{delivery.id}-{int(delivery.created_at.timestamp())}",
                occasion=delivery.occasion,
                event=event,
            )
            await self._sender.send(channel, message)
        except NotFoundError:  # deleted meanwhile, and its deliveries with it
            return
        except RetryableError as exc:
            left = delivery.attempts < len(_PAUSES_S)
            error, again_in_s = exc.detail, _PAUSES_S[delivery.attempts] if left else None
        except FatalError as exc:
            error = exc.detail
        log.log(
            30 if error else 20,
            "alert_not_delivered" if error else "alert_delivered",
            event_id=event.id,
            channel_id=delivery.channel_id,
            occasion=delivery.occasion,
            attempt=delivery.attempts + 1,
            error=error,
            retry_in_s=again_in_s,
        )
        await self._events.delivered(delivery, error=error, again_in_s=again_in_s)
