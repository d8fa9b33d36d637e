"""T-SQL's metadata functions: what the compiler needs to call their PostgreSQL twins.

The functions themselves are in `sql/*.sql`. Arguments arrive in storage form, cast by the compiler
to the types named here; missing optional arguments are left out. Those that depend on the current
database or login read the settings `StorageConnection` keeps (`store.database_id()`).
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType


class MetadataFunction(Struct, frozen=True):
    """A function of the catalog.

    Attributes:
        arguments: T-SQL types of its arguments.
        result: T-SQL type of its value, in storage form.
        storage_name: PostgreSQL function.
        required: how many arguments must be given; the rest are optional.
    """

    arguments: tuple[SqlType, ...]
    result: SqlType
    storage_name: str
    required: int


_SYSNAME: Final = SqlType("nvarchar", 128, collation=DEFAULT_COLLATION)
_TEXT: Final = SqlType("nvarchar", 4000, collation=DEFAULT_COLLATION)
_INT: Final = SqlType("int")
_BIGINT: Final = SqlType("bigint")
_SMALLINT: Final = SqlType("smallint")
_VARIANT: Final = SqlType("sql_variant")
_BIT: Final = SqlType("bit")
_DATETIME: Final = SqlType("datetime")
_LSN: Final = SqlType("binary", 10)
_MASK: Final = SqlType("varbinary", 128)
_RELATION: Final = SqlType("nvarchar", 30, collation=DEFAULT_COLLATION)
_ROWVERSION: Final = SqlType("binary", 8)


def _function(
    name: str, result: SqlType, *arguments: SqlType, required: int | None = None
) -> MetadataFunction:
    needed = len(arguments) if required is None else required
    return MetadataFunction(arguments, result, f"meta.{name}", needed)


METADATA_FUNCTIONS: Final[Mapping[str, MetadataFunction]] = {
    "CHANGE_TRACKING_CURRENT_VERSION": _function("change_tracking_current_version", _BIGINT),
    "CHANGE_TRACKING_MIN_VALID_VERSION": _function(
        "change_tracking_min_valid_version", _BIGINT, _INT
    ),
    "COL_LENGTH": _function("col_length", _SMALLINT, _TEXT, _SYSNAME),
    "COL_NAME": _function("col_name", _SYSNAME, _INT, _INT),
    "COLLATIONPROPERTY": _function("collationproperty", _VARIANT, _SYSNAME, _SYSNAME),
    "COLUMNPROPERTY": _function("columnproperty", _INT, _INT, _SYSNAME, _SYSNAME),
    "CURRENT_TIMEZONE_ID": _function("current_timezone_id", _SYSNAME),
    "DATABASEPROPERTYEX": _function("databasepropertyex", _VARIANT, _SYSNAME, _SYSNAME),
    "DB_ID": _function("db_id", _SMALLINT, _SYSNAME, required=0),
    "DB_NAME": _function("db_name", _SYSNAME, _INT, required=0),
    "FN_CDC_DECREMENT_LSN": _function("fn_cdc_decrement_lsn", _LSN, _LSN),
    "FN_CDC_GET_COLUMN_ORDINAL": _function("fn_cdc_get_column_ordinal", _INT, _SYSNAME, _SYSNAME),
    "FN_CDC_GET_MAX_LSN": _function("fn_cdc_get_max_lsn", _LSN),
    "FN_CDC_GET_MIN_LSN": _function("fn_cdc_get_min_lsn", _LSN, _SYSNAME),
    "FN_CDC_HAS_COLUMN_CHANGED": _function(
        "fn_cdc_has_column_changed", _BIT, _SYSNAME, _SYSNAME, _MASK
    ),
    "FN_CDC_INCREMENT_LSN": _function("fn_cdc_increment_lsn", _LSN, _LSN),
    "FN_CDC_IS_BIT_SET": _function("fn_cdc_is_bit_set", _BIT, _INT, _MASK),
    "FN_CDC_MAP_LSN_TO_TIME": _function("fn_cdc_map_lsn_to_time", _DATETIME, _LSN),
    "FN_CDC_MAP_TIME_TO_LSN": _function("fn_cdc_map_time_to_lsn", _LSN, _RELATION, _DATETIME),
    "HAS_DBACCESS": _function("has_dbaccess", _INT, _SYSNAME),
    "HAS_PERMS_BY_NAME": _function("has_perms_by_name", _INT, _TEXT, _SYSNAME, _SYSNAME),
    "IDENT_CURRENT": _function("ident_current", SqlType("numeric", precision=38), _TEXT),
    "IDENT_INCR": _function("ident_incr", SqlType("numeric", precision=38), _TEXT),
    "IDENT_SEED": _function("ident_seed", SqlType("numeric", precision=38), _TEXT),
    "INDEXPROPERTY": _function("indexproperty", _INT, _INT, _SYSNAME, _SYSNAME),
    "IS_MEMBER": _function("is_rolemember", _INT, _SYSNAME),
    "IS_ROLEMEMBER": _function("is_rolemember", _INT, _SYSNAME, _SYSNAME, required=1),
    "IS_SRVROLEMEMBER": _function("is_srvrolemember", _INT, _SYSNAME, _SYSNAME, required=1),
    "MIN_ACTIVE_ROWVERSION": _function("min_active_rowversion", _ROWVERSION),
    "OBJECT_DEFINITION": _function("object_definition", SqlType("nvarchar", -1), _INT),
    "OBJECT_ID": _function("object_id", _INT, _TEXT, _SYSNAME, required=1),
    "OBJECT_NAME": _function("object_name", _SYSNAME, _INT, _INT, required=1),
    "OBJECT_SCHEMA_NAME": _function("object_schema_name", _SYSNAME, _INT, _INT, required=1),
    "OBJECTPROPERTY": _function("objectproperty", _INT, _INT, _SYSNAME),
    "OBJECTPROPERTYEX": _function("objectpropertyex", _VARIANT, _INT, _SYSNAME),
    "ORIGINAL_LOGIN": _function("suser_sname", _SYSNAME),
    "SCHEMA_ID": _function("schema_id", _INT, _SYSNAME, required=0),
    "SCHEMA_NAME": _function("schema_name", _SYSNAME, _INT, required=0),
    "SERVERPROPERTY": _function("serverproperty", _VARIANT, _SYSNAME),
    "SUSER_NAME": _function("suser_sname", _SYSNAME),
    "SUSER_SNAME": _function("suser_sname", _SYSNAME),
    "SYSTEM_USER": _function("suser_sname", _SYSNAME),
    "CURRENT_USER": _function("user_name", _SYSNAME),
    "SESSION_USER": _function("user_name", _SYSNAME),
    "TYPE_ID": _function("type_id", _INT, _TEXT),
    "TYPE_NAME": _function("type_name", _SYSNAME, _INT),
    "USER": _function("user_name", _SYSNAME),
    "USER_NAME": _function("user_name", _SYSNAME, _INT, required=0),
    "@@DBTS": _function("dbts", _ROWVERSION),
}
"""By upper-case name. Those with an @ are read as system variables."""
