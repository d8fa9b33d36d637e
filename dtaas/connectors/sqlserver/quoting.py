"""Names and literals in T-SQL text."""

from dtaas.model.schema import TableRef


def identifier(name: str) -> str:
    """Return a quoted identifier."""
    return "[" + name.replace("]", "]]") + "]"


def table_name(table: TableRef) -> str:
    """Return schema and table, quoted."""
    return f"{identifier(table.schema)}.{identifier(table.name)}"


def text_literal(text: str) -> str:
    """Return a Unicode literal."""
    return "N'" + text.replace("'", "''") + "'"
