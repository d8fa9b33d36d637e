"""Statements on their way: run once, however often the client asks."""

import threading
import time
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
from anyio import Event

from dtaas.sandbox.snowflake.account import Account
from dtaas.sandbox.snowflake.engine import statements
from dtaas.sandbox.snowflake.engine.answer import Answer
from dtaas.sandbox.snowflake.engine.bindings import read_bindings
from dtaas.sandbox.snowflake.engine.errors import StatementError, translated
from dtaas.sandbox.snowflake.engine.results import encode
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.http.bucket import Bucket
from dtaas.sandbox.snowflake.said import Said

_LIMIT: Final = "STATEMENT_TIMEOUT_IN_SECONDS"
_CANCELLED: Final = 604
_AGAIN_S: Final = 0.1
_KEPT: Final = 2_000
_KEPT_BYTES: Final = 256 << 20


class Execution:
    """One statement of a session.

    Attributes:
        cancelled: set when somebody wants it to end.
        done: set when `reply` is there.
        reply: the body of the reply.
    """

    def __init__(self, session: Session, request_id: str, asked: dict[str, Any]) -> None:
        self.query_id = str(uuid.uuid4())
        self.session = session
        self.request_id = request_id
        self.asked = asked
        self.sql: str = asked.get("sqlText") or ""
        self.started_at = time.time()
        self.done = Event()
        self.cancelled = threading.Event()
        self.reply = b""
        self.code: int | None = None
        self.limit_passed = False
        self.message = ""

    @property
    def limit_s(self) -> float:
        """How long it may run, in seconds; 0 is no limit."""
        given = self.asked.get("parameters") or {}
        text = given.get(_LIMIT) or self.session.parameters.get(_LIMIT) or 0
        return float(text)

    @property
    def status(self) -> str:
        """How far it is, in Snowflake's words."""
        if not self.done.is_set():
            return "RUNNING"
        return "SUCCESS" if self.code is None else "FAILED_WITH_ERROR"


