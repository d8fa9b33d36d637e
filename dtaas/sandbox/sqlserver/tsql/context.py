"""Everything the statements of one session share, and how expressions get their values."""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.catalog import Catalog
from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.tsql.changes import Statement
from dtaas.sandbox.sqlserver.tsql.compile import compile_scalar, compile_statement
from dtaas.sandbox.sqlserver.tsql.compiled import Compiled, Scope
from dtaas.sandbox.sqlserver.tsql.error_effects import CompileError
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.program import Program
from dtaas.sandbox.sqlserver.tsql.session_state import LastStatement
from dtaas.sandbox.sqlserver.tsql.statements import parse_batch
from dtaas.sandbox.sqlserver.tsql.storage_port import Argument, Storage
from dtaas.sandbox.sqlserver.tsql.system_values import (
    ANSI_OPTIONS,
    FIXED_VALUES,
    IMPLICIT_TRANSACTIONS_OPTION,
    NOCOUNT_OPTION,
    SYSTEM_VALUES,
    XACT_ABORT_OPTION,
)
from dtaas.sandbox.sqlserver.tsql.transactions import Transactions
from dtaas.sandbox.sqlserver.types import SqlType

_CACHED: Final = 200
_SHORT_CHARACTERS: Final = 16_384
"""Longer texts are parsed and compiled in a thread: they would hold the event loop up."""
_KEPT_CHARACTERS: Final = 4_096
_parse_again = lru_cache(maxsize=512)(parse_batch)
"""Programs of texts that clients send again and again; a program does not change."""
_TABLE: Final = re.compile(r"\btable\b", re.IGNORECASE)
"""Stands before a table variable, which is another one each time it is parsed."""
_BIT: Final = SqlType("bit")


class Client(Struct, frozen=True, kw_only=True):
    """Who logged in, from where."""

    server_name: str
    login: str = ""
    application: str = ""
    host: str = ""


