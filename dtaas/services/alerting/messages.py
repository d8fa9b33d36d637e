"""An alert as a message: JSON for machines, a few lines for people."""

from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, Final

import msgspec
from msgspec import Struct

from dtaas.model.alerts import AlertEvent, EmailConfig, Occasion

_WORDS: Final[Mapping[Occasion, str]] = {
    Occasion.FIRING: "Alert",
    Occasion.REPEAT: "Still",
    Occasion.RESOLVED: "Resolved",
    Occasion.TEST: "Test",
}
_MARKS: Final[Mapping[str, str]] = {
    "info": ":information_source:",
    "warning": ":warning:",
    "critical": ":rotating_light:",
}
_HEADER_LIMIT: Final = 200


class Message(Struct, frozen=True, kw_only=True):
    """What is said about an event. `key` is the same for every attempt, so that it counts once."""

    key: str
    occasion: Occasion
    event: AlertEvent

    @property
    def headline(self) -> str:
        """Return one line."""
        text = f"[DTaaS] {_WORDS[self.occasion]}: {self.event.title}"
        return " ".join(text.split())[:_HEADER_LIMIT]


def as_json(message: Message) -> bytes:
    """Return the body of a webhook."""
    return msgspec.json.encode(
        {
            "version": 1,
            "key": message.key,
            "occasion": message.occasion,
            "alert": message.event,
        }
    )


def as_slack(message: Message) -> bytes:
    """Return a message of Slack: text for what shows no more, blocks for the rest."""
    event = message.event
    resolved = message.occasion is Occasion.RESOLVED
    mark = ":white_check_mark:" if resolved else _MARKS[event.severity]
    text = f"{mark} *{_escaped(message.headline)}*\n{_escaped(event.detail)}"
    block: dict[str, Any] = {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}
    return msgspec.json.encode({"text": message.headline, "blocks": [block]})


def as_email(message: Message, config: EmailConfig) -> EmailMessage:
    """Return a mail in plain text."""
    event = message.event
    mail = EmailMessage()
    mail["Subject"] = message.headline
    mail["From"] = config.sender
    mail["To"] = ", ".join(config.recipients)
    mail["Message-ID"] = f"<{message.key}@{config.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    lines = [
        event.title,
        "",
        event.detail,
        "",
        f"Rule       {event.rule_name} ({event.kind}, {event.severity})",
        f"Since      {event.first_at.isoformat(timespec='seconds')}",
        f"Happened   {event.count} times",
    ]
    if event.resolved_at is not None:
        lines.append(f"Resolved   {event.resolved_at.isoformat(timespec='seconds')}")
    mail.set_content("\n".join(lines) + "\n")
    return mail


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
