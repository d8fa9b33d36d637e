"""EXECUTE: procedures, dynamic batches, sp_executesql, and INSERT … EXEC."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol, assert_never

from dtaas.sandbox.sqlserver.results import (
    Columns,
    DatabaseChanged,
    Done,
    Item,
    OutputValue,
    ReturnStatus,
    Rows,
    SqlError,
)
from dtaas.sandbox.sqlserver.tsql import program
from dtaas.sandbox.sqlserver.tsql.arguments import (
    Bound,
    match_arguments,
    missing_argument,
    output_values,
    text_argument,
)
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.declarations import (
    Declaration,
    parse_declarations,
    resolve_variables,
    type_text,
)
from dtaas.sandbox.sqlserver.tsql.error_effects import Effect, RaisedError
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.option_actions import apply_options
from dtaas.sandbox.sqlserver.tsql.procedures import PROCEDURES, plain_name
from dtaas.sandbox.sqlserver.tsql.program import CallArgument, Program
from dtaas.sandbox.sqlserver.tsql.transaction_errors import count_mismatch
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType

_MAX_NESTING: Final = 32
_TEXT: Final = SqlType("nvarchar", MAX, collation=DEFAULT_COLLATION)
_INT: Final = SqlType("int")


class Runner(Protocol):
    """The instruction loop."""

    def run(self, frame: Frame) -> AsyncGenerator[Item]:
        """Run a frame."""
        ...


class Calling:
    """Runs what EXECUTE names, each in a frame of its own."""

    def __init__(self, context: Context, runner: Runner) -> None:
        self._context = context
        self._runner = runner

    async def run(
        self, action: program.Call | program.CallText | program.InsertExecute, frame: Frame
    ) -> AsyncGenerator[Item]:
        """Carry out EXECUTE. Raises: SqlError, CompileError, RaisedError, BatchEndedError."""
        match action:
            case program.CallText():
                items = self._call_text(action, frame)
            case program.Call():
                items = self._call(action, frame)
            case program.InsertExecute():
                items = self._insert(action, frame)
            case _:
                assert_never(action)
        async with aclosing(items):
            async for item in items:
                yield item

    async def procedure(
        self, name: str, arguments: Sequence[Bound], caller: Frame
    ) -> AsyncGenerator[Item]:
        """Call a procedure; yields `ReturnStatus` and, for outputs, `OutputValue` items last."""
        plain = plain_name(name)
        if plain == "sp_executesql":
            items = self._execute_sql(arguments, caller)
        elif plain in PROCEDURES:
            items = self._system_procedure(plain, arguments, caller)
        else:
            raise SqlError(2812, f"Could not find stored procedure '{name.strip()}'.", state=62)
        async with aclosing(items):
            async for item in items:
                yield item

    async def dynamic(
        self,
        sql: str,
        declarations: Sequence[Declaration],
        arguments: Sequence[Bound],
        caller: Frame,
        procedure: str = "",
    ) -> AsyncGenerator[Item]:
        """Run a batch with parameters in a frame below `caller`; outputs come last."""
        parsed = await self._context.parse(
            sql, frozenset(d.name for d in declarations), in_procedure=bool(procedure)
        )
        frame = await self._frame(parsed, declarations, caller, procedure)
        listed = ",".join(f"{d.name} {type_text(d.type)}" for d in declarations)
        await self._bind(declarations, arguments, frame, procedure, f"({listed}){sql}")
        database, count = self._context.storage.database, self._context.transactions.count
        async with aclosing(self._runner.run(frame)) as items:
            async for item in items:
                yield item
        yield ReturnStatus(frame.status)
        for item in await self._after(frame, database):
            yield item
        for item in output_values(declarations, arguments, frame.values):
            yield item
        after = self._context.transactions.count
        if after != count and not self._context.transactions.doomed:
            raise count_mismatch(count, after)

    # --- statements

    async def _call_text(self, action: program.CallText, frame: Frame) -> AsyncGenerator[Item]:
        text = await self._context.scalar(f"CAST({action.expression} AS nvarchar(max))", frame)
        async with aclosing(self.dynamic(text or "", (), (), frame)) as items:
            async for item in items:
                if not isinstance(item, ReturnStatus):
                    yield item

    async def _call(self, action: program.Call, frame: Frame) -> AsyncGenerator[Item]:
        name = action.name
        if name.startswith("@"):
            name = await self._context.scalar(f"CAST({name} AS nvarchar(520))", frame) or ""
        arguments = [await self._evaluate(argument, frame) for argument in action.arguments]
        async with aclosing(self.procedure(name, arguments, frame)) as items:
            async for item in items:
                match item:
                    case ReturnStatus() if action.status:
                        frame.values[action.status] = item.value
                    case ReturnStatus():
                        pass
                    case OutputValue():
                        bound = arguments[item.ordinal]
                        if bound.source:
                            await self._give_back(item, bound.source, frame)
                    case _:
                        yield item

    async def _insert(self, action: program.InsertExecute, frame: Frame) -> AsyncGenerator[Item]:
        """INSERT … EXEC: everything the call returns goes into the table."""
        types: tuple[SqlType, ...] = ()
        rows: list[Sequence[Any]] = []
        async with aclosing(self.run(action.call, frame)) as items:
            async for item in items:
                match item:
                    case Columns():
                        types = tuple(column.type for column in item.columns)
                    case Rows():
                        rows.extend(item.rows)
                    case Done():
                        pass
                    case _:
                        yield item
        names = [f"@insert_{i}" for i in range(len(types))]
        values = Frame(Program((), {}), dict(zip(names, types, strict=True)), frame.options)
        text = f"{action.head} VALUES ({', '.join(names)})"
        for row in rows:
            values.values = dict(zip(names, row, strict=True))
            compiled = await self._context.statement(text, values)
            arguments = self._context.arguments(compiled, values)
            outcome = await self._context.storage.execute(compiled, arguments)
            if compiled.sets_identity is not None:
                frame.scope_identity = self._context.last.identity = outcome.identity
        self._context.last.rows = len(rows)
        yield Done(None if frame.options.nocount else len(rows), 0xC3)

    # --- what a name stands for

    async def _execute_sql(self, arguments: Sequence[Bound], caller: Frame) -> AsyncGenerator[Item]:
        statement = text_argument("sp_executesql", "@statement", arguments, 0)
        declared: list[Declaration] = []
        if len(arguments) > 1:
            text = text_argument("sp_executesql", "@params", arguments, 1)
            catalog, _ = await self._context.storage.catalogs()
            declared = parse_declarations(text, catalog)
        async with aclosing(self.dynamic(statement, declared, arguments[2:], caller)) as items:
            async for item in items:
                if isinstance(item, OutputValue):
                    yield OutputValue(
                        ordinal=item.ordinal + 2, name=item.name, type=item.type, value=item.value
                    )
                else:
                    yield item

    async def _system_procedure(
        self, name: str, arguments: Sequence[Bound], caller: Frame
    ) -> AsyncGenerator[Item]:
        procedure = PROCEDURES[name]
        catalog, _ = await self._context.storage.catalogs()
        declared = parse_declarations(procedure.parameters, catalog)
        if isinstance(procedure.body, str):
            items = self.dynamic(procedure.body, declared, arguments, caller, name)
        else:
            items = self._native(name, arguments, caller)
        async with aclosing(items):
            async for item in items:
                yield item

    async def _native(
        self, name: str, arguments: Sequence[Bound], caller: Frame
    ) -> AsyncGenerator[Item]:
        procedure = PROCEDURES[name]
        catalog, _ = await self._context.storage.catalogs()
        declared = parse_declarations(procedure.parameters, catalog)
        frame = await self._frame(Program((), {}), declared, caller, name)
        await self._bind(declared, arguments, frame, name)
        if not isinstance(procedure.body, str):
            for item in await procedure.body(frame, self._context):
                yield item
        yield ReturnStatus(0)
        for item in output_values(declared, arguments, frame.values):
            yield item

    # --- frames and arguments

    async def _frame(
        self, parsed: Program, declared: Sequence[Declaration], caller: Frame, procedure: str
    ) -> Frame:
        catalog, _ = await self._context.storage.catalogs()
        types = resolve_variables(parsed.variables, catalog)
        types.update({d.name: d.type for d in declared})
        frame = Frame(parsed, types, caller.options, caller=caller, procedure=procedure)
        if frame.nesting > _MAX_NESTING:
            error = SqlError(
                217,
                "Maximum stored procedure, function, trigger, or view nesting level exceeded "
                f"(limit {_MAX_NESTING}).",
                line=caller.line,
            )
            raise RaisedError(error, Effect.TRANSACTION)
        return frame

    async def _bind(
        self,
        declared: Sequence[Declaration],
        arguments: Sequence[Bound],
        frame: Frame,
        procedure: str,
        query: str = "",
    ) -> None:
        """Give parameters their values, converted to their types.

        Args:
            procedure: its name, empty for a parameterized `query`.
        """
        given = match_arguments(declared, arguments, procedure or "sp_executesql")
        for declaration in declared:
            bound = given.get(declaration.name)
            if bound is not None and not bound.is_default:
                value = await self._converted(bound.value, bound.type, declaration.type, frame)
            elif declaration.default is not None:
                value = await self._context.scalar(declaration.default, frame)
                if isinstance(value, str) and declaration.type.name not in {"nvarchar", "varchar"}:
                    value = await self._converted(value, _TEXT, declaration.type, frame)
            else:
                raise missing_argument(procedure, declaration.name, query)
            frame.values[declaration.name] = value

    async def _converted(self, value: Any, source: SqlType, target: SqlType, frame: Frame) -> Any:
        """Return a value as assignment to a variable of type `target` would store it."""
        if value is None or source == target:
            return value
        pair = Frame(
            Program((), {}), {"@source": source, "@target": target}, frame.options, caller=frame
        )
        pair.values["@source"] = value
        compiled = await self._context.statement("SELECT @target = @source", pair)
        _, last = await self._context.assigned(compiled, pair)
        return None if last is None else last[0]

    async def _evaluate(self, argument: CallArgument, frame: Frame) -> Bound:
        text = argument.value
        if text.upper() == "DEFAULT":
            return Bound(name=argument.name, type=_INT, value=None, is_default=True)
        if text.startswith("@") and not text.startswith("@@"):
            variable = text.lower()
            return Bound(
                name=argument.name,
                type=frame.types[variable],
                value=frame.values.get(variable),
                source=variable if argument.output else "",
            )
        if argument.output:
            raise SqlError(
                179,
                "Cannot use the OUTPUT option when passing a constant to a stored procedure.",
                severity=15,
            )
        type_, value = await self._context.typed_scalar(text, frame)
        return Bound(name=argument.name, type=type_, value=value)

    async def _give_back(self, item: OutputValue, variable: str, frame: Frame) -> None:
        frame.values[variable] = await self._converted(
            item.value, item.type, frame.types[variable], frame
        )

    async def _after(self, frame: Frame, database: str) -> list[Item]:
        """Bring back what a frame may have changed for itself only."""
        items: list[Item] = []
        if not self._context.transactions.doomed:
            await self._context.drop_tables(frame)
        if frame.caller is not None:
            apply_options(frame.caller.options, self._context)
        now = self._context.storage.database
        if now != database:
            await self._context.storage.use(database)
            items.append(DatabaseChanged(database, now))
        return items
