"""What a session answers, item by item, and the port between the wire and the T-SQL front."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from dtaas.sandbox.sqlserver.types import SqlType


class SqlError(Exception):
    """An error with SQL Server's own number, severity (class), state and text."""

    def __init__(
        self,
        number: int,
        text: str,
        *,
        severity: int = 16,
        state: int = 1,
        procedure: str = "",
        line: int = 1,
    ) -> None:
        super().__init__(f"Msg {number}, Level {severity}, State {state}: {text}")
        self.number = number
        self.text = text
        self.severity = severity
        self.state = state
        self.procedure = procedure
        self.line = line


class ResultColumn(Struct, frozen=True, kw_only=True):
    """A column of a result, as COLMETADATA describes it."""

    name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False
    computed: bool = False


class Columns(Struct, frozen=True):
    """A result set begins."""

    columns: tuple[ResultColumn, ...]


class Rows(Struct, frozen=True):
    """Some rows of the current result set, values in wire form (see `types`)."""

    rows: Sequence[Sequence[Any]]


class PackedRows(Struct, frozen=True):
    """Rows of the current result set that are ROW tokens already, for replaying at line speed."""

    tokens: bytes
    rows: int


class Done(Struct, frozen=True):
    """A statement ended.

    Attributes:
        rows: rows counted, None under SET NOCOUNT ON or for statements that count none.
        command: CurCmd of the DONE token (0xC1 SELECT, 0xC3 INSERT, 0xC4 DELETE, 0xC5 UPDATE …).
    """

    rows: int | None = None
    command: int = 0


class Message(Struct, frozen=True, kw_only=True):
    """An informational message (severity at most 10), such as PRINT's."""

    number: int
    text: str
    severity: int = 0
    state: int = 1
    procedure: str = ""
    line: int = 1


class ErrorMessage(Struct, frozen=True):
    """An error that did not end the batch, or the last item of one it ended."""

    error: SqlError


class DatabaseChanged(Struct, frozen=True):
    """USE took effect."""

    new: str
    old: str


class ReturnStatus(Struct, frozen=True):
    """The return code of a procedure."""

    value: int


class OutputValue(Struct, frozen=True, kw_only=True):
    """The value of an output parameter after a call.

    Attributes:
        ordinal: its place among the parameters given to `execute` or `call`, from 0.
    """

    ordinal: int
    name: str
    type: SqlType
    value: Any


Item = (
    Columns
    | Rows
    | PackedRows
    | Done
    | Message
    | ErrorMessage
    | DatabaseChanged
    | ReturnStatus
    | OutputValue
)


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter of a call; `name` with its `@`, empty when positional; value in wire form."""

    name: str
    type: SqlType
    value: Any
    output: bool = False


class Session(Protocol):
    """One login. The wire calls one method at a time and consumes its items to the end.

    Cancelling the consumer (ATTENTION) interrupts the running statement; the session stays
    usable. Statements that fail yield `ErrorMessage` items; nothing is raised for them.
    """

    @property
    def database(self) -> str:
        """Name of the current database."""
        ...

    @property
    def transaction(self) -> int:
        """Descriptor of the open transaction, 0 when there is none."""
        ...

    def batch(self, sql: str) -> AsyncIterator[Item]:
        """Run a T-SQL batch."""
        ...

    def execute(
        self, sql: str, declarations: str, parameters: Sequence[Parameter]
    ) -> AsyncIterator[Item]:
        """Run `sql` with parameters, as `sp_executesql` does.

        Args:
            declarations: `@a int, @b nvarchar(10) OUTPUT`; decides the parameters' types.
        """
        ...

    def call(self, procedure: str, parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        """Call a stored procedure by name, such as `[sys].sp_datatype_info_100`."""
        ...

    async def describe(self, sql: str, declarations: str) -> tuple[ResultColumn, ...]:
        """Return the columns `sql` would give, without running it; empty when it gives none.

        Raises:
            SqlError: it does not compile.
        """
        ...

    async def begin(self, isolation: int) -> None:
        """Open a transaction (TM_BEGIN_XACT). `isolation`: 0 none given, 1 to 5 as in MS-TDS."""
        ...

    async def commit(self) -> None:
        """Commit the open transaction.

        Raises:
            SqlError: 3902 when there is none.
        """
        ...

    async def rollback(self) -> None:
        """Roll the open transaction back.

        Raises:
            SqlError: 3903 when there is none.
        """
        ...

    async def reset(self) -> None:
        """Forget SET options, temporary tables and any open transaction (RESETCONNECTION)."""
        ...

    async def aclose(self) -> None:
        """Roll back and free everything. Idempotent."""
        ...


class Engine(Protocol):
    """The simulated server behind the wire."""

    server_name: str

    async def login(
        self, *, user: str, password: str | None, database: str, application: str, host: str
    ) -> Session:
        """Open a session.

        Args:
            password: None when an access token already said who the user is.

        Raises:
            SqlError: 18456 wrong user or password, 4060 database does not exist; the wire sends
                4060 first and then 18456, as SQL Server does.
        """
        ...
