"""Every error of the API as one shape: RFC 9457 with the codes of the one vocabulary."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from msgspec import UNSET, Struct, UnsetType

from dtaas.model.errors import (
    DestinationInUseError,
    DtaasError,
    FatalError,
    RequestError,
    RetryableError,
    StoreCorruptError,
    TargetCollisionError,
    TimedOutError,
    TooManyAttemptsError,
)
from dtaas.model.task import TaskAction, TaskStatus
from dtaas.services.control import TaskActionRefusedError
from dtaas.services.dead_letter_edits import ValueProblem, ValuesRefusedError
from dtaas.services.taskfiles.shapes import FileProblem, ImportRefusedError

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
_LOOKED_AT_FIRST: Final[tuple[tuple[type[DtaasError], int], ...]] = (
    (DestinationInUseError, HTTPStatus.CONFLICT),
    (TargetCollisionError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TimedOutError, HTTPStatus.GATEWAY_TIMEOUT),
    (RetryableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreCorruptError, HTTPStatus.SERVICE_UNAVAILABLE),
    (FatalError, HTTPStatus.BAD_GATEWAY),
)
"""What the other side said, through us: a gateway's errors."""
_CODES: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """An error as it leaves the API.

    Attributes:
        type: always `about:blank`: `code` says which error it is.
        code: stable label, the same in the log and at the command line.
        detail: what is wrong, in one sentence.
        hint: what to do, empty when there is nothing to do.
        field: JSON path of the offending input, null when it is not about one.
        request_id: to find the request in the log.
        task_status: state of the task, when that state forbade the action.
        allowed_actions: the actions it allows.
        problems: everything that is wrong with a file.
        values: every value of edited rows that was not taken, and why.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    field: str | None = None
    request_id: str
    task_status: TaskStatus | UnsetType = UNSET
    allowed_actions: tuple[TaskAction, ...] | UnsetType = UNSET
    problems: tuple[FileProblem, ...] | UnsetType = UNSET
    values: tuple[ValueProblem, ...] | UnsetType = UNSET


class MalformedBodyError(RequestError):
    """The body is not JSON."""

    code = "malformed_json"


class ClientGoneError(RequestError):
    """The client left in the middle of its request."""

    code = "client_gone"


class UnsupportedMediaTypeError(RequestError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"
    status = 415


class HostNotAllowedError(RequestError):
    """The request names a host that is not ours: a sign of DNS rebinding."""

    code = "host_not_allowed"
    status = 421


class OriginNotAllowedError(RequestError):
    """A page of another site tried to change something."""

    code = "origin_not_allowed"
    status = 403


def problem_of(error: DtaasError, request_id: str) -> Problem:
    """Return an error of ours as a problem."""
    status = status_of(error)
    refused = error if isinstance(error, TaskActionRefusedError) else None
    return Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=error.code,
        detail=error.detail,
        hint=error.hint,
        field=error.field,
        request_id=request_id,
        task_status=refused.task_status if refused else UNSET,
        allowed_actions=refused.allowed if refused else UNSET,
        problems=error.problems if isinstance(error, ImportRefusedError) else UNSET,
        values=error.values if isinstance(error, ValuesRefusedError) else UNSET,
    )


def status_of(error: DtaasError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    for kind, status in _LOOKED_AT_FIRST:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def answer_error(request: Request[Any, Any, Any], exc: Exception) -> Response[Problem]:
    """Answer any exception with a problem. What we did not foresee is logged, never shown."""
    request_id = request.scope["state"].get("request_id", "")
    headers: dict[str, str] = {}
    match exc:
        case DtaasError():
            problem = problem_of(exc, request_id)
            if isinstance(exc, TooManyAttemptsError):
                headers = {"retry-after": str(round(exc.retry_after_s))}
            if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("request_failed", code=exc.code, error=exc.detail)
        case MethodNotAllowedException():
            headers = {"allow": (exc.headers or {}).get("allow", "")}
            problem = _of_status(
                exc.status_code,
                f"{request.method} is not possible here.",
                request_id,
                hint=f"Possible: {headers['allow']}.",
            )
        case ValidationException():
            problem = _of_parameter(exc, request_id)
        case HTTPException() if exc.status_code in _CODES:
            problem = _of_status(exc.status_code, _sentence(exc, request), request_id)
        case _:
            log.error("request_crashed", exc_info=exc)
            problem = _of_status(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "The daemon met an error it did not expect.",
                request_id,
                hint="Its log says more under this request_id; please report it.",
            )
    return Response(
        content=problem, status_code=int(problem.status), media_type=MEDIA_TYPE, headers=headers
    )


def _sentence(exc: HTTPException, request: Request[Any, Any, Any]) -> str:
    match exc.status_code:
        case HTTPStatus.NOT_FOUND:
            return f"There is nothing at {request.scope['path']}."
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "The body is larger than [api] max_body_mb allows."
        case _:
            return exc.detail


def _of_parameter(exc: ValidationException, request_id: str) -> Problem:
    """Return what Litestar found wrong with path, query or a body that is missing."""
    found = exc.extra if isinstance(exc.extra, list) else []
    first: Mapping[str, Any] = found[0] if found else {}
    key = str(first.get("key", ""))
    if key == "data":
        return _of_status(
            HTTPStatus.UNPROCESSABLE_ENTITY, "A JSON body is required.", request_id, field="$"
        )
    return _of_status(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{first.get('message', exc.detail)} at {key}." if key else exc.detail,
        request_id,
        field=f"$.{key}" if key else None,
    )


def _of_status(
    status: int, detail: str, request_id: str, *, hint: str = "", field: str | None = None
) -> Problem:
    codes = {**_CODES, HTTPStatus.UNPROCESSABLE_ENTITY: "validation_failed"}
    return Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=codes.get(status, "internal"),
        detail=detail,
        hint=hint,
        field=field,
        request_id=request_id,
    )
