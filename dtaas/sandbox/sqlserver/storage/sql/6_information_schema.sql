-- INFORMATION_SCHEMA, as functions of the database id. PostgreSQL has a schema of that name, so
-- ours is info; the catalog gives the columns in upper case. Source: Microsoft Learn, "System information schema views".

CREATE SCHEMA info;

CREATE FUNCTION info.schemata(db int) RETURNS TABLE (
  catalog_name t.sysname, schema_name t.sysname, schema_owner t.sysname)
STABLE LANGUAGE sql AS $$
  SELECT d.name, s.name, 'dbo' FROM sys.schemas(db) s JOIN meta.databases d ON d.database_id = db
$$;

CREATE FUNCTION info.tables(db int) RETURNS TABLE (
  table_catalog t.sysname, table_schema t.sysname, table_name t.sysname,
  table_type t.varchar_10)
STABLE LANGUAGE sql AS $$
  SELECT d.name, s.name, o.name, CASE m.type WHEN 'V' THEN 'VIEW' ELSE 'BASE TABLE' END
  FROM sys.objects(db) o
  JOIN meta.objects m USING (object_id)
  JOIN meta.schemas s ON s.database_id = db AND s.schema_id = o.schema_id
  JOIN meta.databases d ON d.database_id = db
  WHERE m.type IN ('U', 'V')
$$;

CREATE FUNCTION info.views(db int) RETURNS TABLE (
  table_catalog t.sysname, table_schema t.sysname, table_name t.sysname,
  view_definition t.nvarchar_4000, check_option t.varchar_10, is_updatable t.varchar_10)
STABLE LANGUAGE sql AS $$
  SELECT x.table_catalog, x.table_schema, x.table_name, left(m.definition, 4000), 'NONE', 'NO'
  FROM sys.objects(db) o
  JOIN meta.objects m USING (object_id)
  JOIN meta.schemas s ON s.database_id = db AND s.schema_id = o.schema_id
  JOIN info.tables(db) x ON x.table_schema = s.name AND x.table_name = o.name
  WHERE m.type = 'V'
$$;

CREATE FUNCTION info.columns(db int) RETURNS TABLE (
  table_catalog t.sysname, table_schema t.sysname, table_name t.sysname,
  column_name t.sysname, ordinal_position int, column_default t.nvarchar_4000,
  is_nullable t.varchar_3, data_type t.nvarchar_128, character_maximum_length int,
  character_octet_length int, numeric_precision t.tinyint, numeric_precision_radix smallint,
  numeric_scale int, datetime_precision smallint, character_set_catalog t.sysname,
  character_set_schema t.sysname, character_set_name t.sysname, collation_catalog t.sysname,
  collation_schema t.sysname, collation_name t.sysname, domain_catalog t.sysname,
  domain_schema t.sysname, domain_name t.sysname)
STABLE LANGUAGE sql AS $$
  SELECT d.name, s.name, o.name, c.name,
    (row_number() OVER (PARTITION BY c.object_id ORDER BY c.column_id))::int,
    f.definition, CASE c.is_nullable WHEN 1 THEN 'YES' ELSE 'NO' END, c.type_name,
    CASE WHEN c.type_name IN ('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary')
        THEN c.type_length
      WHEN c.type_name IN ('text', 'image') THEN 2147483647 WHEN c.type_name = 'ntext' THEN 1073741823
      WHEN c.type_name = 'xml' THEN -1 END,
    CASE WHEN c.type_name IN ('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary')
        THEN c.max_length::int
      WHEN c.type_name IN ('text', 'ntext', 'image') THEN 2147483647 WHEN c.type_name = 'xml' THEN -1 END,
    CASE WHEN n.radix IS NOT NULL THEN c."precision" END, n.radix,
    CASE WHEN n.radix = 10 THEN c.scale::int END,
    CASE WHEN c.type_name IN ('time', 'datetime2', 'datetimeoffset') THEN c.scale
      WHEN c.type_name IN ('date', 'smalldatetime') THEN 0 WHEN c.type_name = 'datetime' THEN 3 END,
    NULL, NULL, CASE WHEN c.type_name IN ('nchar', 'nvarchar', 'ntext') THEN 'UNICODE'
      WHEN c.type_name IN ('char', 'varchar', 'text') THEN 'iso_1' END,
    NULL, NULL, c.collation_name, NULL, NULL, NULL
  FROM meta.columns c
  JOIN meta.objects o USING (object_id)
  JOIN meta.schemas s USING (database_id, schema_id)
  JOIN meta.databases d USING (database_id)
  LEFT JOIN meta.objects f
    ON f.parent_object_id = c.object_id AND f.parent_column_id = c.column_id AND f.type = 'D'
  CROSS JOIN LATERAL (SELECT CASE WHEN c.type_name IN ('real', 'float') THEN 2
    WHEN c.type_name IN ('tinyint', 'smallint', 'int', 'bigint', 'decimal', 'numeric', 'money', 'smallmoney')
    THEN 10 END::smallint AS radix) n
  WHERE o.database_id = db AND o.type IN ('U', 'V') AND store.visible(o.object_id, db)
