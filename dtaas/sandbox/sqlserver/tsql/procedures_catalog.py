"""Catalog procedures, as ODBC's catalog functions call them, in T-SQL over the catalog views.

Source: Microsoft Learn, "Catalog stored procedures (Transact-SQL)"; result columns as documented
there, in their order.
"""

from collections.abc import Mapping
from typing import Final

from dtaas.sandbox.sqlserver.tsql.procedure import Procedure

_PATTERN: Final = "nvarchar(384)"

_DATABASES: Final = """
SELECT CAST(d.name AS sysname) AS DATABASE_NAME, CAST(8192 AS int) AS DATABASE_SIZE,
  CAST(NULL AS varchar(254)) AS REMARKS
FROM sys.databases AS d ORDER BY d.name
"""

_TABLES: Final = """
SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, CAST(s.name AS sysname) AS TABLE_OWNER,
  CAST(o.name AS sysname) AS TABLE_NAME,
  CAST(CASE WHEN s.name = N'sys' THEN 'SYSTEM VIEW' WHEN o.type = 'V' THEN 'VIEW' ELSE 'TABLE' END
    AS varchar(32)) AS TABLE_TYPE,
  CAST(NULL AS varchar(254)) AS REMARKS
FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.type IN ('U', 'V')
  AND (@table_qualifier IS NULL OR @table_qualifier = DB_NAME())
  AND (@table_owner IS NULL OR s.name LIKE @table_owner)
  AND (@table_name IS NULL OR o.name LIKE @table_name)
  AND (@table_type IS NULL
    OR @table_type LIKE CASE WHEN o.type = 'V' THEN '%''VIEW''%' ELSE '%''TABLE''%' END)
ORDER BY 4, 1, 2, 3
"""

