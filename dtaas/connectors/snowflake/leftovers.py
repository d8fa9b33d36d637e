"""Transactions that nobody will end: their client died, and they hold the locks of a table.

Snowflake ends them by itself after minutes or hours. Whoever takes a target over ends them at once,
which it can tell by their names; then only what was committed counts.
"""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from dtaas.connectors.snowflake.names import text
from dtaas.connectors.snowflake.sessions import Session, SessionPool
from dtaas.model.errors import DtaasError

log = structlog.get_logger()
_DIGITS: Final = 20


def _stem(target: str) -> str:
    return f"DTAAS_{hashlib.sha256(target.encode()).hexdigest()[:_DIGITS].upper()}_"


def begin(target: str) -> str:
    """Return the statement that begins a transaction on a target.

    Args:
        target: the qualified table.
    """
    return f"BEGIN NAME {_stem(target)}{uuid.uuid4().hex[:_DIGITS].upper()}"


async def begun(session: Session, what: str, target: str) -> str:
    """Begin a transaction on a target; return the condition that holds within it alone.

    Whoever takes the target over ends it, and a statement that comes then is a transaction of its
    own, which would stay. So each one that writes bears this condition, and writes nothing.
    """
    await session.run(what, begin(target))
    number = (await session.run(what, "SELECT CURRENT_TRANSACTION()"))[0][0]
    return f"TO_VARCHAR(CURRENT_TRANSACTION()) = {text(str(number))}"


async def end_leftovers(
    pool: SessionPool, tag: str, what: str, target: str, still: Callable[[], Awaitable[None]]
) -> None:
    """End the open transactions on a target. Only who is taking it over may call this.

    Args:
        still: raises when somebody else has taken the target over meanwhile. It is called once what
            there is to end is known: that is older than whoever may come from then on.
    """
    stem = _stem(target)
    async with pool.session(tag) as session:
        shown = await session.run_named(what, "SHOW TRANSACTIONS")
    found = [row for row in shown if str(row["name"]).upper().startswith(stem)]
    if found:
        await still()
    for row in found:
        sql = f"SELECT SYSTEM$ABORT_TRANSACTION({text(str(row['id']))})"
        try:
            await pool.run(tag, what, sql)
        except DtaasError as error:  # it has just ended, or we wait for its locks
            log.warning("leftover_not_ended", transaction=str(row["id"]), error=error.detail)
        else:
            log.info("leftover_ended", transaction=str(row["id"]), began=str(row["started_on"]))
