"""All routes of the emulator as one ASGI application."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from dtaas.sandbox.snowflake.account import Account
from dtaas.sandbox.snowflake.credentials import LoginError
from dtaas.sandbox.snowflake.http import bucket, control
from dtaas.sandbox.snowflake.http.asgi import Receive, Reply, Request, Send, failure, success
from dtaas.sandbox.snowflake.http.executions import Executions
from dtaas.sandbox.snowflake.http.login import Sessions
from dtaas.sandbox.snowflake.http.queries import Queries

Handler = Callable[[Request], Awaitable[Reply]]

_log = structlog.get_logger()


class App:
    """The application uvicorn runs."""

    def __init__(self, account: Account) -> None:
        stages = bucket.Bucket(account.store.stages.folder)
        queries = Queries(account, Executions(account, stages))
        sessions = Sessions(account)
        self._control = control.Control(account)
        self._bucket = stages
        self._queries = queries
        self._exact: dict[str, Handler] = {
            "/session/v1/login-request": sessions.login,
            "/session/token-request": sessions.renew,
            "/session": sessions.session,
            "/session/heartbeat": sessions.heartbeat,
            "/queries/v1/query-request": queries.submit,
            "/queries/v1/abort-request": queries.abort,
            "/telemetry/send": _swallow,
            "/telemetry/send/sessionless": _swallow,
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. An error of ours is Snowflake's 200, which clients do not retry."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            answered = await self._handler(request)(request)
        except LoginError as error:
            answered = failure(error.code, error.message)
        except msgspec.DecodeError as error:
            answered = failure("390000", f"malformed request: {error}")
        except ConnectionError:
            return
        except Exception as error:  # noqa: BLE001 - a bug of ours must not look like an outage
            _log.exception("snowflake_request_failed", path=request.path)
            answered = failure("000603", f"emulator: {type(error).__name__}: {error}")
        await answered.send(send)

    def _handler(self, request: Request) -> Handler:
        path = request.path
        if path in self._exact:
            return self._exact[path]
        if path.startswith((bucket.ROOT, bucket.UPLOADS)):
            return self._bucket.serve
        if path.startswith(control.ROOT):
            return self._control.serve
        if path.startswith("/monitoring/queries/"):
            return self._queries.status
        if path.startswith("/queries/") and path.endswith("/result"):
            return self._queries.result
        if path.startswith("/queries/") and path.endswith("/abort-request"):
            return self._queries.abort_by_id
        return _unknown


async def _swallow(request: Request) -> Reply:
    await request.json()
    return success(None)


async def _unknown(request: Request) -> Reply:
    return Reply(status=404, body=f"no route {request.method} {request.path}".encode())
