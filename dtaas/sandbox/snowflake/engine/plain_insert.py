"""INSERT … VALUES of nothing but literals, which needs no translation: thousands of rows at once.

Translating such a text would take a hundred times longer than running it.
"""

import re
from typing import Final

from dtaas.sandbox.snowflake.engine.answer import INSERT, Answer, counts
from dtaas.sandbox.snowflake.engine.errors import missing
from dtaas.sandbox.snowflake.engine.names import IDENTIFIER, QUALIFIED, fold, quoted
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.tables import physical, table_exists
from dtaas.sandbox.snowflake.engine.transactions import transaction

_NAMES: Final = rf"{IDENTIFIER}(?:\s*,\s*{IDENTIFIER})*"
# No backslash within a text: it escapes in Snowflake, and stands for itself in DuckDB.
_PIECE: Final = r"(?:[(),]|-?\d+(?:\.\d+)?(?![\w.])|'(?:[^'\\]|'')*+'|(?:NULL|TRUE|FALSE)\b)"

PATTERN: Final = (
    rf"INSERT\s+INTO\s+(?P<name>{QUALIFIED})\s*(?:\(\s*(?P<columns>{_NAMES})\s*\)\s*)?"
    rf"VALUES(?P<values>(?:\s*{_PIECE})++\s*)"
)


def plain_insert(session: Session, found: re.Match[str]) -> Answer:
    """INSERT INTO table [(columns)] VALUES (literal, …), …."""
    name = session.name(found["name"])
    if not table_exists(session, name):
        raise missing("Table", str(name))
    columns = re.findall(IDENTIFIER, found["columns"] or "")
    names = f" ({', '.join(quoted(fold(column)) for column in columns)})" if columns else ""
    with transaction(session):
        inserted = session.duck.execute(
            f"INSERT INTO {physical(session, name)}{names} VALUES{found['values']}"
        ).fetchone()
    return counts(INSERT, number_of_rows_inserted=int(inserted[0]) if inserted else 0)
