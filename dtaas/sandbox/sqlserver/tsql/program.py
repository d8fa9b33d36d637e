"""A T-SQL batch as a list of instructions: control flow is jumps, TRY is a table of ranges.

Texts are T-SQL as written; `line` counts from 1 within the batch. The interpreter runs it.
"""

from collections.abc import Mapping

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql.changes import Statement


class Sql(Struct, frozen=True):
    """SELECT, INSERT, UPDATE, DELETE or MERGE, with its WITH clause. `word` is the verb."""

    text: str
    word: str
    tree: Statement


class InsertExecute(Struct, frozen=True):
    """INSERT … EXEC: `head` is the text before EXEC."""

    head: str
    call: "Call | CallText"


class Define(Struct, frozen=True):
    """A statement the storage runs as it stands: DDL, GRANT, DBCC and their kind."""

    text: str
    word: str


class DeclareTable(Struct, frozen=True):
    """DECLARE @name TABLE (…): a temporary table until the batch ends.

    Attributes:
        table: name of that table, quoted; statements name it instead of the variable.
        definition: columns and constraints with their parentheses.
    """

    table: str
    definition: str


class SetVariable(Struct, frozen=True):
    """SET @name = expression; `+=` and its kind are written out already."""

    name: str
    expression: str


class SetOption(Struct, frozen=True):
    """SET option value: both in upper case, except names and variables."""

    option: str
    value: str


class Print(Struct, frozen=True):
    """PRINT expression."""

    expression: str


class RaiseError(Struct, frozen=True):
    """RAISERROR (message, severity, state, arguments) WITH options."""

    arguments: tuple[str, ...]
    options: frozenset[str]


class Throw(Struct, frozen=True):
    """THROW number, message, state; without arguments it raises the caught error again."""

    arguments: tuple[str, ...] = ()


class BeginTransaction(Struct, frozen=True):
    """BEGIN TRANSACTION name."""

    name: str = ""


class CommitTransaction(Struct, frozen=True):
    """COMMIT; SQL Server ignores its name."""


class RollbackTransaction(Struct, frozen=True):
    """ROLLBACK, to a savepoint or of the transaction of that name. `@v` is read when it runs."""

    name: str = ""


class SaveTransaction(Struct, frozen=True):
    """SAVE TRANSACTION name."""

    name: str


class Use(Struct, frozen=True):
    """USE database."""

    database: str


class CallArgument(Struct, frozen=True):
    """An argument of EXEC: a constant or variable as text; `name` empty when positional."""

    name: str
    value: str
    output: bool = False


class Call(Struct, frozen=True):
    """EXEC procedure; `name` as written, or a variable that holds it."""

    name: str
    arguments: tuple[CallArgument, ...] = ()
    status: str = ""


class CallText(Struct, frozen=True):
    """EXEC (expression): a batch of its own."""

    expression: str


class Return(Struct, frozen=True):
    """RETURN expression."""

    expression: str = ""


class Wait(Struct, frozen=True):
    """WAITFOR DELAY or TIME; `time` is a constant or variable as text."""

    kind: str
    time: str


Action = (
    Sql
    | InsertExecute
    | Define
    | DeclareTable
    | SetVariable
    | SetOption
    | Print
    | RaiseError
    | Throw
    | BeginTransaction
    | CommitTransaction
    | RollbackTransaction
    | SaveTransaction
    | Use
    | Call
    | CallText
    | Return
    | Wait
)


class Run(Struct, frozen=True):
    """Do something, then go on."""

    action: Action
    line: int


class Branch(Struct, frozen=True):
    """Go on when the condition is true, else jump."""

    condition: str
    target: int
    line: int


class Jump(Struct, frozen=True):
    """Jump."""

    target: int
    line: int


Instruction = Run | Branch | Jump


class TryRange(Struct, frozen=True):
    """Instructions `start <= i < end` are guarded; `end <= i < handler_end` handle."""

    start: int
    end: int
    handler: int
    handler_end: int


class Program(Struct, frozen=True):
    """A parsed batch.

    Attributes:
        variables: declared types as text, by lower-case name with its `@`.
        guards: TRY blocks, inner ones before those around them.
    """

    instructions: tuple[Instruction, ...]
    variables: Mapping[str, str]
    guards: tuple[TryRange, ...] = ()

    def handler(self, at: int) -> TryRange | None:
        """Return the TRY block around an instruction."""
        return next((g for g in self.guards if g.start <= at < g.end), None)

    def caught(self, at: int) -> list[int]:
        """Return the handlers whose CATCH blocks an instruction lies in, inner ones first."""
        return [g.handler for g in self.guards if g.handler <= at < g.handler_end]
