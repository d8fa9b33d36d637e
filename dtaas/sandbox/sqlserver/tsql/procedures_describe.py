"""sp_describe_first_result_set and sp_describe_undeclared_parameters.

Source: Microsoft Learn, the pages of these names.
"""

from typing import Final

from dtaas.sandbox.sqlserver.results import (
    Columns,
    Done,
    Item,
    ResultColumn,
    Rows,
    SqlError,
)
from dtaas.sandbox.sqlserver.storage.column_types import figures, user_type_id
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.declarations import type_text
from dtaas.sandbox.sqlserver.tsql.describing import describe
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

_SYSNAME: Final = SqlType("nvarchar", 128, collation=DEFAULT_COLLATION)
_INT: Final = SqlType("int")
_BIT: Final = SqlType("bit")
_TINYINT: Final = SqlType("tinyint")
_SMALLINT: Final = SqlType("smallint")
_SELECT: Final = 0xC1

_COLUMNS: Final = (
    ("is_hidden", _BIT),
    ("column_ordinal", _INT),
    ("name", _SYSNAME),
    ("is_nullable", _BIT),
    ("system_type_id", _INT),
    ("system_type_name", SqlType("nvarchar", 256, collation=DEFAULT_COLLATION)),
    ("max_length", _SMALLINT),
    ("precision", _TINYINT),
    ("scale", _TINYINT),
    ("collation_name", _SYSNAME),
    ("user_type_id", _INT),
    ("user_type_database", _SYSNAME),
    ("user_type_schema", _SYSNAME),
    ("user_type_name", _SYSNAME),
    ("assembly_qualified_type_name", SqlType("nvarchar", 4000, collation=DEFAULT_COLLATION)),
    ("xml_collection_id", _INT),
    ("xml_collection_database", _SYSNAME),
    ("xml_collection_schema", _SYSNAME),
    ("xml_collection_name", _SYSNAME),
    ("is_xml_document", _BIT),
    ("is_case_sensitive", _BIT),
    ("is_fixed_length_clr_type", _BIT),
    ("source_server", _SYSNAME),
    ("source_database", _SYSNAME),
    ("source_schema", _SYSNAME),
    ("source_table", _SYSNAME),
    ("source_column", _SYSNAME),
    ("is_identity_column", _BIT),
    ("is_part_of_unique_key", _BIT),
    ("is_updateable", _BIT),
    ("is_computed_column", _BIT),
    ("is_sparse_column_set", _BIT),
    ("ordinal_in_order_by_list", _SMALLINT),
    ("order_by_list_length", _SMALLINT),
    ("order_by_is_descending", _SMALLINT),
    ("tds_type_id", _INT),
    ("tds_length", _INT),
    ("tds_collation_id", _INT),
    ("tds_collation_sort_id", _TINYINT),
)


async def describe_first_result_set(frame: Frame, context: Context) -> list[Item]:
    """Answer with a row for each column of the first result set."""
    described = await describe(
        frame.values["@tsql"] or "", frame.values["@params"] or "", frame, context
    )
    rows = [_row(ordinal, column) for ordinal, column in enumerate(described, start=1)]
    columns = tuple(ResultColumn(name=name, type=type_) for name, type_ in _COLUMNS)
    count = None if frame.options.nocount else len(rows)
    return [Columns(columns), Rows(rows), Done(count, _SELECT)]


async def describe_undeclared_parameters(frame: Frame, context: Context) -> list[Item]:
    """Refuse: types of undeclared parameters are not guessed; drivers go on without.

    Raises:
        SqlError: 11506 always.
    """
    del frame, context
    raise SqlError(
        11506,
        "The undeclared parameter is used more than once in the batch being analyzed, or its type "
        "cannot be deduced.",
    )


def _row(ordinal: int, column: ResultColumn) -> tuple[object, ...]:
    type_ = column.type
    shown = figures(type_)
    values: dict[str, object] = {
        "is_hidden": 0,
        "column_ordinal": ordinal,
        "name": column.name or None,
        "is_nullable": int(column.nullable),
        "system_type_id": user_type_id(type_.name),
        "system_type_name": type_text(type_),
        "max_length": shown.max_length,
        "precision": shown.precision,
        "scale": shown.scale,
        "collation_name": type_.collation,
        "is_xml_document": 0,
        "is_case_sensitive": 0,
        "is_fixed_length_clr_type": 0,
        "is_identity_column": int(column.identity),
        "is_updateable": int(not column.computed),
        "is_computed_column": int(column.computed),
        "is_sparse_column_set": 0,
        "tds_type_id": user_type_id(type_.name),
        "tds_length": shown.max_length,
    }
    return tuple(values.get(name) for name, _ in _COLUMNS)