_COLUMNS: Final = """
SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, CAST(s.name AS sysname) AS TABLE_OWNER,
  CAST(o.name AS sysname) AS TABLE_NAME, CAST(c.name AS sysname) AS COLUMN_NAME,
  CAST(CASE t.name WHEN 'bigint' THEN -5 WHEN 'binary' THEN -2 WHEN 'bit' THEN -7 WHEN 'char' THEN 1
    WHEN 'date' THEN 91 WHEN 'datetime' THEN 93 WHEN 'datetime2' THEN 93
    WHEN 'datetimeoffset' THEN -155 WHEN 'decimal' THEN 3 WHEN 'float' THEN 6 WHEN 'image' THEN -4
    WHEN 'int' THEN 4 WHEN 'money' THEN 3 WHEN 'nchar' THEN -8 WHEN 'ntext' THEN -10
    WHEN 'numeric' THEN 2 WHEN 'nvarchar' THEN -9 WHEN 'real' THEN 7 WHEN 'smalldatetime' THEN 93
    WHEN 'smallint' THEN 5 WHEN 'smallmoney' THEN 3 WHEN 'sql_variant' THEN -150
    WHEN 'sysname' THEN -9 WHEN 'text' THEN -1 WHEN 'time' THEN -154 WHEN 'timestamp' THEN -2
    WHEN 'tinyint' THEN -6 WHEN 'uniqueidentifier' THEN -11 WHEN 'varbinary' THEN -3
    WHEN 'varchar' THEN 12 WHEN 'xml' THEN -152 ELSE -151 END AS smallint) AS DATA_TYPE,
  CAST(t.name + CASE WHEN c.is_identity = 1 THEN N' identity' ELSE N'' END AS sysname) AS TYPE_NAME,
  CAST(CASE WHEN t.name IN ('nchar', 'nvarchar', 'sysname') AND c.max_length > 0
      THEN c.max_length / 2
    WHEN c.max_length = -1 THEN 0 WHEN t.name IN ('text', 'image') THEN 2147483647
    WHEN t.name = 'ntext' THEN 1073741823 WHEN t.name = 'date' THEN 10
    WHEN t.name = 'uniqueidentifier' THEN 36 WHEN t.name = 'sql_variant' THEN 8000
    WHEN c.precision > 0 THEN c.precision ELSE c.max_length END AS int) AS "PRECISION",
  CAST(CASE WHEN t.name IN ('decimal', 'numeric', 'money', 'smallmoney') THEN c.precision + 2
    WHEN c.max_length = -1 THEN 0 WHEN t.name = 'text' THEN 2147483647
    WHEN t.name IN ('ntext', 'image') THEN 2147483646 WHEN t.name = 'date' THEN 6
    WHEN t.name IN ('datetime', 'datetime2', 'smalldatetime') THEN 16 ELSE c.max_length END
    AS int) AS LENGTH,
  CAST(CASE WHEN t.name IN ('decimal', 'numeric', 'money', 'smallmoney', 'datetime2', 'time',
      'datetimeoffset', 'datetime') THEN c.scale
    WHEN t.name IN ('bigint', 'int', 'smallint', 'tinyint', 'smalldatetime') THEN 0 END AS smallint)
    AS SCALE,
  CAST(CASE WHEN t.name IN ('float', 'real') THEN 2
    WHEN t.name IN ('bigint', 'int', 'smallint', 'tinyint', 'decimal', 'numeric', 'money',
      'smallmoney') THEN 10 END AS smallint) AS RADIX,
  CAST(c.is_nullable AS smallint) AS NULLABLE, CAST(NULL AS varchar(254)) AS REMARKS,
  CAST(dc.definition AS nvarchar(4000)) AS COLUMN_DEF,
  CAST(CASE t.name WHEN 'bigint' THEN -5 WHEN 'binary' THEN -2 WHEN 'bit' THEN -7 WHEN 'char' THEN 1
    WHEN 'date' THEN 9 WHEN 'datetime' THEN 9 WHEN 'datetime2' THEN 9
    WHEN 'datetimeoffset' THEN -155 WHEN 'decimal' THEN 3 WHEN 'float' THEN 6 WHEN 'image' THEN -4
    WHEN 'int' THEN 4 WHEN 'money' THEN 3 WHEN 'nchar' THEN -8 WHEN 'ntext' THEN -10
    WHEN 'numeric' THEN 2 WHEN 'nvarchar' THEN -9 WHEN 'real' THEN 7 WHEN 'smalldatetime' THEN 9
    WHEN 'smallint' THEN 5 WHEN 'smallmoney' THEN 3 WHEN 'sql_variant' THEN -150
    WHEN 'sysname' THEN -9 WHEN 'text' THEN -1 WHEN 'time' THEN -154 WHEN 'timestamp' THEN -2
    WHEN 'tinyint' THEN -6 WHEN 'uniqueidentifier' THEN -11 WHEN 'varbinary' THEN -3
    WHEN 'varchar' THEN 12 WHEN 'xml' THEN -152 ELSE -151 END AS smallint) AS SQL_DATA_TYPE,
  CAST(CASE WHEN t.name = 'date' THEN 1
    WHEN t.name IN ('datetime', 'datetime2', 'smalldatetime') THEN 3 END AS smallint)
    AS SQL_DATETIME_SUB,
  CAST(CASE WHEN t.name IN ('char', 'varchar', 'nchar', 'nvarchar', 'sysname', 'binary',
      'varbinary', 'timestamp') THEN CASE WHEN c.max_length = -1 THEN 0 ELSE c.max_length END
    WHEN t.name IN ('text', 'image') THEN 2147483647 WHEN t.name = 'ntext' THEN 2147483646 END
    AS int) AS CHAR_OCTET_LENGTH,
  CAST(ROW_NUMBER() OVER (PARTITION BY c.object_id ORDER BY c.column_id) AS int)
    AS ORDINAL_POSITION,
  CAST(CASE WHEN c.is_nullable = 1 THEN 'YES' ELSE 'NO' END AS varchar(254)) AS IS_NULLABLE,
  {more} CAST(0 AS tinyint) AS SS_DATA_TYPE
FROM sys.columns AS c
JOIN sys.objects AS o ON o.object_id = c.object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
JOIN sys.types AS t ON t.user_type_id = c.user_type_id
LEFT JOIN sys.default_constraints AS dc ON dc.object_id = c.default_object_id
WHERE o.type IN ('U', 'V')
  AND (@table_qualifier IS NULL OR @table_qualifier = DB_NAME())
  AND (@table_owner IS NULL OR s.name LIKE @table_owner)
  AND (@table_name IS NULL OR o.name LIKE @table_name)
  AND (@column_name IS NULL OR c.name LIKE @column_name)
ORDER BY s.name, o.name, c.column_id
"""

