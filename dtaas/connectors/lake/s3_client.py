"""The one place that builds S3 clients: credentials, endpoint, retries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioDeferredRefreshableCredentials,
)
from aiobotocore.session import AioSession
from botocore.handlers import add_expect_header
from botocore.loaders import Loader, create_loader
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.connectors import BucketConfig, S3Credentials
from dtaas.model.errors import AuthenticationError

POOL_CONNECTIONS: Final = 24
_SESSION_NAME: Final = "dtaas"
_SERVICES: Final = ("s3", "sts", "sso", "oidc")
"""Those asked for objects and for credentials."""
_THREAD: Final = Blocking(1)


class ClientLimits(Struct, frozen=True, kw_only=True):
    """How long a client tries.

    Attributes:
        attempts: of each request, the first included; the engine repeats the chunk above that.
        read_s: without a byte from the server, once the request is sent.
        request_s: for a request with all its attempts.
    """

    attempts: int = 5
    connect_s: float = 10
    read_s: float = 60
    request_s: float = 300


PATIENT: Final = ClientLimits()
QUICK: Final = ClientLimits(attempts=2, connect_s=5, read_s=10)


@asynccontextmanager
async def s3_client(config: BucketConfig, limits: ClientLimits = PATIENT) -> AsyncIterator[Any]:
    """Open a client for the connector's bucket.

    Raises:
        AuthenticationError: there are no credentials to sign with.
    """
    session = AioSession()
    session.register_component("data_loader", await _THREAD(descriptions))
    if config.credentials is not S3Credentials.INSTANCE and config.access_key_id:
        session.set_credentials(
            config.access_key_id, config.secret_access_key, config.session_token or None
        )
    elif config.credentials is S3Credentials.STATIC:
        raise AuthenticationError(
            "The connector has no access key id.",
            hint="Give access_key_id and secret_access_key, or use an instance profile.",
            field="$.connection_config.access_key_id",
        )
    if config.credentials is S3Credentials.ASSUME_ROLE:
        await _assume_role(session, config)
    client = aioboto3.Session(botocore_session=session).client(
        "s3",
        region_name=config.region,
        endpoint_url=config.endpoint_url or None,
        # Without TLS there is nothing to verify, and no need to read every certificate authority.
        verify=False if config.endpoint_url.startswith("http://") else None,
        config=_client_config(config, limits),
    )
    async with client as s3:
        # Waiting to be told to go on costs each part a round trip, and where the connection has
        # gone meanwhile aiohttp loses the error.
        s3.meta.events.unregister("before-call.s3", add_expect_header)
        yield s3


@cache
def descriptions() -> Loader:
    """Return botocore's descriptions of S3: read once, in a thread, for every client.

    A client of its own would read them on the event loop, a tenth of a second each time.
    """
    loader: Loader = create_loader()
    for name in ("partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    for partition in loader.load_data("endpoints")["partitions"]:
        services = partition["services"]  # hundreds: 7 MB for good
        partition["services"] = {s: services[s] for s in _SERVICES if s in services}
    for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
        loader.load_service_model("s3", kind)
    return loader


def _client_config(config: BucketConfig, limits: ClientLimits) -> AioConfig:
    style = "path" if config.endpoint_url else "auto"
    return AioConfig(
        signature_version="s3v4",
        region_name=config.region,
        retries={"mode": "standard", "total_max_attempts": limits.attempts},
        connect_timeout=limits.connect_s,
        read_timeout=limits.read_s,
        tcp_keepalive=True,
        max_pool_connections=POOL_CONNECTIONS,
        # Every body carries a signed CRC-32 made in a thread. Hashing it once more for the
        # signature, on the event loop, would stall the loop for 20 ms per part.
        s3={"addressing_style": style, "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


async def _assume_role(session: AioSession, config: BucketConfig) -> None:
    """Make `session` sign with a role's credentials, fetched when needed and before they end."""
    source = await session.get_credentials()
    if source is None:
        raise AuthenticationError(
            "There are no credentials to assume the role with.",
            hint="Give access_key_id and secret_access_key, or run with an instance profile.",
            field="$.connection_config.role_arn",
        )

    def client(service: str, **keys: Any) -> Any:
        return session.create_client(
            service,
            region_name=config.region,
            endpoint_url=config.endpoint_url or None,  # S3-compatible servers answer STS as well
            config=AioConfig(connect_timeout=QUICK.connect_s, read_timeout=QUICK.read_s),
            **keys,
        )

    extra = {"RoleSessionName": _SESSION_NAME}
    if config.external_id:
        extra["ExternalId"] = config.external_id
    fetcher = AioAssumeRoleCredentialFetcher(client, source, config.role_arn, extra_args=extra)
    session._credentials = AioDeferredRefreshableCredentials(  # noqa: SLF001 - no public way in botocore
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )
