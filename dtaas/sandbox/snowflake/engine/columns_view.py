"""INFORMATION_SCHEMA.COLUMNS over DuckDB's own list and the declared types in its comments."""

from typing import Final

_TYPE: Final = """
    coalesce(nullif(json_extract_string(c.comment, '$.type'), ''), CASE
        WHEN c.data_type LIKE 'DECIMAL%' THEN replace(c.data_type, 'DECIMAL', 'NUMBER')
        WHEN c.data_type LIKE '%INT' OR c.data_type = 'INTEGER' THEN 'NUMBER(38,0)'
        WHEN c.data_type IN ('DOUBLE', 'FLOAT') THEN 'FLOAT'
        WHEN c.data_type = 'BLOB' THEN 'BINARY(8388608)'
        WHEN c.data_type IN ('TIMESTAMP', 'TIMESTAMP_NS') THEN 'TIMESTAMP_NTZ(9)'
        WHEN c.data_type = 'TIMESTAMP WITH TIME ZONE' THEN 'TIMESTAMP_TZ(9)'
        WHEN c.data_type IN ('TIME', 'TIME_NS') THEN 'TIME(9)'
        WHEN c.data_type = 'JSON' THEN 'VARIANT'
        WHEN c.data_type IN ('BOOLEAN', 'DATE') THEN c.data_type
        ELSE 'VARCHAR(16777216)' END)
"""

COLUMNS_VIEW: Final = f"""
CREATE OR REPLACE VIEW _fs_global._fs_information_schema._fs_columns AS
WITH typed AS (
    SELECT c.*, {_TYPE} AS declared FROM duckdb_columns() c
    WHERE NOT c.internal AND c.schema_name != '_fs_information_schema'
), split AS (
    SELECT *, regexp_extract(declared, '^[A-Z_]+') AS family,
        try_cast(regexp_extract(declared, '\\((\\d+)', 1) AS BIGINT) AS first_number,
        try_cast(regexp_extract(declared, ',(\\d+)\\)', 1) AS BIGINT) AS second_number
    FROM typed
)
SELECT
    database_name AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME,
    column_name AS COLUMN_NAME, column_index AS ORDINAL_POSITION, column_default AS COLUMN_DEFAULT,
    CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE,
    CASE family WHEN 'VARCHAR' THEN 'TEXT' ELSE family END AS DATA_TYPE,
    CASE WHEN family IN ('VARCHAR', 'BINARY') THEN first_number END AS CHARACTER_MAXIMUM_LENGTH,
    CASE family WHEN 'VARCHAR' THEN least(first_number * 4, 16777216)
                WHEN 'BINARY' THEN first_number END AS CHARACTER_OCTET_LENGTH,
    CASE WHEN family = 'NUMBER' THEN first_number END AS NUMERIC_PRECISION,
    CASE WHEN family = 'NUMBER' THEN 10 END AS NUMERIC_PRECISION_RADIX,
    CASE WHEN family = 'NUMBER' THEN second_number END AS NUMERIC_SCALE,
    CASE WHEN family LIKE 'TIME%' THEN first_number END AS DATETIME_PRECISION,
    NULL::VARCHAR AS COLLATION_NAME, 'NO' AS IS_IDENTITY,
    NULL::VARCHAR AS IDENTITY_GENERATION, NULL::VARCHAR AS IDENTITY_CYCLE,
    nullif(json_extract_string(comment, '$.comment'), '') AS COMMENT,
    NULL::VARCHAR AS IDENTITY_START, NULL::VARCHAR AS IDENTITY_INCREMENT,
    NULL::VARCHAR AS IDENTITY_ORDERED, NULL::VARCHAR AS DATA_TYPE_ALIAS
FROM split
"""
