"""RAISERROR and THROW, carried out."""

from typing import Any, Final

from dtaas.sandbox.sqlserver.results import Item, Message, SqlError
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.error_effects import Effect, RaisedError
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.messages import format_message
from dtaas.sandbox.sqlserver.tsql.program import RaiseError, Throw

_USER_ERROR: Final = 50000
_MIN_NUMBER: Final = 13000
_MAX_INFORMATION: Final = 10
_MAX_WITHOUT_LOG: Final = 18
_MAX_STATE: Final = 255
_THROW_SEVERITY: Final = 16
_MESSAGES: Final = {
    15009: "The object '%s' does not exist in database '%s' or is invalid for this operation.",
    22901: (
        "The database '%s' is not enabled for Change Data Capture. Ensure that the correct "
        "database context is set and retry the operation. To report on the databases enabled for "
        "Change Data Capture, query the is_cdc_enabled column in the sys.databases catalog view."
    ),
    22981: "Object does not exist or access is denied.",
}
"""sys.messages, as far as system procedures raise them."""


async def raise_error(action: RaiseError, frame: Frame, context: Context) -> list[Item]:
    """Return the message of a RAISERROR of severity 10 or less.

    Raises:
        RaisedError: its severity is greater.
        SqlError: 2754 its severity needs WITH LOG; 18054 no message of that number.
    """
    message, severity, state, *arguments = [
        await context.scalar(text, frame) for text in action.arguments
    ]
    severity = max(0, min(int(severity or 0), 25))
    state = min(abs(int(state or 0)), _MAX_STATE) or 1
    context.last.rows = 0
    if severity > _MAX_WITHOUT_LOG and "LOG" not in action.options:
        raise SqlError(
            2754,
            "Error severity levels greater than 18 can only be specified by members of the "
            "sysadmin role, using the WITH LOG option.",
        )
    number, text = _message(message, severity, state)
    text = format_message(text, arguments)
    if severity <= _MAX_INFORMATION:
        context.last.error = number if "SETERROR" in action.options else 0
        return [Message(number=number, text=text, severity=severity, state=state, line=frame.line)]
    error = SqlError(
        number, text, severity=severity, state=state, procedure=frame.procedure, line=frame.line
    )
    raise RaisedError(error, Effect.STATEMENT)


async def throw(action: Throw, frame: Frame, context: Context) -> None:
    """Raise the error THROW says, or the caught one again.

    Raises:
        RaisedError: always, or
        SqlError: 35100 its number is below 50000.
    """
    effect = Effect.TRANSACTION if frame.options.xact_abort else Effect.BATCH
    if not action.arguments:
        caught = frame.caught()
        if caught is None:
            raise AssertionError("the parser lets a bare THROW only stand in CATCH")
        raise RaisedError(caught, effect)
    number, text, state = [await context.scalar(each, frame) for each in action.arguments]
    if number is None or number < _USER_ERROR:
        raise SqlError(
            35100,
            f"Error number {number} in the THROW statement is outside the valid range. Specify an "
            "error number in the valid range of 50000 to 2147483647.",
            state=10,
        )
    error = SqlError(
        number,
        text or "",
        severity=_THROW_SEVERITY,
        state=state or 0,
        procedure=frame.procedure,
        line=frame.line,
    )
    raise RaisedError(error, effect)


def _message(message: Any, severity: int, state: int) -> tuple[int, str]:
    if isinstance(message, str):
        return _USER_ERROR, message
    if message in _MESSAGES:
        return message, _MESSAGES[message]
    if message == _USER_ERROR:
        return message, f"Error {message}, severity {severity}, state {state} was raised."
    if message is None or message < _MIN_NUMBER:
        raise SqlError(
            2732,
            f"Error number {message} is invalid. The number must be from 13000 through 2147483647 "
            "and it cannot be 50000.",
        )
    raise SqlError(
        18054,
        f"Error {message}, severity {severity}, state {state} was raised, but no message with that "
        "error number was found in sys.messages. If error is larger than 50000, make sure the "
        "user-defined message is added using sp_addmessage.",
    )
