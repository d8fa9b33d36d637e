"""One login: batches, calls and transactions, in front of one storage connection."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from dtaas.sandbox.sqlserver.results import (
    Done,
    ErrorMessage,
    Item,
    Parameter,
    ResultColumn,
    Session,
    SqlError,
)
from dtaas.sandbox.sqlserver.tsql.arguments import bound_of
from dtaas.sandbox.sqlserver.tsql.calling import Calling
from dtaas.sandbox.sqlserver.tsql.context import Client, Context
from dtaas.sandbox.sqlserver.tsql.declarations import parse_declarations, resolve_variables
from dtaas.sandbox.sqlserver.tsql.describing import describe
from dtaas.sandbox.sqlserver.tsql.error_effects import CompileError, RaisedError
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.interpreter import BatchEndedError, Interpreter
from dtaas.sandbox.sqlserver.tsql.option_actions import apply_options
from dtaas.sandbox.sqlserver.tsql.program import Program
from dtaas.sandbox.sqlserver.tsql.session_state import LastStatement, Options, changed
from dtaas.sandbox.sqlserver.tsql.storage_port import Isolation, Storage

_NOTHING: Final = Program((), {})


class SqlSession:
    """Implements `results.Session` over a storage connection, which it owns."""

    def __init__(self, storage: Storage, client: Client) -> None:
        self._storage = storage
        self._home = storage.database
        self._context = Context(storage, client)
        self._interpreter = Interpreter(self._context)
        self._calling = Calling(self._context, self._interpreter)
        self._options = Options()
        self._scope_identity: int | None = None

    @property
    def database(self) -> str:
        """Name of the current database."""
        return self._storage.database

    @property
    def transaction(self) -> int:
        """Descriptor of the open transaction, 0 when there is none."""
        return self._context.transactions.descriptor

    async def batch(self, sql: str) -> AsyncGenerator[Item]:
        """Run a T-SQL batch."""
        await self._context.drop_tables()
        try:
            parsed = await self._context.parse(sql)
            catalog, _ = await self._storage.catalogs()
            frame = self._frame(parsed)
            frame.types = resolve_variables(parsed.variables, catalog)
        except SqlError as error:
            self._context.last.error = error.number
            yield ErrorMessage(error)
            yield Done()
            return
        frame.scope_identity = self._scope_identity
        try:
            async with aclosing(self._interpreter.run_batch(frame)) as items:
                async for item in items:
                    yield item
        finally:
            self._options = frame.options
            self._scope_identity = frame.scope_identity
        await self._context.drop_tables(frame)

    def execute(
        self, sql: str, declarations: str, parameters: Sequence[Parameter]
    ) -> AsyncIterator[Item]:
        """Run `sql` with parameters, as `sp_executesql` does."""
        return self._outermost(self._execute(sql, declarations, parameters))

    def call(self, procedure: str, parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        """Call a stored procedure by name."""
        frame = self._frame(_NOTHING)
        bound = [bound_of(parameter) for parameter in parameters]
        return self._outermost(self._calling.procedure(procedure, bound, frame))

    async def describe(self, sql: str, declarations: str) -> tuple[ResultColumn, ...]:
        """Return the columns `sql` would give, without running it."""
        return await describe(sql, declarations, self._frame(_NOTHING), self._context)

    async def begin(self, isolation: int) -> None:
        """Open a transaction (TM_BEGIN_XACT)."""
        if isolation:
            self._options = changed(self._options, isolation=Isolation(isolation))
        apply_options(self._options, self._context)
        await self._context.transactions.begin()

    async def commit(self) -> None:
        """Commit the open transaction, however deep @@TRANCOUNT is."""
        await self._context.transactions.commit()

    async def rollback(self) -> None:
        """Roll the open transaction back."""
        await self._context.transactions.rollback()

    async def reset(self) -> None:
        """Forget SET options, temporary tables and any open transaction (RESETCONNECTION)."""
        await self._context.transactions.abort()
        self._options = Options()
        self._scope_identity = None
        self._context.last = LastStatement()
        await self._storage.reset()
        if self._storage.database != self._home:
            await self._storage.use(self._home)

    async def aclose(self) -> None:
        """Roll back and free everything. Idempotent."""
        self._context.transactions.forget()
        await self._storage.aclose()

    def _frame(self, parsed: Program) -> Frame:
        return Frame(parsed, {}, self._options)

    async def _execute(
        self, sql: str, declarations: str, parameters: Sequence[Parameter]
    ) -> AsyncGenerator[Item]:
        frame = self._frame(_NOTHING)
        catalog, _ = await self._storage.catalogs()
        declared = parse_declarations(declarations, catalog)
        bound = [bound_of(parameter) for parameter in parameters]
        async with aclosing(self._calling.dynamic(sql, declared, bound, frame)) as items:
            async for item in items:
                yield item

    async def _outermost(self, items: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
        """Turn what a call raises into items, and clean up behind it as behind a batch."""
        context = self._context
        try:
            async with aclosing(items):
                async for item in items:
                    yield item
        except BatchEndedError:
            pass
        except (CompileError, RaisedError) as failure:
            yield ErrorMessage(failure.error)
            yield Done()
        except SqlError as error:
            context.last.error = error.number
            yield ErrorMessage(error)
            yield Done()
        for item in await self._interpreter.finish():
            yield item


_: type[Session] = SqlSession
