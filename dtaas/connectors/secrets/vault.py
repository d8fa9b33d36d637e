"""Secrets in HashiCorp Vault's key-value store, version 2, read with a token or an AppRole."""

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
from anyio import current_time

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import SecretMissingError, SecretStoreUnavailableError
from dtaas.model.secret_references import SecretReference
from dtaas.settings import SecretsSettings

_LIMIT_S: Final = 10.0
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_PASSING: Final = frozenset({408, 412, 429, 472, 473})
_LOGIN: Final = "Logging in to Vault with the AppRole"
_EARLY: Final = 0.8
"""A token is used for this part of its life."""


class VaultSecrets:
    """`${vault:path#key}`: the path below the mount, and a key of the newest version."""

    def __init__(self, settings: SecretsSettings) -> None:
        self._settings = settings
        self._blocking = Blocking(1)
        self._token = ""
        self._until = 0.0

    async def read(self, reference: SecretReference) -> str:
        """Return one key of the secret's newest version."""
        settings = self._settings
        if not settings.vault_address:
            raise SecretMissingError(
                f"{reference} cannot be asked for: there is no Vault.",
                hint="Set [secrets] vault_address and vault_token_file or vault_role_id.",
            )
        path = "/".join(quote(part, safe="") for part in reference.name.strip("/").split("/"))
        where = f"/v1/{settings.vault_mount.strip('/')}/data/{path}"
        async with await self._client() as client:
            token = await self._login(client)
            answer = await _ask(client, f"{reference}", "GET", where, token=token)
            if answer.status_code == _FORBIDDEN and settings.vault_role_id:
                self._token = ""  # revoked before its time
                token = await self._login(client)
                answer = await _ask(client, f"{reference}", "GET", where, token=token)
        if answer.status_code == _NOT_FOUND:
            raise SecretMissingError(
                f"{reference}: Vault has no such secret, or its newest version was deleted.",
                hint=f"vault kv get -mount={settings.vault_mount} {reference.name.strip('/')}",
            )
        _require(answer, f"{reference}")
        held = _dict(_dict(_json(answer).get("data")).get("data"))
        value = held.get(reference.key)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise SecretMissingError(f"{reference}: the secret has no text under that key.")
        return str(value)

    async def _login(self, client: httpx.AsyncClient) -> str:
        """Return a token: the one of the settings, or an AppRole's while it lasts."""
        settings = self._settings
        if not settings.vault_role_id:
            token = settings.vault_token or await self._file(settings.vault_token_file)
            if not token:
                raise SecretMissingError(
                    "The daemon has no token for Vault.",
                    hint="Set [secrets] vault_token_file, or vault_role_id and a secret id.",
                )
            return token
        if self._token and current_time() < self._until:
            return self._token
        body = {
            "role_id": settings.vault_role_id,
            "secret_id": settings.vault_secret_id
            or await self._file(settings.vault_secret_id_file),
        }
        where = f"/v1/auth/{settings.vault_approle_mount.strip('/')}/login"
        answer = await _ask(client, _LOGIN, "POST", where, body=body)
        _require(answer, _LOGIN)
        auth = _dict(_json(answer).get("auth"))
        self._token = str(auth.get("client_token") or "")
        lasts = float(auth.get("lease_duration") or 0)
        self._until = current_time() + lasts * _EARLY if lasts else float("inf")
        return self._token

    async def _client(self) -> httpx.AsyncClient:
        authorities = self._settings.vault_ca_file
        namespace = self._settings.vault_namespace
        verify: ssl.SSLContext | bool = True
        if self._settings.vault_address.startswith("https://"):
            verify = await self._blocking(_context, authorities)
        return httpx.AsyncClient(
            base_url=self._settings.vault_address,
            headers={
                "X-Vault-Request": "true",
                **({"X-Vault-Namespace": namespace} if namespace else {}),
            },
            timeout=_LIMIT_S,
            follow_redirects=False,  # a token goes nowhere else
            trust_env=False,
            verify=verify,
        )

    async def _file(self, path: str) -> str:
        if not path:
            return ""
        try:
            return (await self._blocking(Path(path).read_text, "utf-8")).strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise SecretMissingError(
                f"{path} cannot be read, so there is no way into Vault.",
                hint="Let the daemon's user read it, or correct the [secrets] section.",
            ) from exc


async def _ask(
    client: httpx.AsyncClient,
    what: str,
    method: str,
    where: str,
    *,
    token: str = "",
    body: dict[str, str] | None = None,
) -> httpx.Response:
    headers = {"X-Vault-Token": token} if token else {}
    try:
        return await client.request(method, where, headers=headers, json=body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        raise SecretStoreUnavailableError(
            f"{what}: Vault at {client.base_url} does not answer ({type(exc).__name__}).",
            hint="Look at the network, its certificate and [secrets] vault_address.",
        ) from exc


def _context(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except OSError as exc:
        raise SecretMissingError(
            f"{authorities} is not a file of certificates.", hint="Correct [secrets] vault_ca_file."
        ) from exc


def _require(answer: httpx.Response, what: str) -> None:
    """Refuse an answer that is none. What Vault says in it is not repeated."""
    status = answer.status_code
    if answer.is_success:
        return
    if status in _PASSING or status >= _SERVER_ERROR:
        raise SecretStoreUnavailableError(
            f"{what}: Vault answered {status}.", hint="It may be sealed: vault status"
        )
    raise SecretMissingError(
        f"{what}: Vault refused with {status}.",
        hint="Its policy must let the daemon read the path; look at the token or role.",
    )


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        return _dict(answer.json())
    except ValueError:
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
