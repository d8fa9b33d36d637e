"""Messages over real wires: a web server and a mail server on loopback."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dtaas.connectors.registry import Registry
from dtaas.model.alerts import (
    AlertChannel,
    AlertEvent,
    AlertKind,
    AlertState,
    ChannelKind,
    EmailConfig,
    MailSecurity,
    Occasion,
    Severity,
    SlackConfig,
    WebhookConfig,
)
from dtaas.model.connectors import ConnectionConfig
from dtaas.services.alerting.channels import NotDeliveredError, RefusedDeliveryError, Sender
from dtaas.services.alerting.messages import Message

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def message(title: str = "orders: The execution failed", detail: str = "No <route>.") -> Message:
    event = AlertEvent(
        id=3,
        rule_id=1,
        rule_name="An execution failed",
        kind=AlertKind.EXECUTION_FAILED,
        severity=Severity.CRITICAL,
        fingerprint="task:1",
        state=AlertState.FIRING,
        title=title,
        detail=detail,
        task_id=None,
        count=2,
        first_at=NOW,
        last_at=NOW,
        resolved_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        note="",
    )
    return Message(key="dtaas-7-1", occasion=Occasion.FIRING, event=event)


def channel(kind: ChannelKind, config: ConnectionConfig) -> AlertChannel:
    return AlertChannel(
        id=1, name="c", kind=kind, config=config, is_active=True, created_at=NOW, updated_at=NOW
    )


class Hook:
    """A web server that keeps what it is sent and answers as the test wants."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.status)
                if hook.status == 302:
                    self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()
                self.wfile.write(b"said so")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(10)


async def test_a_webhook_is_signed(hook: Hook) -> None:
    config = WebhookConfig(url=hook.url, secret="key", token="t0k")
    await Sender(Registry().opened).send(channel(ChannelKind.WEBHOOK, config), message())
    ((headers, body),) = hook.got
    digest = hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert headers["x-dtaas-signature"] == f"sha256={digest}"
    assert headers["authorization"] == "Bearer t0k"
    assert headers["x-dtaas-delivery"] == "dtaas-7-1"
    told = json.loads(body)
    assert (told["occasion"], told["alert"]["title"]) == ("firing", "orders: The execution failed")


async def test_slack_is_told_in_its_own_words(hook: Hook) -> None:
    await Sender(Registry().opened).send(
        channel(ChannelKind.SLACK, SlackConfig(webhook_url=hook.url)), message()
    )
    told = json.loads(hook.got[0][1])
    assert told["text"] == "[DTaaS] Alert: orders: The execution failed"
    assert "No &lt;route&gt;." in told["blocks"][0]["text"]["text"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, NotDeliveredError),
        (429, NotDeliveredError),
        (404, RefusedDeliveryError),
        (302, RefusedDeliveryError),
    ],
)
async def test_answers_say_whether_to_try_again(
    hook: Hook, status: int, kind: type[Exception]
) -> None:
    hook.status = status
    with pytest.raises(kind, match=str(status)):
        await Sender(Registry().opened).send(
            channel(ChannelKind.WEBHOOK, WebhookConfig(url=hook.url)), message()
        )
    assert len(hook.got) == 1


async def test_an_error_never_shows_the_address_of_slack() -> None:
    secret = "http://127.0.0.1:1/services/T000/B000/geheim"
    with pytest.raises(NotDeliveredError) as failed:
        await Sender(Registry().opened).send(
            channel(ChannelKind.SLACK, SlackConfig(webhook_url=secret)), message()
        )
    assert "geheim" not in str(failed.value)


class Post:
    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.refuse = ""

    async def handle_RCPT(  # noqa: N802 - the name it is called by
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.mails.append(envelope)
        return "250 OK"


def log_in(_: SMTP, __: Session, ___: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data == LoginPassword(b"bot", b"geheim")
    return AuthResult(success=right, handled=right)


@asynccontextmanager
async def mail_server(**how: Any) -> AsyncIterator[tuple[Post, int]]:
    post = Post()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(post, enable_SMTPUTF8=True, **how), "127.0.0.1", 0
    )
    async with server:
        yield post, server.sockets[0].getsockname()[1]


def config(port: int, **changed: Any) -> EmailConfig:
    return EmailConfig(
        **{
            "host": "127.0.0.1",
            "port": port,
            "security": MailSecurity.NONE,
            "sender": "dtaas@example.org",
            "recipients": ("ada@example.org", "bob@example.org"),
            **changed,
        }
    )


async def test_a_mail_reaches_everybody() -> None:
    async with mail_server() as (post, port):
        sent = message("Bestellungen: fällt aus", "Zeile 1\nZeile 2")
        await Sender(Registry().opened).send(channel(ChannelKind.EMAIL, config(port)), sent)
    (envelope,) = post.mails
    assert envelope.rcpt_tos == ["ada@example.org", "bob@example.org"]
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail["subject"] == "[DTaaS] Alert: Bestellungen: fällt aus"
    assert mail["message-id"] == "<dtaas-7-1@example.org>"
    assert "Zeile 1\nZeile 2" in mail.get_content().replace("\r\n", "\n")


async def test_a_title_cannot_add_headers() -> None:
    async with mail_server() as (post, port):
        sent = message("x\r\nBcc: eve@example.org\r\n\r\nbody")
        await Sender(Registry().opened).send(channel(ChannelKind.EMAIL, config(port)), sent)
    assert isinstance(post.mails[0].content, bytes)
    assert message_from_bytes(post.mails[0].content)["bcc"] is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_a_password_goes_through_tls_only_to_a_server_that_is_known(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    how = {
        "tls_context": server_side,
        "require_starttls": True,
        "authenticator": log_in,
        "auth_required": True,
    }
    async with mail_server(**how) as (post, port):
        safe = config(port, security=MailSecurity.STARTTLS, username="bot", password="geheim")
        with pytest.raises(NotDeliveredError, match="certificate"):
            await Sender(Registry().opened).send(channel(ChannelKind.EMAIL, safe), message())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await Sender(Registry().opened).send(channel(ChannelKind.EMAIL, safe), message())
        assert len(post.mails) == 1
        wrong = config(port, security=MailSecurity.STARTTLS, username="bot", password="x")
        with pytest.raises(RefusedDeliveryError, match="535"):
            await Sender(Registry().opened).send(channel(ChannelKind.EMAIL, wrong), message())
        assert len(post.mails) == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [("450 later", NotDeliveredError), ("550 unknown", RefusedDeliveryError)],
)
async def test_a_mail_server_says_whether_to_try_again(said: str, kind: type[Exception]) -> None:
    async with mail_server() as (post, port):
        post.refuse = said
        with pytest.raises(kind, match=said):
            await Sender(Registry().opened).send(
                channel(ChannelKind.EMAIL, config(port)), message()
            )


async def test_no_mail_server() -> None:
    with pytest.raises(NotDeliveredError, match="refused"):
        await Sender(Registry().opened).send(channel(ChannelKind.EMAIL, config(1)), message())
