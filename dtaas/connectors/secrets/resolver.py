"""Puts secrets in the place of references, when a connection is about to be made."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
from anyio import fail_after

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.secrets.local import EnvironmentSecrets, FileSecrets
from dtaas.connectors.secrets.vault import VaultSecrets
from dtaas.model.connectors import ConnectionConfig, secret_fields
from dtaas.model.errors import DtaasError, SecretMissingError, SecretStoreUnavailableError
from dtaas.model.secret_references import SecretReference, SecretScheme, parse_secret
from dtaas.settings import SecretsSettings

C = TypeVar("C", bound=ConnectionConfig)
LIMIT_S: Final = 20.0


class SecretSource(Protocol):
    """One kind of place secrets are kept in."""

    async def read(self, reference: SecretReference) -> str:
        """Return the secret.

        Raises:
            SecretMissingError: there is none, or it may not be read.
            SecretStoreUnavailableError: the place does not answer.
        """
        ...


class _Later:
    """A place whose libraries are read when it is first asked: a tenth of the daemon's start."""

    def __init__(self, make: Callable[[], SecretSource]) -> None:
        self._make: Final = make
        self._blocking: Final = Blocking(1)
        self._source: SecretSource | None = None

    async def read(self, reference: SecretReference) -> str:
        """Return the secret."""
        if self._source is None:
            self._source = await self._blocking(self._make)
        return await self._source.read(reference)


def _aws(settings: SecretsSettings) -> SecretSource:
    from dtaas.connectors.secrets.aws import AwsSecrets  # noqa: PLC0415

    return AwsSecrets(settings)


class SecretResolver:
    """Looks references up. What it finds is kept nowhere."""

    def __init__(
        self,
        settings: SecretsSettings,
        environ: Mapping[str, str],
        *,
        key_file: Path | None = None,
    ) -> None:
        """Prepare; nothing is asked before a reference is met.

        Args:
            key_file: the store's own key, which no reference may point to.
        """
        self._sources: Final[dict[SecretScheme, SecretSource]] = {
            SecretScheme.ENV: EnvironmentSecrets(settings, environ),
            SecretScheme.FILE: FileSecrets(settings, environ, key_file),
            SecretScheme.AWS: _Later(partial(_aws, settings)),
            SecretScheme.VAULT: VaultSecrets(settings),
        }

    async def resolve(self, config: C) -> C:
        """Return `config` with values for references.

        Raises:
            SecretMissingError: a reference points to nothing, or to what may not be read.
            SecretStoreUnavailableError: the service that keeps it does not answer.
        """
        values: dict[str, str] = {}
        for name in sorted(secret_fields(type(config))):
            held = parse_secret(getattr(config, name))
            if isinstance(held, SecretReference):
                values[name] = await self._read(name, held)
            elif held != getattr(config, name):
                values[name] = held
        return msgspec.structs.replace(config, **values) if values else config

    async def _read(self, name: str, reference: SecretReference) -> str:
        field = f"$.connection_config.{name}"
        try:
            with fail_after(LIMIT_S):
                value = await self._sources[reference.scheme].read(reference)
        except TimeoutError as exc:
            raise SecretStoreUnavailableError(
                f"Reading {name} from {reference} took over {LIMIT_S:g} s.", field=field
            ) from exc
        except DtaasError as error:
            error.field = error.field or field
            raise
        if not value:
            raise SecretMissingError(
                f"{reference} is empty.", hint=f"Put the {name} there.", field=field
            )
        return value
