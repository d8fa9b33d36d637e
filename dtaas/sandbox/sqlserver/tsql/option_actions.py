"""SET for options, carried out."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.program import SetOption
from dtaas.sandbox.sqlserver.tsql.session_state import UNLIMITED_TEXT_BYTES, Options, changed
from dtaas.sandbox.sqlserver.tsql.storage_port import Isolation

_SWITCHES: Final = {
    "NOCOUNT": "nocount",
    "XACT_ABORT": "xact_abort",
    "IMPLICIT_TRANSACTIONS": "implicit_transactions",
    "FMTONLY": "fmtonly",
}
_PRIORITIES: Final = {"LOW": -5, "NORMAL": 0, "HIGH": 5}
_MAX_PRIORITY: Final = 10
_DATE_FORMATS: Final = frozenset({"mdy", "dmy", "ymd", "ydm", "myd", "dym"})
_WEEKDAYS: Final = range(1, 8)


async def set_option(action: SetOption, frame: Frame, context: Context) -> None:
    """Change the frame's options.

    Raises:
        SqlError: a value out of range, or one this server does not honour.
    """
    options = frame.options
    match action.option:
        case option if option in _SWITCHES:
            frame.options = changed(options, **{_SWITCHES[option]: action.value == "ON"})
        case "TRANSACTION ISOLATION LEVEL":
            frame.options = changed(options, isolation=Isolation[action.value])
        case "IDENTITY_INSERT ON":
            frame.options = changed(
                options, identity_insert=await _identity_insert(action.value, options, context)
            )
        case "IDENTITY_INSERT OFF":
            frame.options = changed(options, identity_insert=None)
        case "LOCK_TIMEOUT":
            frame.options = changed(options, lock_timeout_ms=await _number(action, frame, context))
        case _:
            frame.options = await _valued(action, frame, context)


def apply_options(options: Options, context: Context) -> None:
    """Tell the storage what it must know of the options."""
    storage = context.storage
    storage.isolation = options.isolation
    storage.lock_timeout_ms = options.lock_timeout_ms
    storage.identity_insert = options.identity_insert
    storage.xact_abort = options.xact_abort


async def _valued(action: SetOption, frame: Frame, context: Context) -> Options:
    options = frame.options
    match action.option:
        case "TEXTSIZE":
            size = await _number(action, frame, context)
            return changed(options, text_size_bytes=UNLIMITED_TEXT_BYTES if size < 0 else size)
        case "ROWCOUNT":
            if await _number(action, frame, context):
                raise SqlError(
                    195, "'ROWCOUNT' is not a recognized SET option.", severity=15, state=5
                )
            return options
        case "DATEFIRST":
            day = await _number(action, frame, context)
            if day not in _WEEKDAYS:
                raise SqlError(2744, f"The value {day} is out of range for SET DATEFIRST.")
            return changed(options, date_first=day)
        case "DATEFORMAT":
            return changed(options, date_format=await _date_format(action, frame, context))
        case "LANGUAGE":
            return changed(options, language=await _language(action, frame, context))
        case "DEADLOCK_PRIORITY":
            return changed(options, deadlock_priority=await _priority(action, frame, context))
        case "CONTEXT_INFO":
            value = await context.scalar(f"CAST({action.value} AS varbinary(128))", frame)
            return changed(options, context_info=value)
        case _:
            return options


async def _number(action: SetOption, frame: Frame, context: Context) -> int:
    try:
        return int(action.value.replace(" ", ""))
    except ValueError:
        value: int = await context.scalar(f"CAST({action.value} AS int)", frame)
        return value


async def _word(action: SetOption, frame: Frame, context: Context) -> str:
    if action.value[0] in "@'Nn" and not action.value.isalpha():
        text: str = await context.scalar(f"CAST({action.value} AS nvarchar(128))", frame)
        return text.lower()
    return action.value.strip("[]").lower()


async def _date_format(action: SetOption, frame: Frame, context: Context) -> str:
    name = await _word(action, frame, context)
    if name not in _DATE_FORMATS:
        raise SqlError(2741, f"SET DATEFORMAT date order '{name}' is invalid.")
    if name != "mdy":  # texts would read otherwise
        raise SqlError(195, "'DATEFORMAT' is not a recognized SET option.", severity=15, state=5)
    return name


async def _language(action: SetOption, frame: Frame, context: Context) -> str:
    name = await _word(action, frame, context)
    if name not in {"us_english", "english"}:
        raise SqlError(
            2740,
            f"SET LANGUAGE failed because '{name}' is not an official language name or a language "
            "alias on this SQL Server.",
        )
    return "us_english"


async def _priority(action: SetOption, frame: Frame, context: Context) -> int:
    if action.value.upper() in _PRIORITIES:
        return _PRIORITIES[action.value.upper()]
    value = await _number(action, frame, context)
    if abs(value) > _MAX_PRIORITY:
        raise SqlError(155, f"'{value}' is not a recognized DEADLOCK_PRIORITY option.", severity=15)
    return value


async def _identity_insert(name: str, options: Options, context: Context) -> str:
    if options.identity_insert is not None and options.identity_insert != name:
        raise SqlError(
            8107,
            f"IDENTITY_INSERT is already ON for table '{options.identity_insert}'. Cannot perform "
            f"SET operation for table '{name}'.",
        )
    parts = [part.strip('[]"') for part in name.split(".")]
    catalog, catalogs = await context.storage.catalogs()
    if len(parts) > 2:  # noqa: PLR2004 - database.schema.table
        catalog = catalogs.get(parts[-3].lower(), catalog)
    table = catalog.table(parts[-2] if len(parts) > 1 else None, parts[-1])
    if table is None:
        raise SqlError(
            1088,
            f'Cannot find the object "{name}" because it does not exist or you do not have '
            "permissions.",
            state=11,
        )
    if not any(column.identity for column in table.columns):
        raise SqlError(
            8106,
            f"Table '{name}' does not have the identity property. Cannot perform SET operation.",
        )
    return f"{table.schema}.{table.name}"
