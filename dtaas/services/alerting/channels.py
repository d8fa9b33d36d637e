"""Sends a message over one channel."""

import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import httpx

from dtaas.concurrency.blocking import Blocking
from dtaas.model.alerts import (
    AlertChannel,
    EmailConfig,
    MailSecurity,
    SlackConfig,
    WebhookConfig,
)
from dtaas.model.connectors import ConnectionConfig
from dtaas.model.errors import FatalError, RetryableError
from dtaas.services.alerting.messages import Message, as_email, as_json, as_slack

_LIMIT_S: Final = 15.0
_SHOWN: Final = 200
_TRY_AGAIN: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_MULTIPLE_CHOICES: Final = 300


class NotDeliveredError(RetryableError):
    """The other side could not be reached or asks to come back later."""

    code = "alert_not_delivered"


class RefusedDeliveryError(FatalError):
    """The other side says that this message will never be taken."""

    code = "alert_refused"


class Sender:
    """Sends messages."""

    def __init__(self, opened: Callable[[ConnectionConfig], Awaitable[ConnectionConfig]]) -> None:
        """Send as channels say.

        Args:
            opened: gives a channel's configuration with its secrets looked up, or refuses it.
        """
        self._opened = opened
        self._blocking = Blocking(2)

    async def send(self, channel: AlertChannel, message: Message) -> None:
        """Send a message; return when the other side took it.

        Raises:
            NotDeliveredError: trying again may help.
            RefusedDeliveryError: it will not.
        """
        try:
            opened = await self._opened(channel.config)
        except RetryableError as error:
            raise NotDeliveredError(error.detail) from error
        except FatalError as error:
            raise RefusedDeliveryError(error.detail) from error
        match opened:
            case WebhookConfig() as config:
                body = as_json(message)
                headers = {"X-DTaaS-Delivery": message.key}
                if config.secret:
                    digest = hmac.new(config.secret.encode(), body, hashlib.sha256).hexdigest()
                    headers["X-DTaaS-Signature"] = f"sha256={digest}"
                if config.token:
                    headers["Authorization"] = f"Bearer {config.token}"
                await _post(config.url, body, headers)
            case SlackConfig() as config:
                await _post(config.webhook_url, as_slack(message), {})
            case EmailConfig() as config:
                with anyio.CancelScope(shield=True):  # a thread ends by its own limit
                    await self._blocking(_mail, config, message)
            case other:
                raise RefusedDeliveryError(f"There is no way to send over {type(other).__name__}.")


async def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    # Never the URL in an error: for Slack it is the secret.
    try:
        async with httpx.AsyncClient(timeout=_LIMIT_S, follow_redirects=False) as client:
            answer = await client.post(
                url, content=body, headers={"Content-Type": "application/json", **headers}
            )
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise NotDeliveredError(f"The request failed: {type(exc).__name__}.") from exc
    if answer.status_code < _MULTIPLE_CHOICES:
        return
    said = f"The other side answered {answer.status_code}: {answer.text[:_SHOWN]}"
    if answer.status_code >= _SERVER_ERROR or answer.status_code in _TRY_AGAIN:
        raise NotDeliveredError(said)
    raise RefusedDeliveryError(said)


def _mail(config: EmailConfig, message: Message) -> None:
    mail = as_email(message, config)
    context = ssl.create_default_context()
    try:
        if config.security is MailSecurity.TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                config.host, config.port, timeout=_LIMIT_S, context=context
            )
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=_LIMIT_S)
        with server:
            if config.security is MailSecurity.STARTTLS:
                server.starttls(context=context)
            if config.username:
                server.login(config.username, config.password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as exc:
        codes = {code for code, _ in exc.recipients.values()}
        kind = RefusedDeliveryError if min(codes) >= _SERVER_ERROR else NotDeliveredError
        raise kind(f"The server refused the recipients: {_texts(exc)}.") from exc
    except smtplib.SMTPResponseException as exc:
        said = f"The server said {exc.smtp_code} {_text(exc.smtp_error)[:_SHOWN]}."
        if exc.smtp_code >= _SERVER_ERROR:
            raise RefusedDeliveryError(said) from exc
        raise NotDeliveredError(said) from exc
    except (OSError, smtplib.SMTPException) as exc:
        raise NotDeliveredError(f"The mail was not taken: {exc}.") from exc


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _texts(exc: smtplib.SMTPRecipientsRefused) -> str:
    return "; ".join(f"{code} {_text(said)}" for code, said in exc.recipients.values())[:_SHOWN]
