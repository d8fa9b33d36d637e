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


def ascii_batch(sql: str) -> str:
    """Return a batch of ASCII characters that runs `sql`.

    arrow-odbc hands text to the driver manager as bytes, which decodes them by the process's
    locale or as Latin-1: a name or bound with other characters would arrive as another one.
    """
    if sql.isascii():
        return sql
    units = sql.encode("utf-16-le").hex()
    return (
        f"DECLARE @sql nvarchar(max) = CAST(0x{units} AS nvarchar(max)); "
        "EXEC sys.sp_executesql @sql;"
    )