class Context:
    """One session's storage, transaction and results of the last statement."""

    def __init__(self, storage: Storage, client: Client) -> None:
        self.storage = storage
        self.client = client
        self.transactions = Transactions(storage)
        self.last = LastStatement()
        self._tables: list[str] = []
        self._blocking = Blocking(1)
        self._compiled: dict[tuple[object, ...], tuple[Catalog, Compiled]] = {}

    async def make_table(self, table: str, definition: str, frame: Frame) -> None:
        """Make a table variable, once in a frame. Raises: SqlError."""
        if table not in frame.tables:
            await self.storage.define(f"CREATE TABLE {table} {definition}")
            frame.tables.append(table)
            self._tables.append(table)

    async def drop_tables(self, frame: Frame | None = None) -> None:
        """Drop a frame's table variables, or those that cancelled frames left behind."""
        for table in [*(self._tables if frame is None else frame.tables)]:
            await self.storage.define(f"DROP TABLE IF EXISTS {table}")
            self._tables.remove(table)

    async def parse(
        self, sql: str, declared: frozenset[str] = frozenset(), *, in_procedure: bool = False
    ) -> Program:
        """Return the program of a batch. Raises: SqlError, see `parse_batch`."""
        if len(sql) <= _KEPT_CHARACTERS and not _TABLE.search(sql):
            return _parse_again(sql, declared, in_procedure=in_procedure)
        if len(sql) <= _SHORT_CHARACTERS:
            return parse_batch(sql, declared, in_procedure=in_procedure)
        return await self._blocking(parse_batch, sql, declared, in_procedure=in_procedure)

    async def statement(self, text: str, frame: Frame, tree: Statement | None = None) -> Compiled:
        """Compile a query or DML. Raises: CompileError."""
        return await self._compile("statement", text, frame, tree)

    async def scalar(self, expression: str, frame: Frame) -> Any:
        """Return the value of an expression or condition in wire form.

        Raises:
            SqlError: it failed.
            CompileError: it does not compile.
        """
        _, value = await self.typed_scalar(expression, frame)
        return value

    async def typed_scalar(self, expression: str, frame: Frame) -> tuple[SqlType, Any]:
        """Return the type of an expression and its value. Raises: see `scalar`."""
        compiled = await self._compile("scalar", expression, frame)
        type_ = compiled.columns[0].type if compiled.columns else _BIT
        value: Any = None
        async with aclosing(self.rows(compiled, frame)) as batches:
            async for batch in batches:
                if batch:
                    value = batch[0][0]
        return type_, value

    def rows(self, compiled: Compiled, frame: Frame) -> AsyncGenerator[Sequence[Sequence[Any]]]:
        """Run a compiled statement with a result."""
        return self.storage.rows(compiled, self.arguments(compiled, frame))

    def arguments(self, compiled: Compiled, frame: Frame) -> list[Argument]:
        """Return the values a compiled statement is bound to."""
        return [
            Argument(frame.types[name], frame.values.get(name))
            if name in frame.types
            else Argument(SYSTEM_VALUES[name], self._system_value(name, frame))
            for name in compiled.arguments
        ]

    async def assigned(self, compiled: Compiled, frame: Frame) -> tuple[int, Sequence[Any] | None]:
        """Run a SELECT that assigns; return how many rows it had, and the last one."""
        # the storage brings into wire form what it is told the type of
        columns = tuple(
            ResultColumn(name=each.variable, type=frame.types[each.variable.lower()])
            for each in sorted(compiled.assignments, key=lambda each: each.index)
        )
        last: Sequence[Any] | None = None
        count = 0
        async with aclosing(self.rows(replace(compiled, columns=columns), frame)) as batches:
            async for batch in batches:
                if batch:
                    last = batch[-1]
                    count += len(batch)
        return count, last

    async def _scope(self, frame: Frame) -> Scope:
        """Return what names mean now."""
        catalog, catalogs = await self.storage.catalogs()
        return Scope(
            catalog=catalog,
            catalogs=catalogs,
            variables={**SYSTEM_VALUES, **frame.types},
            identity_insert=frame.options.identity_insert,
        )

    async def _compile(
        self, kind: str, text: str, frame: Frame, tree: Statement | None = None
    ) -> Compiled:
        scope = await self._scope(frame)
        key = (kind, text, tuple(frame.types.items()), scope.identity_insert)
        cached = self._compiled.get(key)
        if cached is not None and cached[0] is scope.catalog:
            return cached[1]
        try:
            if kind == "scalar":
                compiled = compile_scalar(text, scope)
            elif len(text) <= _SHORT_CHARACTERS:
                compiled = compile_statement(tree or text, scope)
            else:
                return await self._blocking(compile_statement, tree or text, scope)
        except SqlError as error:
            raise CompileError(error) from error
        if len(self._compiled) >= _CACHED:
            self._compiled.clear()
        self._compiled[key] = (scope.catalog, compiled)
        return compiled

    def _system_value(self, name: str, frame: Frame) -> Any:
        if name in FIXED_VALUES:
            return FIXED_VALUES[name]
        if name.startswith("error_"):
            return _error_value(name, frame.caught())
        return _READERS[name](self, frame)


def _options_value(context: Context, frame: Frame) -> int:
    del context
    options = frame.options
    return (
        ANSI_OPTIONS
        + options.nocount * NOCOUNT_OPTION
        + options.xact_abort * XACT_ABORT_OPTION
        + options.implicit_transactions * IMPLICIT_TRANSACTIONS_OPTION
    )


_READERS: Final[Mapping[str, Callable[[Context, Frame], Any]]] = {
    "@@datefirst": lambda _, frame: frame.options.date_first,
    "@@error": lambda context, _: context.last.error,
    "@@identity": lambda context, _: context.last.identity,
    "@@language": lambda _, frame: frame.options.language,
    "@@lock_timeout": lambda _, frame: frame.options.lock_timeout_ms,
    "@@nestlevel": lambda _, frame: frame.nesting,
    "@@options": _options_value,
    "@@rowcount": lambda context, _: context.last.rows,
    "@@servername": lambda context, _: context.client.server_name,
    "@@spid": lambda context, _: context.storage.spid,
    "@@textsize": lambda _, frame: frame.options.text_size_bytes,
    "@@trancount": lambda context, _: context.transactions.count,
    "app_name()": lambda context, _: context.client.application,
    "context_info()": lambda _, frame: frame.options.context_info,
    "host_name()": lambda context, _: context.client.host,
    "rowcount_big()": lambda context, _: context.last.rows,
    "scope_identity()": lambda _, frame: frame.scope_identity,
    "xact_state()": lambda context, _: context.transactions.state,
}


def _error_value(name: str, error: SqlError | None) -> Any:
    if error is None:
        return None
    match name:
        case "error_number()":
            return error.number
        case "error_message()":
            return error.text
        case "error_severity()":
            return error.severity
        case "error_state()":
            return error.state
        case "error_line()":
            return error.line
        case _:
            return error.procedure or None