$$;

CREATE FUNCTION info.table_constraints(db int) RETURNS TABLE (
  constraint_catalog t.sysname, constraint_schema t.sysname, constraint_name t.sysname,
  table_catalog t.sysname, table_schema t.sysname, table_name t.sysname,
  constraint_type t.varchar_11, is_deferrable t.varchar_3, initially_deferred t.varchar_3)
STABLE LANGUAGE sql AS $$
  SELECT d.name, s.name, k.name, d.name, s.name, o.name,
    CASE k.type WHEN 'PK' THEN 'PRIMARY KEY' WHEN 'UQ' THEN 'UNIQUE' WHEN 'F' THEN 'FOREIGN KEY'
      ELSE 'CHECK' END, 'NO', 'NO'
  FROM meta.objects k
  JOIN meta.objects o ON o.object_id = k.parent_object_id
  JOIN meta.schemas s ON s.database_id = db AND s.schema_id = o.schema_id
  JOIN meta.databases d ON d.database_id = db
  WHERE k.database_id = db AND k.type IN ('PK', 'UQ', 'F', 'C') AND store.visible(o.object_id, db)
$$;

CREATE FUNCTION info.key_column_usage(db int) RETURNS TABLE (
  constraint_catalog t.sysname, constraint_schema t.sysname, constraint_name t.sysname,
  table_catalog t.sysname, table_schema t.sysname, table_name t.sysname,
  column_name t.sysname, ordinal_position int)
STABLE LANGUAGE sql AS $$
  SELECT d.name, s.name, k.name, d.name, s.name, o.name, c.name, u.ordinal
  FROM meta.objects k
  JOIN meta.objects o ON o.object_id = k.parent_object_id
  JOIN meta.schemas s ON s.database_id = db AND s.schema_id = o.schema_id
  JOIN meta.databases d ON d.database_id = db
  CROSS JOIN LATERAL (
    SELECT x.column_id, x.key_ordinal::int AS ordinal
    FROM meta.indexes i JOIN meta.index_columns x USING (object_id, index_id)
    WHERE i.constraint_id = k.object_id AND x.key_ordinal > 0
    UNION ALL
    SELECT f.parent_column_id, f.constraint_column_id FROM meta.foreign_key_columns f
    WHERE f.object_id = k.object_id) u
  JOIN meta.columns c ON c.object_id = o.object_id AND c.column_id = u.column_id
  WHERE k.database_id = db AND k.type IN ('PK', 'UQ', 'F') AND store.visible(o.object_id, db)
$$;

CREATE FUNCTION info.referential_constraints(db int) RETURNS TABLE (
  constraint_catalog t.sysname, constraint_schema t.sysname, constraint_name t.sysname,
  unique_constraint_catalog t.sysname, unique_constraint_schema t.sysname,
  unique_constraint_name t.sysname, match_option t.varchar_10, update_rule t.varchar_11,
  delete_rule t.varchar_11)
STABLE LANGUAGE sql AS $$
  SELECT d.name, s.name, f.name, d.name, r.name, i.name, 'SIMPLE',
    replace(f.update_referential_action_desc, '_', ' '),
    replace(f.delete_referential_action_desc, '_', ' ')
  FROM sys.foreign_keys(db) f
  JOIN meta.schemas s ON s.database_id = db AND s.schema_id = f.schema_id
  JOIN meta.objects p ON p.object_id = f.referenced_object_id
  JOIN meta.schemas r ON r.database_id = db AND r.schema_id = p.schema_id
  JOIN meta.indexes i ON i.object_id = f.referenced_object_id AND i.index_id = f.key_index_id
  JOIN meta.databases d ON d.database_id = db
$$;
