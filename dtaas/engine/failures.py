"""From an exception, or a group of them, to the one error that explains what happened."""

from collections.abc import Iterator

from anyio import BrokenResourceError, ClosedResourceError

from dtaas.model.errors import Action, DtaasError

_ECHOES = (BrokenResourceError, ClosedResourceError)
"""A neighbour died and closed the channel: a symptom, never the cause."""
_SEVERITY = (Action.RETRY, Action.BUG, Action.FAIL)


class InternalError(DtaasError):
    """An exception nobody translated: a bug of ours."""

    code = "internal"
    action = Action.BUG


def explain(exc: BaseException) -> DtaasError:
    """Return the gravest cause among the leaves of `exc`, as one of our errors.

    A foreign exception becomes an `InternalError` that names its type and text, so that the person
    who reports it can quote something.
    """
    causes = [leaf for leaf in _leaves(exc) if not isinstance(leaf, _ECHOES)]
    errors = [cause if isinstance(cause, DtaasError) else _internal(cause) for cause in causes]
    if not errors:
        return _internal(exc)
    return max(errors, key=lambda error: _SEVERITY.index(error.action))


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _leaves(inner)
    else:
        yield exc


def _internal(exc: BaseException) -> InternalError:
    error = InternalError(
        f"{type(exc).__name__}: {exc}",
        hint="This is a defect of DTaaS: report it with the daemon's log of this moment.",
    )
    error.__cause__ = exc
    return error
