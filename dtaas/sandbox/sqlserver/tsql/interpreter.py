"""Runs programs: the instruction loop and what errors do to it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from dtaas.sandbox.sqlserver.results import Done, ErrorMessage, Item, SqlError
from dtaas.sandbox.sqlserver.tsql.actions import Actions
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.error_effects import (
    CompileError,
    Effect,
    RaisedError,
    effect_of,
)
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.program import (
    Branch,
    Instruction,
    Jump,
    RaiseError,
    Return,
    Run,
)
from dtaas.sandbox.sqlserver.tsql.storage_port import TransactionState
from dtaas.sandbox.sqlserver.tsql.transaction_errors import doomed_at_end

_Failure = (SqlError, CompileError, RaisedError)


class BatchEndedError(Exception):
    """An error already reported ended the batch and everything in it."""


class Interpreter:
    """Runs frames one inside the other."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._actions = Actions(context, self)

    async def run_batch(self, frame: Frame) -> AsyncGenerator[Item]:
        """Run an outermost frame to its end and clean up behind it."""
        try:
            async with aclosing(self.run(frame)) as items:
                async for item in items:
                    yield item
        except BatchEndedError:
            pass
        for item in await self.finish():
            yield item

    async def finish(self) -> list[Item]:
        """Roll a transaction back that a batch left doomed."""
        transactions = self._context.transactions
        if not transactions.doomed:
            return []
        await transactions.abort()
        return [ErrorMessage(doomed_at_end()), Done()]

    async def run(self, frame: Frame) -> AsyncGenerator[Item]:
        """Run one frame.

        Raises:
            RaisedError: an error for a TRY block of a caller.
            BatchEndedError: see there.
        """
        instructions = frame.program.instructions
        while frame.at < len(instructions):
            instruction = instructions[frame.at]
            try:
                async with aclosing(self._step(instruction, frame)) as items:
                    async for item in items:
                        yield item
            except _Failure as failure:
                error, effect = self._locate(failure, frame)
                if await self._caught(failure, error, effect, frame):
                    continue
                yield ErrorMessage(error)
                yield Done()
                if effect is Effect.TRANSACTION:
                    raise BatchEndedError from failure
                if effect is Effect.BATCH:
                    return
                frame.at += 1
            else:
                if isinstance(instruction, Run) and isinstance(instruction.action, Return):
                    return

    async def _step(self, instruction: Instruction, frame: Frame) -> AsyncGenerator[Item]:
        """Carry out one instruction and move on to the next."""
        last = self._context.last
        match instruction:
            case Jump():
                frame.at = instruction.target
            case Branch():
                holds = await self._context.scalar(instruction.condition, frame)
                last.rows = last.error = 0
                frame.at = frame.at + 1 if holds else instruction.target
            case Run():
                async with aclosing(self._actions.run(instruction.action, frame)) as items:
                    async for item in items:
                        yield item
                if not isinstance(instruction.action, RaiseError):
                    last.error = 0
                frame.at += 1

    def _locate(self, failure: Exception, frame: Frame) -> tuple[SqlError, Effect]:
        """Return the error with its line and procedure, and what it ends."""
        match failure:
            case RaisedError():
                return failure.error, failure.effect
            case CompileError():
                error = failure.error
                error.line += frame.line - 1
                effect = Effect.TRANSACTION if frame.options.xact_abort else Effect.BATCH
            case SqlError():
                error = failure
                error.line = frame.line
                effect = effect_of(error, xact_abort=frame.options.xact_abort)
            case _:
                raise failure
        error.procedure = error.procedure or frame.procedure
        return error, effect

    async def _caught(
        self, failure: Exception, error: SqlError, effect: Effect, frame: Frame
    ) -> bool:
        """Go on in a CATCH block of this frame, or leave the error to one of a caller.

        Raises:
            RaisedError: a caller has a TRY block open.
        """
        transactions = self._context.transactions
        self._context.last.error = error.number
        self._context.last.rows = 0
        handler = frame.program.handler(frame.at)
        if isinstance(failure, CompileError):
            handler = None
        callers_try = frame.caller is not None and frame.caller.guarded
        if handler is None and not callers_try:
            if effect is Effect.TRANSACTION or self._lost_transaction():
                await transactions.abort()
            return False
        if effect is Effect.TRANSACTION or self._lost_transaction():
            transactions.doom()
        if handler is None:
            raise RaisedError(error, effect) from failure
        frame.errors[handler.handler] = error
        frame.at = handler.handler
        return True

    def _lost_transaction(self) -> bool:
        """Tell whether the storage ended the transaction by itself, as after a deadlock."""
        counted = bool(self._context.transactions.count)
        return counted and self._context.storage.transaction is not TransactionState.OPEN
