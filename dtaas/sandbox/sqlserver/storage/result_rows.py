"""The last step to wire form: what SQL cannot do is done here, column by column."""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.storage.forms import CHARACTER_TYPES, has_escaped, unescape_text
from dtaas.sandbox.sqlserver.storage.variants import decode_variant

Batch = Sequence[Sequence[Any]]


def finisher(columns: Sequence[ResultColumn]) -> Callable[[Batch], Batch]:
    """Return what turns fetched rows of a result into wire form.

    Rows go through untouched unless they have a sql_variant, or a text beyond ASCII that holds
    characters escaped by `forms.escape_text`.
    """
    texts = [i for i, c in enumerate(columns) if c.type.name in CHARACTER_TYPES]
    variants = [i for i, c in enumerate(columns) if c.type.name == "sql_variant"]
    # two indexes at least, so that the getter gives a tuple
    texts_of = itemgetter(*texts, texts[0]) if texts else None

    def finish(rows: Batch) -> Batch:
        escaped = []
        if texts_of is not None:
            whole = "".join(filter(None, chain.from_iterable(map(texts_of, rows))))
            escaped = texts if has_escaped(whole) else []
        if not escaped and not variants:
            return rows
        columns_of_rows = list(zip(*rows, strict=True))
        for convert, indexes in ((unescape_text, escaped), (decode_variant, variants)):
            for i in indexes:
                columns_of_rows[i] = tuple(
                    None if value is None else convert(value) for value in columns_of_rows[i]
                )
        return list(zip(*columns_of_rows, strict=True))

    return finish
