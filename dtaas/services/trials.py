"""Testing a connector that is not stored yet, each step told as it ends."""

from datetime import datetime
from typing import Final

from anyio import current_time, move_on_after

from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.connectors import Connector, ConnectorRole
from dtaas.model.errors import DtaasError, ValidationFailedError
from dtaas.model.ids import ConnectorId
from dtaas.model.ports import ConnectorRegistry, Destination, Source
from dtaas.services.connection_config import changed_config, new_config
from dtaas.services.connector_spec import ConnectorSpec
from dtaas.services.connectors import SECRET_ERRORS, TEST_LIMIT_S, failed_secrets
from dtaas.store.connectors import ConnectorRepository

_CLOSE_LIMIT_S: Final = 10.0
_NOT_STORED: Final = ConnectorId(0)


class Trial:
    """A test that is about to be made."""

    def __init__(self, connector: Connector, registry: ConnectorRegistry, limit_s: float) -> None:
        self._connector = connector
        self._registry = registry
        self._limit_s = limit_s

    async def run(self, on_step: OnStep) -> None:
        """Connect and look, telling each step; an error is a step too."""
        began = current_time()
        report: CheckReport | None = None
        try:
            built = self._built(await self._registry.resolved(self._connector))
        except SECRET_ERRORS as error:
            on_step(failed_secrets(error))
            return
        except DtaasError as error:
            on_step(_failed("driver", error.detail, error.hint, error.code, current_time() - began))
            return
        try:
            with move_on_after(self._limit_s):
                report = await built.check(on_step)
        except DtaasError as error:
            on_step(_failed("test", error.detail, error.hint, error.code, current_time() - began))
            return
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await built.aclose()
        if report is None:
            detail = f"The test was ended after {self._limit_s:g} s without an answer."
            fix = "Look at the last step above: what follows it does not answer."
            on_step(_failed("time_limit", detail, fix, "timed_out", current_time() - began))

    def _built(self, connector: Connector) -> Source | Destination:
        if connector.role is ConnectorRole.SOURCE:
            return self._registry.source(connector)
        return self._registry.destination(connector, task_name="test", database="test")


class ConnectorTrials:
    """Builds what a user wrote down, without storing it."""

    def __init__(
        self,
        connectors: ConnectorRepository,
        registry: ConnectorRegistry,
        *,
        limit_s: float = TEST_LIMIT_S,
    ) -> None:
        self._connectors = connectors
        self._registry = registry
        self._limit_s = limit_s

    async def begin(
        self, spec: ConnectorSpec, stored: ConnectorId | None, moment: datetime
    ) -> Trial:
        """Return the test of a connector as it would be saved.

        Args:
            stored: the connector whose change is tried; secrets left out are taken from it, with
                the same care as when it is saved.

        Raises:
            ValidationFailedError: unknown product, or its configuration is wrong.
            SecretRequiredError: the place changed and a secret was left out.
            NotFoundError: no such connector.
        """
        role, kind = spec.product()
        config_type = self._registry.type_of(role, kind).config_type
        if stored is None:
            config = new_config(spec.connection_config, config_type)
        else:
            old = await self._connectors.get(stored)
            if (old.role, old.kind) != (role, kind):
                raise ValidationFailedError(
                    f"Connector {old.name!r} is a {old.role} of type {old.kind}.",
                    field=f"$.{role}_type",
                )
            config = changed_config(old.config, spec.connection_config)
        connector = Connector(
            id=stored or _NOT_STORED,
            name=spec.name,
            description=spec.description,
            role=role,
            kind=kind,
            config=config,
            is_active=True,
            created_at=moment,
            updated_at=moment,
        )
        return Trial(connector, self._registry, self._limit_s)


def _failed(name: str, detail: str, fix: str, code: str, took_s: float) -> CheckStep:
    return CheckStep(
        name=name, status=StepStatus.FAILED, detail=detail, fix=fix, code=code, took_s=took_s
    )
