"""Calls of procedures: the ones about prepared statements here, all others by the session."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import (
    Columns,
    Done,
    ErrorMessage,
    Item,
    OutputValue,
    Parameter,
    Session,
    SqlError,
)
from dtaas.sandbox.sqlserver.types import SqlType
from dtaas.sandbox.sqlserver.wire.item_streams import closing_items
from dtaas.sandbox.sqlserver.wire.requests import RpcCall

_MISSING_PARAMETER: Final = 201
_UNKNOWN_HANDLE: Final = 8179
_RETURN_METADATA: Final = 1
_SELECT: Final = 0xC1


class _Statement(Struct, frozen=True):
    sql: str
    declarations: str


class _Procedure(Struct, frozen=True):
    name: str


class Procedures:
    """The prepared statements of one session, and the procedures that use them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prepared: dict[int, _Statement | _Procedure] = {}
        self._last_handle = 0

    def forget(self) -> None:
        """Drop every prepared statement (RESETCONNECTION)."""
        self._prepared.clear()

    def call(self, call: RpcCall) -> AsyncIterator[Item]:
        """Run a call. Its own errors come as `ErrorMessage`, or as a raised `SqlError`."""
        arguments = call.parameters
        match _plain_name(call.procedure):
            case "sp_executesql":
                return self._execute_sql(arguments)
            case "sp_prepexec":
                return self._prepare_and_execute(arguments)
            case "sp_prepare":
                return self._prepare(arguments)
            case "sp_execute":
                return self._execute(arguments)
            case "sp_unprepare":
                return self._unprepare(arguments)
            case "sp_prepexecrpc":
                return self._prepare_and_call(arguments)
            case _:
                return self._session.call(call.procedure, arguments)

    async def _execute_sql(self, arguments: Sequence[Parameter]) -> AsyncIterator[Item]:
        sql = _text("sp_executesql", "@stmt", arguments, 0)
        declarations = _text("sp_executesql", "@params", arguments, 1) if arguments[1:] else ""
        statement = _Statement(sql, declarations)
        async with closing_items(self._run(statement, arguments, leading=2)) as items:
            async for item in items:
                yield item

    async def _prepare_and_execute(self, arguments: Sequence[Parameter]) -> AsyncIterator[Item]:
        declarations = _text("sp_prepexec", "@params", arguments, 1)
        statement = _Statement(_text("sp_prepexec", "@stmt", arguments, 2), declarations)
        handle = self._remember(statement, replaces=arguments[0])
        async with closing_items(self._run(statement, arguments, leading=3)) as items:
            async for item in items:
                yield item
        yield handle

    async def _prepare_and_call(self, arguments: Sequence[Parameter]) -> AsyncIterator[Item]:
        procedure = _Procedure(_text("sp_prepexecrpc", "@rpcCall", arguments, 1))
        handle = self._remember(procedure, replaces=arguments[0])
        async with closing_items(self._run(procedure, arguments, leading=2)) as items:
            async for item in items:
                yield item
        yield handle

    async def _prepare(self, arguments: Sequence[Parameter]) -> AsyncIterator[Item]:
        declarations = _text("sp_prepare", "@params", arguments, 1)
        sql = _text("sp_prepare", "@stmt", arguments, 2)
        if len(arguments) > 3 and arguments[3].value == _RETURN_METADATA:  # noqa: PLR2004
            columns = await self._session.describe(sql, declarations)
            if columns:
                yield Columns(columns)
                yield Done(rows=0, command=_SELECT)
        yield self._remember(_Statement(sql, declarations), replaces=arguments[0])

    async def _execute(self, arguments: Sequence[Parameter]) -> AsyncIterator[Item]:
        prepared = self._prepared.get(_handle(arguments))
        if prepared is None:
            yield ErrorMessage(_unknown(_handle(arguments)))
            return
        async with closing_items(self._run(prepared, arguments, leading=1)) as items:
            async for item in items:
                yield item

    async def _unprepare(self, arguments: Sequence[Parameter]) -> AsyncIterator[Item]:
        handle = _handle(arguments)
        if self._prepared.pop(handle, None) is None:
            yield ErrorMessage(_unknown(handle))

    async def _run(
        self, prepared: _Statement | _Procedure, arguments: Sequence[Parameter], *, leading: int
    ) -> AsyncIterator[Item]:
        """Run with the arguments after the `leading` ones; outputs count from the first one."""
        parameters = arguments[leading:]
        if isinstance(prepared, _Statement):
            items = self._session.execute(prepared.sql, prepared.declarations, parameters)
        else:
            items = self._session.call(prepared.name, parameters)
        async with closing_items(items):
            async for item in items:
                if isinstance(item, OutputValue):
                    yield OutputValue(
                        ordinal=item.ordinal + leading,
                        name=item.name,
                        type=item.type,
                        value=item.value,
                    )
                else:
                    yield item

    def _remember(self, prepared: _Statement | _Procedure, *, replaces: Parameter) -> OutputValue:
        if replaces.value is not None:
            self._prepared.pop(replaces.value, None)
        self._last_handle += 1
        self._prepared[self._last_handle] = prepared
        return OutputValue(
            ordinal=0, name=replaces.name, type=SqlType("int"), value=self._last_handle
        )


def _plain_name(procedure: str) -> str:
    """Return the name without schema and brackets, in lower case."""
    return procedure.rpartition(".")[2].strip("[] ").lower()


def _text(procedure: str, name: str, arguments: Sequence[Parameter], index: int) -> str:
    """Return an argument that must be text; NULL counts as empty.

    Raises:
        SqlError: 201, the argument is missing; 214, it is no text.
    """
    if index >= len(arguments):
        raise SqlError(
            _MISSING_PARAMETER,
            f"Procedure or function '{procedure}' expects parameter '{name}', "
            "which was not supplied.",
            state=10,
        )
    value = arguments[index].value
    if value is None:
        return ""
    if not isinstance(value, str):
        text = f"Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'."
        raise SqlError(214, text, state=2)
    return value


def _handle(arguments: Sequence[Parameter]) -> int:
    value = arguments[0].value if arguments else None
    return value if isinstance(value, int) else 0


def _unknown(handle: int) -> SqlError:
    text = f"Could not find prepared statement with handle {handle}."
    return SqlError(_UNKNOWN_HANDLE, text, state=4)
