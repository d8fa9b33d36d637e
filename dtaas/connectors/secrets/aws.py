"""Secrets in AWS Secrets Manager, read with the credentials the machine has."""

from typing import Any, Final

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.loaders import Loader, create_loader

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import DtaasError, SecretMissingError, SecretStoreUnavailableError
from dtaas.model.secret_references import SecretReference
from dtaas.settings import SecretsSettings

_SERVICE: Final = "secretsmanager"
_CONNECT_S: Final = 5
_READ_S: Final = 10
_ATTEMPTS: Final = 2
_PASSING: Final = frozenset(
    {
        "InternalServiceError",
        "ThrottlingException",
        "Throttling",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
_SERVER_ERROR: Final = 500


class AwsSecrets:
    """`${aws-sm:name#key}`: `name` or ARN of a secret, and a key of the JSON object it is."""

    def __init__(self, settings: SecretsSettings) -> None:
        self._settings = settings
        self._blocking = Blocking(1)
        self._loader: Loader | None = None

    async def read(self, reference: SecretReference) -> str:
        """Return the secret's value, or one key of it."""
        session: Any = AioSession()
        if self._loader is None:
            self._loader = await self._blocking(_descriptions)
        session.register_component("data_loader", self._loader)
        try:
            async with session.create_client(
                _SERVICE,
                region_name=self._settings.aws_region or None,
                endpoint_url=self._settings.aws_endpoint_url or None,
                config=AioConfig(
                    connect_timeout=_CONNECT_S,
                    read_timeout=_READ_S,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                ),
            ) as client:
                answer = await client.get_secret_value(SecretId=reference.name)
        except ClientError as exc:
            raise _refused(reference, exc) from exc
        except (NoCredentialsError, NoRegionError) as exc:
            raise SecretMissingError(
                f"{reference} cannot be asked for: the daemon has no AWS credentials or region.",
                hint="Give it an instance profile or AWS_* variables, and [secrets] aws_region.",
            ) from exc
        except (BotoCoreError, OSError) as exc:
            raise SecretStoreUnavailableError(
                f"{reference}: AWS Secrets Manager does not answer ({type(exc).__name__}).",
                hint="Look at the network, and at [secrets] aws_region and aws_endpoint_url.",
            ) from exc
        return _value(reference, answer.get("SecretString"))


def _descriptions() -> Loader:
    """Read what botocore knows of the service; in a thread, for it takes a tenth of a second."""
    loader: Loader = create_loader()
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model(_SERVICE, kind)
    return loader


def _refused(reference: SecretReference, exc: ClientError) -> DtaasError:
    answer: dict[str, Any] = dict(exc.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _PASSING or status >= _SERVER_ERROR:
        return SecretStoreUnavailableError(
            f"{reference}: AWS Secrets Manager answered {code or status}."
        )
    if code == "ResourceNotFoundException":
        return SecretMissingError(
            f"{reference}: AWS Secrets Manager has no such secret.",
            hint="Look at its name, its region ([secrets] aws_region) and its account.",
        )
    return SecretMissingError(
        f"{reference}: AWS Secrets Manager refused with {code}.",
        hint="The daemon's role needs secretsmanager:GetSecretValue, and kms:Decrypt for its key.",
    )


def _value(reference: SecretReference, text: str | None) -> str:
    if text is None:
        raise SecretMissingError(f"{reference} is binary; a text is wanted.")
    if not reference.key:
        return text
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise SecretMissingError(
            f"{reference}: the secret is not a JSON object, so it has no keys.",
            hint="Leave #key out to take all of it.",
        ) from None
    value = found.get(reference.key)
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise SecretMissingError(f"{reference}: the secret has no text under that key.")
    return str(value)
