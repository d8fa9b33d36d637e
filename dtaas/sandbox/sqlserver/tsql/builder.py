"""Instructions under construction: jumps are written before their targets are known."""

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.program import (
    Action,
    Branch,
    Instruction,
    Jump,
    Program,
    Run,
    TryRange,
)

_UNKNOWN = -1


class _Loop(Struct):
    start: int
    leaves: list[int]


class ProgramBuilder:
    """Collects the instructions of one batch in order."""

    def __init__(self) -> None:
        self._instructions: list[Instruction] = []
        self._variables: dict[str, str] = {}
        self._guards: list[TryRange] = []
        self._loops: list[_Loop] = []
        self._labels: dict[str, int] = {}
        self._gotos: list[tuple[int, str]] = []

    @property
    def here(self) -> int:
        """Index of the next instruction."""
        return len(self._instructions)

    @property
    def in_loop(self) -> bool:
        """Whether a WHILE is open."""
        return bool(self._loops)

    def declare(self, name: str, type_text: str) -> None:
        """Add a variable."""
        self._variables[name] = type_text

    def run(self, action: Action, line: int) -> None:
        """Add an action."""
        self._instructions.append(Run(action, line))

    def branch(self, condition: str, line: int) -> int:
        """Add a branch and return it for `land`."""
        self._instructions.append(Branch(condition, _UNKNOWN, line))
        return self.here - 1

    def jump(self, line: int, target: int = _UNKNOWN) -> int:
        """Add a jump and return it for `land`."""
        self._instructions.append(Jump(target, line))
        return self.here - 1

    def land(self, jump: int) -> None:
        """Let a jump or branch end here."""
        self._aim(jump, self.here)

    def enter_loop(self, start: int) -> None:
        """Open a WHILE whose condition is at `start`."""
        self._loops.append(_Loop(start, []))

    def repeat(self, line: int) -> None:
        """Jump to the condition of the innermost WHILE."""
        self.jump(line, self._loops[-1].start)

    def leave(self, line: int) -> None:
        """Jump behind the innermost WHILE."""
        self._loops[-1].leaves.append(self.jump(line))

    def leave_loop(self) -> None:
        """Close the innermost WHILE here."""
        for jump in self._loops.pop().leaves:
            self.land(jump)

    def guard(self, start: int, end: int, handler: int) -> None:
        """Close a TRY block whose CATCH block ends here."""
        self._guards.append(TryRange(start, end, handler, self.here))

    def label(self, name: str, line: int) -> None:
        """Put a label here. Raises: SqlError 132 when it exists."""
        if name in self._labels:
            raise SqlError(
                132,
                f"The label '{name}' has already been declared. Label names must be unique within "
                "a query batch or stored procedure.",
                severity=15,
                line=line,
            )
        self._labels[name] = self.here

    def goto(self, name: str, line: int) -> None:
        """Jump to a label that may come later."""
        self._gotos.append((self.jump(line), name))

    def finish(self) -> Program:
        """Return the program. Raises: SqlError 133 GOTO to a label that does not exist."""
        for jump, name in self._gotos:
            if name not in self._labels:
                raise SqlError(
                    133,
                    f"A GOTO statement references the label '{name}' but the label has not been "
                    "declared.",
                    severity=15,
                    line=self._instructions[jump].line,
                )
            self._aim(jump, self._labels[name])
        return Program(tuple(self._instructions), self._variables, tuple(self._guards))

    def _aim(self, at: int, target: int) -> None:
        instruction = self._instructions[at]
        if not isinstance(instruction, Run):
            self._instructions[at] = replace(instruction, target=target)
