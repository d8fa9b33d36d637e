"""Routes of statements."""

import os
from typing import Any, Final

import anyio

from dtaas.sandbox.snowflake.account import Account
from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.faults import Fault
from dtaas.sandbox.snowflake.http.asgi import Reply, Request, failure, reply, success
from dtaas.sandbox.snowflake.http.executions import Execution, Executions

_WAIT_S: Final = 45.0  # then the client is told to ask again, as Snowflake does
_IN_PROGRESS: Final = "333333"
_ACCEPTED: Final = "333334"
_DIED: Final = 137


class Queries:
    """What `/queries/…` and `/monitoring/queries/…` answer."""

    def __init__(self, account: Account, executions: Executions) -> None:
        self._account = account
        self._executions = executions

    async def submit(self, request: Request) -> Reply:
        """Run a statement, or go on waiting for the one this request asked for before."""
        asked = await request.json()
        session = self._account.logins.find(request.token).session
        request_id = request.query.get("requestId", "")
        execution = self._executions.by_request(session, request_id)
        if execution is None:
            fault = self._account.faults.take("before", asked.get("sqlText") or "")
            broken = await self._break(fault, session, asked)
            if broken is not None:
                return broken
            execution = self._executions.start(session, request_id, asked, request.origin)
        if asked.get("asyncExec"):
            return _unfinished(execution, _ACCEPTED)
        answered = await self._wait(execution)
        if not execution.done.is_set():
            return answered
        fault = self._account.faults.take("after", execution.sql)
        return await self._break(fault, session, asked) or answered

    async def result(self, request: Request) -> Reply:
        """Return the result of a statement by its id, waiting for it."""
        self._account.logins.find(request.token)
        query_id = request.path.strip("/").split("/")[1]
        execution = self._executions.by_query(query_id)
        if execution is None:
            return failure("000612", f"Result for query {query_id} not found.")
        return await self._wait(execution)

    async def abort(self, request: Request) -> Reply:
        """End a running statement."""
        session = self._account.logins.find(request.token).session
        asked = await request.json()
        execution = self._executions.by_request(session, str(asked.get("requestId", "")))
        if execution is not None:
            self._account.group.start_soon(self._executions.cancel, execution)
        return success(None)

    async def abort_by_id(self, request: Request) -> Reply:
        """End a running statement by its id."""
        self._account.logins.find(request.token)
        execution = self._executions.by_query(request.path.strip("/").split("/")[1])
        if execution is not None:
            self._account.group.start_soon(self._executions.cancel, execution)
        return success(None)

    async def status(self, request: Request) -> Reply:
        """Tell how far a statement is."""
        self._account.logins.find(request.token)
        execution = self._executions.by_query(request.path.strip("/").split("/")[-1])
        found: list[dict[str, Any]] = []
        if execution is not None:
            found.append(
                {
                    "id": execution.query_id,
                    "status": execution.status,
                    "state": execution.status,
                    "sqlText": execution.sql,
                    "errorCode": f"{execution.code:06d}" if execution.code else "0",
                    "errorMessage": execution.message,
                    "sessionId": execution.session.id,
                }
            )
        return success({"queries": found})

    async def _wait(self, execution: Execution) -> Reply:
        with anyio.move_on_after(_WAIT_S):
            await execution.done.wait()
        if not execution.done.is_set():
            return _unfinished(execution, _IN_PROGRESS)
        return Reply(body=execution.reply)

    async def _break(
        self, fault: Fault | None, session: Session, asked: dict[str, Any]
    ) -> Reply | None:
        """Do what a fault says; None lets everything go on."""
        if fault is None:
            return None
        await anyio.sleep(fault.delay_s)
        if fault.kind == "status":
            return Reply(status=fault.status, body=b"injected by the sandbox")
        if fault.kind == "drop":
            return Reply(cut=True)
        if fault.kind == "reset":
            return Reply(reset=True)
        if fault.kind == "exit":
            os._exit(_DIED)
        if fault.kind == "expire":
            self._account.logins.expire(session=session)
            return failure("390112", "Your session has expired. Please login again.")
        if fault.kind == "error":
            error = StatementError(fault.code, fault.sqlstate, fault.message)
            return Reply(body=self._executions.fail(session, asked, error).reply)
        return None


def _unfinished(execution: Execution, code: str) -> Reply:
    data = {
        "queryId": execution.query_id,
        "getResultUrl": f"/queries/{execution.query_id}/result",
        "queryAbortsAfterSecs": 3600,
        "progressDesc": None,
    }
    message = "Query execution in progress."
    return reply({"data": data, "code": code, "message": message, "success": True})
