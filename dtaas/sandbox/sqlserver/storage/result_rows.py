"""The last step to wire form: what SQL cannot do is done here, column by column."""

from collections.abc import Callable, Sequence
from typing import Any

from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.storage.forms import CHARACTER_TYPES, unescape_text
from dtaas.sandbox.sqlserver.storage.variants import decode_variant

Batch = Sequence[Sequence[Any]]


def finisher(columns: Sequence[ResultColumn]) -> Callable[[Batch], Batch]:
    """Return what turns fetched rows of a result into wire form.

    Rows go through untouched unless they have a sql_variant, or a text beyond ASCII that holds
    characters escaped by `forms.escape_text`.
    """
    texts = [i for i, c in enumerate(columns) if c.type.name in CHARACTER_TYPES]
    variants = [i for i, c in enumerate(columns) if c.type.name == "sql_variant"]
    if not texts and not variants:
        return lambda rows: rows

    def finish(rows: Batch) -> Batch:
        changed: dict[int, list[Any]] = {}
        for i in texts:
            values = [row[i] for row in rows]
            whole = "".join(filter(None, values))
            if not whole.isascii() and unescape_text(whole) != whole:
                changed[i] = [None if v is None else unescape_text(v) for v in values]
        for i in variants:
            changed[i] = [None if row[i] is None else decode_variant(row[i]) for row in rows]
        if not changed:
            return rows
        wholes = [
            changed[i] if i in changed else [row[i] for row in rows] for i in range(len(columns))
        ]
        return list(zip(*wholes, strict=True))

    return finish