_SINCE_2008: Final = """
  CAST(c.is_sparse AS smallint) AS SS_IS_SPARSE,
  CAST(c.is_column_set AS smallint) AS SS_IS_COLUMN_SET,
  CAST(c.is_computed AS smallint) AS SS_IS_COMPUTED,
  CAST(c.is_identity AS smallint) AS SS_IS_IDENTITY,
  CAST(NULL AS nvarchar(128)) AS SS_UDT_CATALOG_NAME,
  CAST(NULL AS nvarchar(128)) AS SS_UDT_SCHEMA_NAME,
  CAST(NULL AS nvarchar(max)) AS SS_UDT_ASSEMBLY_TYPE_NAME,
  CAST(NULL AS nvarchar(128)) AS SS_XML_SCHEMACOLLECTION_CATALOG_NAME,
  CAST(NULL AS nvarchar(128)) AS SS_XML_SCHEMACOLLECTION_SCHEMA_NAME,
  CAST(NULL AS nvarchar(128)) AS SS_XML_SCHEMACOLLECTION_NAME,
"""

_PKEYS: Final = """
SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, CAST(s.name AS sysname) AS TABLE_OWNER,
  CAST(t.name AS sysname) AS TABLE_NAME, CAST(c.name AS sysname) AS COLUMN_NAME,
  CAST(ic.key_ordinal AS smallint) AS KEY_SEQ, CAST(i.name AS sysname) AS PK_NAME
FROM sys.indexes AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
WHERE i.is_primary_key = 1 AND ic.key_ordinal > 0 AND t.name = @table_name
  AND (@table_owner IS NULL OR s.name = @table_owner)
  AND (@table_qualifier IS NULL OR @table_qualifier = DB_NAME())
ORDER BY s.name, t.name, ic.key_ordinal
"""

_STATISTICS: Final = """
SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, CAST(s.name AS sysname) AS TABLE_OWNER,
  CAST(t.name AS sysname) AS TABLE_NAME,
  CAST(CASE WHEN i.is_unique = 1 THEN 0 ELSE 1 END AS smallint) AS NON_UNIQUE,
  CAST(t.name AS sysname) AS INDEX_QUALIFIER, CAST(i.name AS sysname) AS INDEX_NAME,
  CAST(CASE WHEN i.type = 1 THEN 1 ELSE 3 END AS smallint) AS TYPE,
  CAST(ic.key_ordinal AS smallint) AS SEQ_IN_INDEX, CAST(c.name AS sysname) AS COLUMN_NAME,
  CAST(CASE WHEN ic.is_descending_key = 1 THEN 'D' ELSE 'A' END AS char(1)) AS COLLATION,
  CAST(NULL AS int) AS CARDINALITY, CAST(NULL AS int) AS PAGES,
  CAST(NULL AS varchar(128)) AS FILTER_CONDITION
FROM sys.indexes AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
WHERE i.type IN (1, 2) AND ic.key_ordinal > 0 AND t.name = @table_name
  AND (@table_owner IS NULL OR s.name = @table_owner)
  AND (@table_qualifier IS NULL OR @table_qualifier = DB_NAME())
  AND (@is_unique <> 'Y' OR i.is_unique = 1)
ORDER BY 4, 7, 6, 8
"""

_FKEYS: Final = """
SELECT CAST(DB_NAME() AS sysname) AS PKTABLE_QUALIFIER, CAST(ps.name AS sysname) AS PKTABLE_OWNER,
  CAST(pt.name AS sysname) AS PKTABLE_NAME, CAST(pc.name AS sysname) AS PKCOLUMN_NAME,
  CAST(DB_NAME() AS sysname) AS FKTABLE_QUALIFIER, CAST(fs.name AS sysname) AS FKTABLE_OWNER,
  CAST(ft.name AS sysname) AS FKTABLE_NAME, CAST(fc.name AS sysname) AS FKCOLUMN_NAME,
  CAST(k.constraint_column_id AS smallint) AS KEY_SEQ,
  CAST(CASE f.update_referential_action WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 2 END AS smallint)
    AS UPDATE_RULE,
  CAST(CASE f.delete_referential_action WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 2 END AS smallint)
    AS DELETE_RULE,
  CAST(f.name AS sysname) AS FK_NAME, CAST(i.name AS sysname) AS PK_NAME,
  CAST(7 AS smallint) AS DEFERRABILITY
FROM sys.foreign_keys AS f
JOIN sys.foreign_key_columns AS k ON k.constraint_object_id = f.object_id
JOIN sys.tables AS ft ON ft.object_id = f.parent_object_id
JOIN sys.schemas AS fs ON fs.schema_id = ft.schema_id
JOIN sys.tables AS pt ON pt.object_id = f.referenced_object_id
JOIN sys.schemas AS ps ON ps.schema_id = pt.schema_id
JOIN sys.columns AS fc ON fc.object_id = k.parent_object_id AND fc.column_id = k.parent_column_id
JOIN sys.columns AS pc
  ON pc.object_id = k.referenced_object_id AND pc.column_id = k.referenced_column_id
LEFT JOIN sys.indexes AS i
  ON i.object_id = f.referenced_object_id AND i.index_id = f.key_index_id
WHERE (@pktable_name IS NULL OR pt.name = @pktable_name)
  AND (@pktable_owner IS NULL OR ps.name = @pktable_owner)
  AND (@fktable_name IS NULL OR ft.name = @fktable_name)
  AND (@fktable_owner IS NULL OR fs.name = @fktable_owner)
ORDER BY 5, 6, 7, 9
"""

