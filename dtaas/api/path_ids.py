"""Ids in paths: any whole number, though no object has one beyond 64 bits."""

from typing import Final

from dtaas.model.drift import SchemaChangeId
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.verification import VerificationId

_MOST: Final = 2**63 - 1


def connector_id_of(number: int) -> ConnectorId:
    """Return the number as an id, or raise NotFoundError."""
    return ConnectorId(_checked("connector", number))


def task_id_of(number: int) -> TaskId:
    """Return the number as an id, or raise NotFoundError."""
    return TaskId(_checked("task", number))


def execution_id_of(number: int) -> ExecutionId:
    """Return the number as an id, or raise NotFoundError."""
    return ExecutionId(_checked("execution", number))


def verification_id_of(number: int) -> VerificationId:
    """Return the number as an id, or raise NotFoundError."""
    return VerificationId(_checked("verification", number))


def schema_change_id_of(number: int) -> SchemaChangeId:
    """Return the number as an id, or raise NotFoundError."""
    return SchemaChangeId(_checked("schema change", number))


def alert_id_of(what: str, number: int) -> int:
    """Return the number as the id of an alert's rule, channel or event, or raise NotFoundError."""
    return _checked(f"alert {what}", number)


def identity_id_of(what: str, number: int) -> int:
    """Return the number as the id of a user, session or API token, or raise NotFoundError."""
    return _checked(what, number)


def _checked(what: str, number: int) -> int:
    if not 0 < number <= _MOST:
        raise NotFoundError(f"There is no {what} {number}.")
    return number
