"""What a system procedure is."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import Item
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame


class Procedure(Struct, frozen=True):
    """A procedure.

    Attributes:
        parameters: their declarations, as CREATE PROCEDURE writes them.
        body: a T-SQL batch, or a function that finds the parameters in the frame's values.
    """

    parameters: str
    body: str | Callable[[Frame, Context], Awaitable[list[Item]]]