_SPECIAL_COLUMNS: Final = """
SELECT CAST(1 AS smallint) AS SCOPE, CAST(c.name AS sysname) AS COLUMN_NAME,
  CAST(CASE t.name WHEN 'bigint' THEN -5 WHEN 'int' THEN 4 WHEN 'smallint' THEN 5
    WHEN 'tinyint' THEN -6 WHEN 'nvarchar' THEN -9 WHEN 'nchar' THEN -8 WHEN 'varchar' THEN 12
    WHEN 'char' THEN 1 WHEN 'uniqueidentifier' THEN -11 WHEN 'decimal' THEN 3
    WHEN 'numeric' THEN 2 WHEN 'date' THEN 91 WHEN 'datetime' THEN 93 WHEN 'datetime2' THEN 93
    WHEN 'timestamp' THEN -2 WHEN 'binary' THEN -2 WHEN 'varbinary' THEN -3 ELSE -151 END
    AS smallint) AS DATA_TYPE,
  CAST(t.name AS sysname) AS TYPE_NAME,
  CAST(CASE WHEN c.precision > 0 THEN c.precision ELSE c.max_length END AS int) AS "PRECISION",
  CAST(c.max_length AS int) AS LENGTH, CAST(c.scale AS smallint) AS SCALE,
  CAST(1 AS smallint) AS PSEUDO_COLUMN
FROM sys.tables AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
JOIN sys.columns AS c ON c.object_id = o.object_id
JOIN sys.types AS t ON t.user_type_id = c.user_type_id
LEFT JOIN sys.indexes AS i ON i.object_id = o.object_id AND i.is_primary_key = 1
LEFT JOIN sys.index_columns AS ic
  ON ic.object_id = i.object_id AND ic.index_id = i.index_id AND ic.column_id = c.column_id
WHERE o.name = @table_name AND (@table_owner IS NULL OR s.name = @table_owner)
  AND ((@col_type = 'R' AND ic.key_ordinal > 0) OR (@col_type = 'V' AND t.name = 'timestamp'))
ORDER BY c.column_id
"""

_STORED_PROCEDURES: Final = """
SELECT CAST(DB_NAME() AS sysname) AS PROCEDURE_QUALIFIER,
  CAST(s.name AS sysname) AS PROCEDURE_OWNER, CAST(o.name AS sysname) AS PROCEDURE_NAME,
  CAST(-1 AS int) AS NUM_INPUT_PARAMS,
  CAST(-1 AS int) AS NUM_OUTPUT_PARAMS, CAST(-1 AS int) AS NUM_RESULT_SETS,
  CAST(NULL AS varchar(254)) AS REMARKS, CAST(2 AS smallint) AS PROCEDURE_TYPE
FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.type = 'P' AND (@sp_name IS NULL OR o.name LIKE @sp_name)
  AND (@sp_owner IS NULL OR s.name LIKE @sp_owner)
ORDER BY 1, 2, 3
"""

