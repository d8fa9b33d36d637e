"""A connector as a user writes it down, and what is stored of it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from dtaas.model.connectors import ConnectionConfig, Connector, ConnectorRole
from dtaas.model.errors import PlaceNotAllowedError, ValidationFailedError
from dtaas.model.ports import ConnectorRegistry
from dtaas.services.connection_config import changed_config, new_config
from dtaas.store.connectors import ConnectorChange, ConnectorDraft


class ConnectorSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user writes down: the body of `POST` and `PUT /api/connectors/`.

    Attributes:
        source_type: product of a source; exactly one of the two types is given.
        destination_type: product of a destination.
        connection_config: the product's fields. In a `PUT`, a secret left out keeps its value.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=10_000)] = ""
    connector_type: ConnectorRole | None = None
    source_type: str | None = None
    destination_type: str | None = None
    connection_config: dict[str, Any]
    is_active: bool = True

    def product(self) -> tuple[ConnectorRole, str]:
        """Return role and kind.

        Raises:
            ValidationFailedError: none or both types are given, or they deny `connector_type`.
        """
        given = [
            (role, kind)
            for role, kind in (
                (ConnectorRole.SOURCE, self.source_type),
                (ConnectorRole.DESTINATION, self.destination_type),
            )
            if kind is not None
        ]
        if len(given) != 1:
            raise ValidationFailedError(
                "A connector has either a source_type or a destination_type.",
                hint="Give exactly one of the two.",
                field="$.destination_type" if given else "$.source_type",
            )
        role, kind = given[0]
        if self.connector_type not in {None, role}:
            raise ValidationFailedError(
                f"connector_type is {self.connector_type}, but a {role}_type is given.",
                field="$.connector_type",
            )
        return role, kind


def drafted_connector(spec: ConnectorSpec, registry: ConnectorRegistry) -> ConnectorDraft:
    """Return a new connector as it would be stored.

    Raises:
        ValidationFailedError: unknown product, or its configuration is wrong.
    """
    role, kind = spec.product()
    config = new_config(spec.connection_config, registry.type_of(role, kind).config_type)
    admit(config, registry)
    return ConnectorDraft(
        name=spec.name,
        description=spec.description,
        role=role,
        kind=kind,
        config=config,
        is_active=spec.is_active,
    )


def changed_connector(
    old: Connector, spec: ConnectorSpec, registry: ConnectorRegistry
) -> ConnectorChange:
    """Return what becomes of a stored connector; a secret that is left out keeps its value.

    Raises:
        ValidationFailedError: the configuration is wrong, or the product differs.
        SecretRequiredError: the place changed and a secret was left out.
    """
    if spec.product() != (old.role, old.kind):
        raise ValidationFailedError(
            f"Connector {old.name!r} is a {old.role} of type {old.kind}; that cannot change.",
            hint="Create another connector.",
            field=f"$.{old.role}_type",
        )
    config = changed_config(old.config, spec.connection_config)
    admit(config, registry)
    return ConnectorChange(
        name=spec.name,
        description=spec.description,
        config=config,
        is_active=spec.is_active,
    )


def admit(config: ConnectionConfig, registry: ConnectorRegistry) -> None:
    """Refuse a configuration that leads where connectors may not reach.

    Raises:
        ValidationFailedError: names the field.
    """
    try:
        registry.admit(config)
    except PlaceNotAllowedError as error:
        raise ValidationFailedError(error.detail, hint=error.hint, field=error.field) from error
