"""A client of the daemon over its admin socket."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec
from msgspec import Struct

from dtaas.model import errors
from dtaas.model.errors import DtaasError, FatalError

T = TypeVar("T")

_BASE: Final = "http://dtaas"
_CONNECT_LIMIT_S: Final = 5.0
_TIMEOUT: Final = httpx.Timeout(75.0, connect=_CONNECT_LIMIT_S)
"""Longer than the longest answer the daemon allows itself: a connector's test of a minute."""


class DaemonUnreachableError(FatalError):
    """No daemon answers at the admin socket."""

    code = "daemon_unreachable"


class DaemonRefusedError(FatalError):
    """The daemon answered with an error this client has no name for.

    Attributes:
        code: the daemon's own.
    """

    def __init__(self, code: str, detail: str, *, hint: str, field: str | None) -> None:
        super().__init__(detail, hint=hint, field=field)
        self.code = code  # type: ignore[misc] # of this one error, not of the kind


class _Problem(Struct, frozen=True):
    """What this client reads of an error."""

    code: str
    detail: str
    hint: str = ""
    field: str | None = None


_KINDS: Final[Mapping[str, type[DtaasError]]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DtaasError)
}


class AdminClient:
    """Asks the daemon. A context manager; used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)), base_url=_BASE, timeout=_TIMEOUT
        )

    @property
    def path(self) -> Path:
        """Return the path of the admin socket."""
        return self._path

    def __enter__(self) -> Self:
        """Return itself.

        Raises:
            DaemonUnreachableError: nobody answers.
        """
        # Asked here first: httpx forgets to close a Unix socket that did not connect.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_CONNECT_LIMIT_S)
            try:
                probe.connect(str(self._path))
            except OSError as exc:
                self._http.close()
                raise unreachable(self._path, exc) from exc
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, shape: type[T], **parameters: str | float | Sequence[str]) -> T:
        """Return what the daemon answers to a GET.

        Args:
            shape: what the answer is decoded as.

        Raises:
            DaemonUnreachableError: nobody answers.
            DtaasError: what the daemon refused, as the same kind of error.
        """
        with self._asking():
            answer = self._http.get(path, params=parameters)
        return _decoded(answer, shape)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        shape: type[T],
        *,
        revision: str | None = None,
    ) -> T:
        """Return what the daemon answers to a POST; see `get`.

        Args:
            revision: sent as If-Match.
        """
        headers = {} if revision is None else {"if-match": f'"{revision}"'}
        with self._asking():
            answer = self._http.post(path, json=body, headers=headers)
        return _decoded(answer, shape)

    def put(self, path: str, body: Mapping[str, Any], shape: type[T]) -> T:
        """Return what the daemon answers to a PUT; see `get`."""
        with self._asking():
            answer = self._http.put(path, json=body)
        return _decoded(answer, shape)

    def raw(self, path: str, **parameters: str | float | Sequence[str]) -> bytes:
        """Return the body the daemon answers to a GET; see `get`."""
        with self._asking():
            answer = self._http.get(path, params=parameters)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise _error(answer)
        return answer.content

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as exc:
            raise unreachable(self._path, exc) from exc


def unreachable(path: Path, exc: Exception) -> DaemonUnreachableError:
    """Return the error for a daemon that does not answer."""
    if isinstance(exc, PermissionError):
        return DaemonUnreachableError(
            f"You may not use the daemon's socket {path}.",
            hint="Be its user, or a member of its group (dtaas, where there is one).",
        )
    why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return DaemonUnreachableError(
        f"No daemon answers at {path}: {why}.",
        hint="Start it with: dtaas serve. If it runs elsewhere, name its socket with --socket.",
    )


def _decoded(answer: httpx.Response, shape: type[T]) -> T:
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise _error(answer)
    return msgspec.json.decode(answer.content or b"null", type=shape)


def _error(answer: httpx.Response) -> DtaasError:
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        return FatalError(
            f"The daemon answered {answer.status_code} without saying why.",
            hint="Look at its log.",
        )
    kind = _KINDS.get(problem.code)
    if kind is None:
        return DaemonRefusedError(
            problem.code, problem.detail, hint=problem.hint, field=problem.field
        )
    return kind(problem.detail, hint=problem.hint, field=problem.field)