class Executions:
    """The last statements, by query and by request."""

    def __init__(self, account: Account, bucket: Bucket) -> None:
        self._account = account
        self._bucket = bucket
        self._by_query: OrderedDict[str, Execution] = OrderedDict()
        self._by_request: dict[tuple[int, str], Execution] = {}
        self._bytes = 0

    def by_query(self, query_id: str) -> Execution | None:
        """Return a statement by the id its reply carried."""
        return self._by_query.get(query_id)

    def by_request(self, session: Session, request_id: str) -> Execution | None:
        """Return the statement a request asked for already."""
        return self._by_request.get((session.id, request_id))

    def start(
        self, session: Session, request_id: str, asked: dict[str, Any], origin: str
    ) -> Execution:
        """Run a statement; it goes on when the client goes away."""
        execution = Execution(session, request_id, asked)
        self._by_query[execution.query_id] = execution
        if request_id:
            self._by_request[session.id, request_id] = execution
        self._account.group.start_soon(self._run, execution, origin, name="statement")
        return execution

    async def cancel(self, execution: Execution) -> None:
        """End a running statement. DuckDB loses an interrupt that comes between its steps."""
        execution.cancelled.set()
        while not execution.done.is_set():
            execution.session.interrupt(execution.cancelled)
            with anyio.move_on_after(_AGAIN_S):
                await execution.done.wait()

    def fail(self, session: Session, asked: dict[str, Any], error: StatementError) -> Execution:
        """Return a statement that failed without being run."""
        execution = Execution(session, "", asked)
        self._finish(execution, _refused(execution, error), 0, error)
        return execution

    async def _run(self, execution: Execution, origin: str) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._cancel_late, execution)
                body, rows = await self._account.blocking(self._answer, execution, origin)
                group.cancel_scope.cancel()
                self._finish(execution, body, rows, None)
        except* StatementError as errors:
            error = _first(errors)
            if error.code == _CANCELLED and execution.limit_passed:
                error = StatementError(
                    630, "57014", "Statement reached its statement timeout and was canceled."
                )
            self._finish(execution, _refused(execution, error), 0, error)

    async def _cancel_late(self, execution: Execution) -> None:
        """Cancel a statement that runs longer than it may."""
        if execution.limit_s:
            await anyio.sleep(execution.limit_s)
            execution.limit_passed = True
            await self.cancel(execution)

    def _finish(
        self, execution: Execution, body: bytes, rows: int, error: StatementError | None
    ) -> None:
        session = execution.session
        execution.reply = body
        execution.code = error.code if error else None
        execution.message = error.message if error else ""
        session.last_query_id = execution.query_id
        tag = (execution.asked.get("parameters") or {}).get("QUERY_TAG")
        self._account.log.append(
            Said(
                query_id=execution.query_id,
                session=session.id,
                user=session.user,
                sql=execution.sql,
                ms=round((time.time() - execution.started_at) * 1000, 1),
                code=execution.code,
                tag=tag or session.parameters.get("QUERY_TAG", ""),
                rows=rows,
                transaction=session.transaction,
                warehouse=session.warehouse,
                at=execution.started_at,
            )
        )
        self._bytes += len(body)
        execution.done.set()
        self._forget_old()

    def _forget_old(self) -> None:
        """Keep the last replies only: a retry comes soon or never."""
        while len(self._by_query) > _KEPT or self._bytes > _KEPT_BYTES:
            query_id, oldest = next(iter(self._by_query.items()))
            if not oldest.done.is_set() or len(self._by_query) == 1:
                return
            del self._by_query[query_id]
            self._by_request.pop((oldest.session.id, oldest.request_id), None)
            self._bytes -= len(oldest.reply)

    def _answer(self, execution: Execution, origin: str) -> tuple[bytes, int]:
        try:
            return self._answered(execution, origin)
        except Exception as error:
            raise translated(error) from error

    def _answered(self, execution: Execution, origin: str) -> tuple[bytes, int]:
        """Run the statement and return the reply and its rows. In a thread."""
        answer = _run(execution)
        session = execution.session
        shared = {
            "queryId": execution.query_id,
            "sqlText": execution.sql,
            "statementTypeId": answer.kind,
            "finalDatabaseName": session.database,
            "finalSchemaName": session.schema,
            "finalWarehouseName": session.warehouse,
            "finalRoleName": session.role,
            "parameters": [
                {"name": "TIMEZONE", "value": session.parameters.get("TIMEZONE", "UTC")}
            ],
            "numberOfBinds": 0,
            "arrayBindSupported": True,
        }
        data = {**shared, **self._content(answer, origin)}
        body = {"data": data, "code": None, "message": None, "success": True}
        return msgspec.json.encode(body), answer.rows.num_rows

    def _content(self, answer: Answer, origin: str) -> dict[str, Any]:
        if answer.transfer is None:
            return encode(answer)
        folder, path = Path(answer.transfer["folder"]), answer.transfer["path"]
        told = {k: v for k, v in answer.transfer.items() if k not in ("folder", "path")}
        info = self._bucket.stage_info(origin, folder, path)
        return {**told, "stageInfo": info, "encryptionMaterial": []}


def _first(errors: BaseExceptionGroup[StatementError]) -> StatementError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _run(execution: Execution) -> Answer:
    session, asked = execution.session, execution.asked
    text = asked.get("sqlText") or ""
    bindings = asked.get("bindings") or {}
    values, many = read_bindings(bindings) if bindings else (None, False)
    if asked.get("describeOnly"):
        return statements.describe(session, text)
    if many and values is not None:
        return statements.run_many(session, text, values)
    return statements.run(session, text, values, execution.cancelled)


def _refused(execution: Execution, error: StatementError) -> bytes:
    code = f"{error.code:06d}"
    data = {
        "errorCode": code,
        "sqlState": error.sqlstate,
        "queryId": execution.query_id,
        "internalError": False,
        "line": -1,
        "pos": -1,
        "type": "COMPILATION" if "compilation" in error.message else "",
    }
    body = {"data": data, "code": code, "message": error.message, "success": False}
    return msgspec.json.encode(body)
