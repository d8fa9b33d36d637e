"""What belongs to one running batch, procedure or dynamic batch."""

from collections.abc import Mapping
from typing import Any

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.program import Program
from dtaas.sandbox.sqlserver.tsql.session_state import Options
from dtaas.sandbox.sqlserver.types import SqlType


class Frame:
    """A program at work.

    Attributes:
        at: index of the running instruction.
        types: declared variables, by lower-case name.
        values: their values in wire form; those not set are NULL.
        procedure: its name, empty for batches.
        errors: the error each CATCH block was entered with, by handler.
        status: RETURN value.
        tables: table variables, as quoted names of temporary tables.
    """

    def __init__(
        self,
        program: Program,
        types: Mapping[str, SqlType],
        options: Options,
        *,
        caller: "Frame | None" = None,
        procedure: str = "",
    ) -> None:
        self.program = program
        self.types = types
        self.values: dict[str, Any] = {}
        self.options = options
        self.caller = caller
        self.procedure = procedure
        self.at = 0
        self.errors: dict[int, SqlError] = {}
        self.status = 0
        self.tables: list[str] = []
        self.nesting: int = caller.nesting + 1 if caller else 0
        self.scope_identity: int | None = None

    @property
    def line(self) -> int:
        """Line of the running instruction."""
        instructions = self.program.instructions
        return instructions[min(self.at, len(instructions) - 1)].line if instructions else 1

    @property
    def guarded(self) -> bool:
        """Whether a TRY block is open here or in a caller."""
        here = self.program.handler(self.at) is not None
        return here or (self.caller is not None and self.caller.guarded)

    def caught(self) -> SqlError | None:
        """Return the error of the innermost CATCH block around, in callers too."""
        for handler in self.program.caught(self.at):
            if handler in self.errors:
                return self.errors[handler]
        return self.caller.caught() if self.caller else None
