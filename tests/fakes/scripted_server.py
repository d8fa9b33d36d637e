"""An engine for the wire's tests: it answers what the test wrote down, and remembers what came."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from anyio import Event, sleep_forever
from msgspec import Struct

from dtaas.sandbox.sqlserver.results import (
    Columns,
    Done,
    Engine,
    ErrorMessage,
    Item,
    Parameter,
    ResultColumn,
    Rows,
    Session,
    SqlError,
)
from dtaas.sandbox.sqlserver.types import SqlType

USER = "sa"
PASSWORD = "Passw0rd!;}{€"
SELECT = 0xC1

_INFO_NAMES = [
    "TYPE_NAME",
    "DATA_TYPE",
    "PRECISION",
    "LITERAL_PREFIX",
    "LITERAL_SUFFIX",
    "CREATE_PARAMS",
    "NULLABLE",
    "CASE_SENSITIVE",
    "SEARCHABLE",
    "UNSIGNED_ATTRIBUTE",
    "MONEY",
    "AUTO_INCREMENT",
    "LOCAL_TYPE_NAME",
    "MINIMUM_SCALE",
    "MAXIMUM_SCALE",
    "SQL_DATA_TYPE",
    "SQL_DATETIME_SUB",
    "NUM_PREC_RADIX",
    "INTERVAL_PRECISION",
    "USERTYPE",
]
_INFO_TEXTS = {"TYPE_NAME", "LITERAL_PREFIX", "LITERAL_SUFFIX", "CREATE_PARAMS", "LOCAL_TYPE_NAME"}
_INFO = {
    12: ("varchar", 8000),
    -9: ("nvarchar", 4000),
    -3: ("varbinary", 8000),
    93: ("datetime2", 27),
}

Script = Callable[[Sequence[Parameter]], AsyncIterator[Item]]


class Call(Struct, frozen=True):
    """A request a session received."""

    method: str
    text: str
    declarations: str = ""
    parameters: tuple[Parameter, ...] = ()


def items(*answer: Item) -> Script:
    """Answer with these items whatever the parameters."""

    async def script(_parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        for item in answer:
            yield item

    return script


def rows(columns: Sequence[ResultColumn], *values: Sequence[Any]) -> Script:
    """Answer with one result set."""
    return items(Columns(tuple(columns)), Rows(values), Done(rows=len(values), command=SELECT))


def echo(parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
    """Answer with the parameters as one row."""
    columns = [ResultColumn(name=p.name or f"c{i}", type=p.type) for i, p in enumerate(parameters)]
    return rows(columns, [p.value for p in parameters])(parameters)


class Hang:
    """An answer that begins, then waits until it is cancelled."""

    def __init__(self, *first: Item) -> None:
        self._first = first
        self.started = Event()
        self.cancelled = Event()

    async def __call__(self, _parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        for item in self._first:
            yield item
        self.started.set()
        try:
            await sleep_forever()
        finally:
            self.cancelled.set()


class ScriptedSession:
    """Answers by the texts of its engine's script; an unknown one gets error 208."""

    def __init__(self, engine: "ScriptedEngine", database: str) -> None:
        self._engine = engine
        self.database = database
        self.transaction = 0
        self.calls: list[Call] = []
        self.closed = False

    def batch(self, sql: str) -> AsyncIterator[Item]:
        self.calls.append(Call("batch", sql))
        return self._answer(sql.strip(), ())

    def execute(
        self, sql: str, declarations: str, parameters: Sequence[Parameter]
    ) -> AsyncIterator[Item]:
        self.calls.append(Call("execute", sql, declarations, tuple(parameters)))
        return self._answer(sql, parameters)

    def call(self, procedure: str, parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        self.calls.append(Call("call", procedure, "", tuple(parameters)))
        if procedure == "[sys].sp_datatype_info_100":
            return _datatype_info(parameters[0].value)
        return self._answer(procedure, parameters)

    async def describe(self, sql: str, declarations: str) -> tuple[ResultColumn, ...]:
        self.calls.append(Call("describe", sql, declarations))
        return self._engine.descriptions.get(sql, ())

    async def begin(self, isolation: int) -> None:
        self.calls.append(Call("begin", str(isolation)))
        self._engine.transactions += 1
        self.transaction = self._engine.transactions

    async def commit(self) -> None:
        self.calls.append(Call("commit", ""))
        if not self.transaction:
            raise SqlError(
                3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        self.transaction = 0

    async def rollback(self) -> None:
        self.calls.append(Call("rollback", ""))
        if not self.transaction:
            raise SqlError(
                3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        self.transaction = 0

    async def reset(self) -> None:
        self.calls.append(Call("reset", ""))
        self.transaction = 0

    async def aclose(self) -> None:
        self.closed = True

    def _answer(self, text: str, parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        scripts = self._engine.scripts
        script = scripts.get(text) or scripts.get(text.partition(" ")[0])
        if script is not None:
            return script(parameters)
        if text.lower().startswith(("set ", "use ", "if @@trancount")):
            return items(Done())(parameters)
        return items(ErrorMessage(SqlError(208, f"Invalid object name '{text}'.")), Done())(
            parameters
        )


class ScriptedEngine:
    """One user, two databases, and the answers of `scripts`.

    They are found by the text of the request or by its first word, such as `echo ?, ?`.
    """

    server_name = "SCRIPTED"

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {"echo": echo}
        self.descriptions: dict[str, tuple[ResultColumn, ...]] = {}
        self.sessions: list[ScriptedSession] = []
        self.transactions = 0

    async def login(
        self, *, user: str, password: str | None, database: str, application: str, host: str
    ) -> Session:
        if user != USER or password not in (PASSWORD, None):
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        if database not in {"", "testdb", "master"}:
            text = f'Cannot open database "{database}" requested by the login. The login failed.'
            raise SqlError(4060, text, severity=11)
        session = ScriptedSession(self, database or "master")
        session.calls.append(Call("login", application, host))
        self.sessions.append(session)
        return session


def _datatype_info(data_type: int) -> AsyncIterator[Item]:
    name, precision = _INFO[data_type]
    values = {"TYPE_NAME": name, "DATA_TYPE": data_type, "PRECISION": precision, "NULLABLE": 1}
    columns = [
        ResultColumn(name=n, type=SqlType("sysname" if n in _INFO_TEXTS else "int"))
        for n in _INFO_NAMES
    ]
    return rows(columns, [values.get(n) for n in _INFO_NAMES])(())


_: type[Engine] = ScriptedEngine
__: type[Session] = ScriptedSession
