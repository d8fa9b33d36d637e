"""Staged files as relations of DuckDB, read as Snowflake reads them."""

from pathlib import Path
from typing import Final

import duckdb

from dtaas.sandbox.snowflake.engine.copy_options import CopyOptions
from dtaas.sandbox.snowflake.engine.errors import StatementError, unsupported
from dtaas.sandbox.snowflake.engine.names import literal
from dtaas.sandbox.snowflake.engine.options import text_list

_LOGICAL: Final = ("TIMESTAMP", "TIME", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIME_NS")


def relation(path: Path, options: CopyOptions) -> str:
    """Return the table function that reads a file.

    Raises:
        StatementError: the emulator cannot read files of this format.
    """
    file = literal(str(path))
    if options.format_type == "PARQUET":
        return f"read_parquet({file})"
    if options.format_type == "JSON":
        array = (
            "'array'" if options.format.get("STRIP_OUTER_ARRAY", "").upper() == "TRUE" else "'auto'"
        )
        return f"read_json_objects({file}, format = {array})"
    if options.format_type == "CSV":
        return _csv(file, options.format)
    raise unsupported(f"COPY of {options.format_type} files")


def columns(duck: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Return the columns of a file and their DuckDB types."""
    found = duck.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return {row[0]: row[1] for row in found}


def require_readable(found: dict[str, str], options: CopyOptions) -> None:
    """Refuse a Parquet file the given options would read as something else.

    On a real account times arrive as integers without USE_LOGICAL_TYPE, and binary columns are
    read as UTF-8 without BINARY_AS_TEXT = FALSE; the vectorized scanner implies both.

    Raises:
        StatementError: 100071 or 100145.
    """
    if options.format_type != "PARQUET" or _on(options, "USE_VECTORIZED_SCANNER"):
        return
    for column, kind in found.items():
        if kind in _LOGICAL and not _on(options, "USE_LOGICAL_TYPE"):
            raise StatementError(
                100071,
                "22000",
                f"Failed to cast column {column}: without USE_LOGICAL_TYPE = TRUE it is an integer",
            )
        if kind == "BLOB" and options.format.get("BINARY_AS_TEXT", "TRUE").upper() != "FALSE":
            raise StatementError(
                100145,
                "22000",
                f"Invalid UTF8 in column {column}: binary needs BINARY_AS_TEXT = FALSE",
            )


def _on(options: CopyOptions, name: str) -> bool:
    return options.format.get(name, "FALSE").upper() == "TRUE"


_DELIMITERS: Final = {"\\t": "\t", "\\n": "\n", "\\001": "\x01"}


def _csv(file: str, options: dict[str, str]) -> str:
    delimiter = options.get("FIELD_DELIMITER", ",")
    quote = options.get("FIELD_OPTIONALLY_ENCLOSED_BY", "NONE")
    header = options.get("PARSE_HEADER", "FALSE").upper()
    compressions = {"GZIP": "gzip", "ZSTD": "zstd", "NONE": "none"}
    compression = compressions.get(options.get("COMPRESSION", "").upper(), "auto")
    arguments = [
        file,
        f"delim = {literal(_DELIMITERS.get(delimiter, delimiter))}",
        f"quote = {literal('' if quote.upper() == 'NONE' else quote)}",
        f"header = {header}",
        f"skip = {int(options.get('SKIP_HEADER', 0))}",
        f"compression = {literal(compression)}",
        "all_varchar = true",
        "auto_detect = true",
        "null_padding = true",
        f"nullstr = {_null_texts(options.get('NULL_IF', ''))}",
    ]
    return f"read_csv({', '.join(arguments)})"


def _null_texts(text: str) -> str:
    texts = text_list(text) or ["\\N", ""]
    return f"[{', '.join(map(literal, texts))}]"