_HELP: Final = """
IF @objname IS NULL
  SELECT CAST(o.name AS sysname) AS Name, CAST(s.name AS sysname) AS Owner,
    CAST(o.type_desc AS nvarchar(60)) AS Object_type
  FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  ORDER BY o.type_desc, o.name
ELSE IF OBJECT_ID(@objname) IS NULL
BEGIN
  DECLARE @database sysname = DB_NAME()
  RAISERROR (15009, 16, 1, @objname, @database)
  RETURN 1
END
ELSE
BEGIN
  SELECT CAST(o.name AS sysname) AS Name, CAST(s.name AS sysname) AS Owner,
    CAST(o.type_desc AS nvarchar(60)) AS Type, o.create_date AS Created_datetime
  FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  WHERE o.object_id = OBJECT_ID(@objname)
  SELECT CAST(c.name AS sysname) AS Column_name, CAST(t.name AS sysname) AS Type,
    CASE WHEN c.is_computed = 1 THEN 'yes' ELSE 'no' END AS Computed,
    CAST(c.max_length AS int) AS Length,
    CASE WHEN c.is_nullable = 1 THEN 'yes' ELSE 'no' END AS Nullable,
    CAST(c.collation_name AS sysname) AS Collation
  FROM sys.columns AS c JOIN sys.types AS t ON t.user_type_id = c.user_type_id
  WHERE c.object_id = OBJECT_ID(@objname)
  ORDER BY c.column_id
END
"""

_COLUMNS_PARAMETERS: Final = (
    f"@table_name {_PATTERN} = NULL, @table_owner {_PATTERN} = NULL, "
    f"@table_qualifier sysname = NULL, @column_name {_PATTERN} = NULL, "
    "@NameScope int = 0, @ODBCVer int = 2, @fUsePattern bit = 1"
)
_COLUMNS_PROCEDURE: Final = Procedure(_COLUMNS_PARAMETERS, _COLUMNS.format(more=""))
_COLUMNS_2008_PROCEDURE: Final = Procedure(_COLUMNS_PARAMETERS, _COLUMNS.format(more=_SINCE_2008))
_STATISTICS_PROCEDURE: Final = Procedure(
    "@table_name sysname, @table_owner sysname = NULL, @table_qualifier sysname = NULL, "
    "@index_name sysname = N'%', @is_unique char(1) = 'N', @accuracy char(1) = 'Q'",
    _STATISTICS,
)
_SPECIAL_COLUMNS_PROCEDURE: Final = Procedure(
    "@table_name sysname, @table_owner sysname = NULL, @table_qualifier sysname = NULL, "
    "@col_type char(1) = 'R', @scope char(1) = 'T', @nullable char(1) = 'U', @ODBCVer int = 2",
    _SPECIAL_COLUMNS,
)

PROCEDURES: Final[Mapping[str, Procedure]] = {
    "sp_columns": _COLUMNS_PROCEDURE,
    "sp_columns_90": _COLUMNS_PROCEDURE,
    "sp_columns_100": _COLUMNS_2008_PROCEDURE,
    "sp_databases": Procedure("", _DATABASES),
    "sp_fkeys": Procedure(
        "@pktable_name sysname = NULL, @pktable_owner sysname = NULL, "
        "@pktable_qualifier sysname = NULL, @fktable_name sysname = NULL, "
        "@fktable_owner sysname = NULL, @fktable_qualifier sysname = NULL",
        _FKEYS,
    ),
    "sp_help": Procedure("@objname nvarchar(776) = NULL", _HELP),
    "sp_pkeys": Procedure(
        "@table_name sysname, @table_owner sysname = NULL, @table_qualifier sysname = NULL", _PKEYS
    ),
    "sp_special_columns": _SPECIAL_COLUMNS_PROCEDURE,
    "sp_special_columns_90": _SPECIAL_COLUMNS_PROCEDURE,
    "sp_special_columns_100": _SPECIAL_COLUMNS_PROCEDURE,
    "sp_statistics": _STATISTICS_PROCEDURE,
    "sp_statistics_100": _STATISTICS_PROCEDURE,
    "sp_stored_procedures": Procedure(
        f"@sp_name nvarchar(390) = NULL, @sp_owner {_PATTERN} = NULL, "
        "@sp_qualifier sysname = NULL, @fUsePattern bit = 1",
        _STORED_PROCEDURES,
    ),
    "sp_tables": Procedure(
        f"@table_name {_PATTERN} = NULL, @table_owner {_PATTERN} = NULL, "
        "@table_qualifier sysname = NULL, @table_type varchar(100) = NULL, @fUsePattern bit = 1",
        _TABLES,
    ),
}
"""By lower-case name."""
