"""Connection configurations as users send them: checked by product, secrets write-only."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dtaas.model.connectors import (
    ENDPOINT_FIELDS,
    ConnectionConfig,
    decode_config,
    redacted,
    secret_fields,
)
from dtaas.model.errors import SecretRequiredError
from dtaas.services.refusal import refusal

AT = "$.connection_config"


def new_config(data: Mapping[str, Any], config_type: type[ConnectionConfig]) -> ConnectionConfig:
    """Return a new connector's configuration.

    Raises:
        ValidationFailedError: with the path of the first mistake.
    """
    try:
        return decode_config(data, config_type)
    except msgspec.ValidationError as exc:
        raise refusal(exc, at=AT) from exc


def changed_config(old: ConnectionConfig, data: Mapping[str, Any]) -> ConnectionConfig:
    """Return a stored connector's new configuration; a secret that is left out keeps its value.

    A secret is only ever sent where its owner sent it: when a field that says where the connection
    goes, or how safely, changes, every stored secret must be given again.

    Raises:
        ValidationFailedError: with the path of the first mistake.
        SecretRequiredError: naming the first secret that is missing.
    """
    kept = {
        name: getattr(old, name)
        for name in sorted(secret_fields(type(old)))
        if name not in data and getattr(old, name)
    }
    config = new_config({**data, **kept}, type(old))
    moved = sorted(
        name
        for name in ENDPOINT_FIELDS.intersection(old.__struct_fields__)
        if getattr(old, name) != getattr(config, name)
    )
    if moved and kept:
        secret = next(iter(kept))
        raise SecretRequiredError(
            f"{' and '.join(moved)} changed, so {secret} must be given again.",
            hint="A stored secret is never sent to another place than the one it was given for.",
            field=f"{AT}.{secret}",
        )
    return config


def only_secrets_differ(old: ConnectionConfig, new: ConnectionConfig) -> bool:
    """Return whether the two say the same but for their secrets."""
    return redacted(old) == redacted(new)
