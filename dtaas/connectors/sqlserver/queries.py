"""All fixed SQL text of the connector. Names are bound as parameters, never spelled into it.

Source: Microsoft Learn, the pages of the catalog views named in each query. Texts avoid
`datetimeoffset` and `sql_variant` results, which pyodbc cannot fetch.
"""

SERVER = """
SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS product_version,
       CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition,
       CAST(SERVERPROPERTY('EngineEdition') AS int) AS engine_edition,
       CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(60)) AS updateability,
       SUSER_SNAME() AS login_name"""

CLOCK = "SELECT SYSUTCDATETIME() AS utc_time"

DATABASE = """
SELECT d.name, d.is_cdc_enabled, d.snapshot_isolation_state, d.is_read_committed_snapshot_on
FROM sys.databases AS d WHERE d.name = DB_NAME()"""

RIGHTS = """
SELECT HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'SELECT') AS can_select,
       HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'VIEW DATABASE STATE') AS can_view_state,
       HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK') AS can_unmask"""

TABLE_COUNT = """
SELECT COUNT(*) AS tables FROM sys.tables AS t WHERE t.is_ms_shipped = 0"""

TABLES = """
SELECT t.object_id, s.name AS schema_name, t.name AS table_name, t.is_tracked_by_cdc,
       t.temporal_type, t.is_memory_optimized, t.is_external
FROM sys.tables AS t
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0 AND s.name NOT IN (N'cdc', N'sys') AND t.name <> N'systranschemas'
ORDER BY s.name, t.name"""

SIZES = """
SELECT p.object_id,
       SUM(CASE WHEN p.index_id IN (0, 1) THEN p.row_count ELSE 0 END) AS row_count,
       SUM(CASE WHEN p.index_id IN (0, 1)
                THEN p.in_row_data_page_count + p.lob_used_page_count
                     + p.row_overflow_used_page_count ELSE 0 END) * 8192 AS data_bytes,
       COUNT(DISTINCT p.partition_number) AS partitions
FROM sys.dm_db_partition_stats AS p
GROUP BY p.object_id"""
"""Needs VIEW DATABASE STATE; without it the server answers 262, 297 or 300: use `ROW_COUNTS`."""

ROW_COUNTS = """
SELECT p.object_id, SUM(p.rows) AS row_count, COUNT(DISTINCT p.partition_number) AS partitions
FROM sys.partitions AS p
WHERE p.index_id IN (0, 1)
GROUP BY p.object_id"""

_COLUMNS = """
SELECT c.object_id, c.name AS column_name, COALESCE(bt.name, ut.name) AS base_type,
       ut.name AS declared_type, ut.is_assembly_type, c.max_length, c.precision, c.scale,
       c.collation_name, c.is_nullable, c.is_masked, c.encryption_type
FROM sys.columns AS c
JOIN sys.types AS ut ON ut.user_type_id = c.user_type_id
LEFT JOIN sys.types AS bt ON bt.user_type_id = c.system_type_id
WHERE {where}
ORDER BY c.object_id, c.column_id"""

COLUMNS = _COLUMNS.format(where="c.object_id = ?")
ALL_COLUMNS = _COLUMNS.format(
    where="c.object_id IN (SELECT t.object_id FROM sys.tables AS t WHERE t.is_ms_shipped = 0)"
)

_INDEXES = """
SELECT i.object_id, i.index_id, i.name AS index_name, i.type AS index_type, i.is_primary_key,
       i.is_unique, i.has_filter, i.is_disabled, ic.is_descending_key, c.name AS column_name,
       c.is_nullable
FROM sys.indexes AS i
JOIN sys.index_columns AS ic
  ON ic.object_id = i.object_id AND ic.index_id = i.index_id AND ic.key_ordinal > 0
JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
WHERE i.is_hypothetical = 0 AND (i.is_unique = 1 OR i.type = 1){where}
ORDER BY i.object_id, i.is_primary_key DESC, i.index_id, ic.key_ordinal"""

INDEXES = _INDEXES.format(where=" AND i.object_id = ?")
ALL_INDEXES = _INDEXES.format(where="")

_OBJECT_ID = """
SELECT o.object_id
FROM sys.objects AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = ? AND o.name = ? AND o.type IN ('U', 'V')"""

TABLE = f"""
DECLARE @object int = ({_OBJECT_ID.strip()});
SELECT @object AS object_id;
{COLUMNS.replace("?", "@object").strip()};
{INDEXES.replace("?", "@object").strip()};"""
"""A table or view at once: its number, NULL where there is none, its columns, its indexes."""

TABLE_ROWS = """
SELECT SUM(p.rows) AS row_count, COUNT(DISTINCT p.partition_number) AS partitions
FROM sys.partitions AS p
WHERE p.object_id = ? AND p.index_id IN (0, 1)"""

PARTITION_COLUMN = """
SELECT c.name AS column_name
FROM sys.indexes AS i
JOIN sys.index_columns AS ic
  ON ic.object_id = i.object_id AND ic.index_id = i.index_id AND ic.partition_ordinal = 1
JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
WHERE i.object_id = ? AND i.index_id IN (0, 1)"""

PARTITIONS = """
SELECT p.partition_number, p.rows, CONVERT(nvarchar(200), prv.value, 121) AS boundary
FROM sys.partitions AS p
JOIN sys.indexes AS i
  ON i.object_id = p.object_id AND i.index_id = p.index_id AND i.index_id IN (0, 1)
JOIN sys.partition_schemes AS psch ON psch.data_space_id = i.data_space_id
JOIN sys.partition_functions AS pf ON pf.function_id = psch.function_id
LEFT JOIN sys.partition_range_values AS prv
  ON prv.function_id = pf.function_id AND prv.boundary_id = p.partition_number
WHERE p.object_id = ?
ORDER BY p.partition_number"""
"""Each partition's rows with the boundary above it; the last one has none."""

MAX_LSN = "SELECT CONVERT(varchar(22), sys.fn_cdc_get_max_lsn(), 1) AS max_lsn"
