"""What each kind of statement does."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

import anyio

from dtaas.sandbox.sqlserver.results import (
    Columns,
    DatabaseChanged,
    Done,
    Item,
    Message,
    Rows,
    SqlError,
)
from dtaas.sandbox.sqlserver.tsql import program
from dtaas.sandbox.sqlserver.tsql.calling import Calling
from dtaas.sandbox.sqlserver.tsql.compiled import Compiled
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.long_values import cut_long_values
from dtaas.sandbox.sqlserver.tsql.option_actions import apply_options, set_option
from dtaas.sandbox.sqlserver.tsql.raising import raise_error, throw
from dtaas.sandbox.sqlserver.tsql.select_into import select_into
from dtaas.sandbox.sqlserver.tsql.session_state import UNLIMITED_TEXT_BYTES

_TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,3}))?)?")
_LIMITS: Final = (24, 60, 60)
_PRINT_CHARACTERS: Final = 4000


class Runner(Protocol):
    """The instruction loop, for what calls it again."""

    def run(self, frame: Frame) -> AsyncGenerator[Item]:
        """Run a frame."""
        ...


class Actions:
    """Carries out the actions of programs for one session."""

    def __init__(self, context: Context, runner: Runner) -> None:
        self._context = context
        self._calling = Calling(context, runner)

    async def run(self, action: program.Action, frame: Frame) -> AsyncGenerator[Item]:
        """Carry one action out. Raises: SqlError, CompileError, RaisedError."""
        match action:
            case program.Sql():
                items = self._sql(action, frame)
            case program.Call() | program.CallText() | program.InsertExecute():
                items = self._calling.run(action, frame)
            case _:
                for item in await self._quiet(action, frame):
                    yield item
                return
        async with aclosing(items):
            async for item in items:
                yield item

    async def _sql(self, action: program.Sql, frame: Frame) -> AsyncGenerator[Item]:
        context = self._context
        apply_options(frame.options, context)
        compiled = await context.statement(action.text, frame, action.tree)
        if action.word != "SELECT":
            context.transactions.check_writable()
        if frame.options.fmtonly:
            if compiled.columns is not None:
                yield Columns(compiled.columns)
            yield Done(0, compiled.command)
            return
        await self._begin_implicitly(frame)
        if compiled.creates is not None:
            context.transactions.check_writable()
            outcome = await select_into(compiled, compiled.creates, frame, context)
            context.last.rows = outcome.rows
            yield self._done(compiled, frame)
        elif compiled.columns is not None and not compiled.assignments:
            async with aclosing(self._stream(compiled, frame)) as items:
                async for item in items:
                    yield item
        elif compiled.assignments:
            await self._assign(compiled, frame)
        else:
            outcome = await context.storage.execute(compiled, context.arguments(compiled, frame))
            context.last.rows = outcome.rows
            self._note_identity(compiled, outcome.identity, frame)
            yield self._done(compiled, frame)

    async def _stream(self, compiled: Compiled, frame: Frame) -> AsyncGenerator[Item]:
        columns = compiled.columns or ()
        size = frame.options.text_size_bytes
        yield Columns(columns)
        count = 0
        async with aclosing(self._context.rows(compiled, frame)) as batches:
            async for batch in batches:
                count += len(batch)
                if size != UNLIMITED_TEXT_BYTES:
                    yield Rows(cut_long_values(batch, columns, size))
                else:
                    yield Rows(batch)
        self._context.last.rows = count
        if compiled.sets_identity is not None and count:
            identity = await self._context.storage.identity(compiled.sets_identity)
            self._note_identity(compiled, identity, frame)
        yield self._done(compiled, frame)

    async def _assign(self, compiled: Compiled, frame: Frame) -> None:
        """SELECT @v = …: the last row wins, without rows nothing changes."""
        count, last = await self._context.assigned(compiled, frame)
        if last is not None:
            for assignment in compiled.assignments:
                frame.values[assignment.variable.lower()] = last[assignment.index]
        self._context.last.rows = count

    def _note_identity(self, compiled: Compiled, identity: int | None, frame: Frame) -> None:
        if compiled.sets_identity is not None:
            frame.scope_identity = self._context.last.identity = identity

    def _done(self, compiled: Compiled, frame: Frame) -> Done:
        rows = None if frame.options.nocount else self._context.last.rows
        return Done(rows, compiled.command)

    async def _begin_implicitly(self, frame: Frame) -> None:
        transactions = self._context.transactions
        if frame.options.implicit_transactions and not transactions.count:
            await transactions.begin()

    async def _quiet(self, action: program.Action, frame: Frame) -> list[Item]:
        """Carry out an action that has no result set."""
        match action:
            case program.SetVariable():
                await self._set_variable(action, frame)
            case program.SetOption():
                await set_option(action, frame, self._context)
            case program.Define():
                return await self._define(action, frame)
            case program.DeclareTable():
                await self._declare_table(action, frame)
            case program.Print():
                return [await self._print(action, frame)]
            case program.RaiseError():
                return await raise_error(action, frame, self._context)
            case program.Use():
                return await self._use(action)
            case _:
                await self._silent(action, frame)
        return []

    async def _silent(self, action: program.Action, frame: Frame) -> None:
        """Carry out an action the client hears nothing of."""
        match action:
            case program.Throw():
                await throw(action, frame, self._context)
            case program.Return():
                if action.expression:
                    value = await self._context.scalar(f"CAST({action.expression} AS int)", frame)
                    frame.status = value or 0
            case program.Wait():
                await self._wait(action, frame)
            case _:
                await self._transaction(action, frame)

    async def _set_variable(self, action: program.SetVariable, frame: Frame) -> None:
        apply_options(frame.options, self._context)
        text = f"SELECT {action.name} = {action.expression}"
        await self._assign(await self._context.statement(text, frame), frame)
        self._context.last.rows = 1

    async def _define(self, action: program.Define, frame: Frame) -> list[Item]:
        self._context.transactions.check_writable()
        apply_options(frame.options, self._context)
        await self._begin_implicitly(frame)
        messages = await self._context.storage.define(action.text)
        self._context.last.rows = 0
        return [*messages, Done()]

    async def _declare_table(self, action: program.DeclareTable, frame: Frame) -> None:
        apply_options(frame.options, self._context)
        await self._context.make_table(action.table, action.definition, frame)

    async def _print(self, action: program.Print, frame: Frame) -> Item:
        text = await self._context.scalar(
            f"CAST({action.expression} AS nvarchar({_PRINT_CHARACTERS}))", frame
        )
        self._context.last.rows = 0
        # PRINT NULL prints a blank line
        return Message(number=0, text=text if text is not None else " ", line=frame.line)

    async def _use(self, action: program.Use) -> list[Item]:
        old = self._context.storage.database
        await self._context.storage.use(action.database)
        self._context.last.rows = 0
        return [DatabaseChanged(self._context.storage.database, old), Done()]

    async def _wait(self, action: program.Wait, frame: Frame) -> None:
        text = await self._context.scalar(f"CAST({action.time} AS nvarchar(60))", frame)
        found = _TIME.fullmatch((text or "").strip())
        parts = [int(part or 0) for part in found.groups()[:3]] if found else []
        if found is None or any(p >= limit for p, limit in zip(parts, _LIMITS, strict=True)):
            raise SqlError(
                148,
                f"Incorrect time syntax in time string '{text}' used with WAITFOR.",
                severity=15,
            )
        if action.kind == "TIME":
            raise SqlError(102, "Incorrect syntax near 'TIME'.", severity=15)
        hours, minutes, seconds = parts
        fraction = float(f"0.{found[4] or 0}")
        await anyio.sleep(hours * 3600 + minutes * 60 + seconds + fraction)

    async def _transaction(self, action: program.Action, frame: Frame) -> None:
        transactions = self._context.transactions
        apply_options(frame.options, self._context)
        match action:
            case program.BeginTransaction():
                await transactions.begin(await self._name(action.name, frame))
            case program.CommitTransaction():
                await transactions.commit()
            case program.RollbackTransaction():
                await transactions.rollback(await self._name(action.name, frame))
            case program.SaveTransaction():
                await transactions.save(await self._name(action.name, frame))
            case _:
                raise AssertionError(action)
        self._context.last.rows = 0

    async def _name(self, name: str, frame: Frame) -> str:
        if not name.startswith("@"):
            return name
        value = await self._context.scalar(f"CAST({name} AS nvarchar(32))", frame)
        return value or ""
