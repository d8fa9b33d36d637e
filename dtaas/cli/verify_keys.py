"""Which rows of a table differ, for people. Needs nothing of a daemon."""

from typing import Final

import click

from dtaas.model.verification import TableVerification

_KEYS_SHOWN: Final = 10


def show_keys(table: TableVerification, *, err: bool = False) -> None:
    """Print the keys of a table's rows that differ."""
    for one in table.keys[:_KEYS_SHOWN]:
        key = ", ".join(f"{name}={text}" for name, text in one.key.items())
        columns = f" ({', '.join(one.columns)})" if one.columns else ""
        click.echo(f"  {table.table} {key}: {one.difference}{columns}", err=err)
    more = (table.different_rows or 0) - len(table.keys[:_KEYS_SHOWN])
    if table.keys and more > 0:
        click.echo(f"  and {more:,} more rows of {table.table}", err=err)
