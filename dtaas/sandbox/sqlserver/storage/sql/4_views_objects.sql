-- sys.* views of objects, columns and types. Each is a function of the database id, so that a
-- query can read the catalog of any database. Source of names, types and column order: Microsoft
-- Learn, "System catalog views".

CREATE SCHEMA sys;

CREATE FUNCTION sys.schemas(db int) RETURNS TABLE (name t.sysname, schema_id int, principal_id int)
STABLE LANGUAGE sql AS $$
  SELECT s.name, s.schema_id, CASE WHEN s.schema_id < 5 OR s.schema_id >= 16384 THEN s.schema_id ELSE 1 END
  FROM meta.schemas s WHERE s.database_id = db
$$;

CREATE FUNCTION sys.all_objects(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.name, o.object_id, NULL::int, o.schema_id, coalesce(o.parent_object_id, 0),
    rpad(o.type, 2), CASE o.type
      WHEN 'U' THEN 'USER_TABLE' WHEN 'V' THEN 'VIEW' WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT'
      WHEN 'UQ' THEN 'UNIQUE_CONSTRAINT' WHEN 'F' THEN 'FOREIGN_KEY_CONSTRAINT'
      WHEN 'C' THEN 'CHECK_CONSTRAINT' WHEN 'D' THEN 'DEFAULT_CONSTRAINT'
      WHEN 'P' THEN 'SQL_STORED_PROCEDURE' WHEN 'IF' THEN 'SQL_INLINE_TABLE_VALUED_FUNCTION' END,
    o.create_date, o.modify_date, o.is_ms_shipped, 0::smallint, 0::smallint
  FROM meta.objects o
  WHERE o.database_id = db AND store.visible(coalesce(o.parent_object_id, o.object_id), db)
$$;

CREATE FUNCTION sys.objects(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit)
STABLE LANGUAGE sql AS $$ SELECT * FROM sys.all_objects(db) $$;

CREATE FUNCTION sys.tables(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit, lob_data_space_id int,
  filestream_data_space_id int, max_column_id_used int, lock_on_bulk_load t.bit,
  uses_ansi_nulls t.bit, is_replicated t.bit, has_replication_filter t.bit,
  is_merge_published t.bit, is_sync_tran_subscribed t.bit, has_unchecked_assembly_data t.bit,
  text_in_row_limit int, large_value_types_out_of_row t.bit, is_tracked_by_cdc t.bit,
  lock_escalation t.tinyint, lock_escalation_desc t.nvarchar_60, is_filetable t.bit,
  is_memory_optimized t.bit, durability t.tinyint, durability_desc t.nvarchar_60,
  temporal_type t.tinyint, temporal_type_desc t.nvarchar_60, history_table_id int,
  is_remote_data_archive_enabled t.bit, is_external t.bit, history_retention_period int,
  history_retention_period_unit int, history_retention_period_unit_desc t.nvarchar_10,
  is_node t.bit, is_edge t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.name, o.object_id, o.principal_id, o.schema_id, o.parent_object_id, o.type, o.type_desc,
    o.create_date, o.modify_date, o.is_ms_shipped, o.is_published, o.is_schema_published,
    CASE WHEN EXISTS (SELECT FROM meta.columns c WHERE c.object_id = o.object_id
      AND (c.max_length = -1 OR c.type_name IN ('text', 'ntext', 'image'))) THEN 1 ELSE 0 END,
    NULL::int, (SELECT max(c.column_id) FROM meta.columns c WHERE c.object_id = o.object_id),
    0::smallint, 1::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0,
    0::smallint, m.is_tracked_by_cdc, 0::smallint, 'TABLE', 0::smallint, 0::smallint, 0::smallint,
    'SCHEMA_AND_DATA', 0::smallint, 'NON_TEMPORAL_TABLE', NULL::int, 0::smallint, 0::smallint,
    NULL::int, NULL::int, NULL::text, 0::smallint, 0::smallint
  FROM sys.objects(db) o JOIN meta.objects m USING (object_id) WHERE m.type = 'U'
$$;

CREATE FUNCTION sys.views(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit, is_replicated t.bit,
  has_replication_filter t.bit, has_opaque_metadata t.bit, has_unchecked_assembly_data t.bit,
  with_check_option t.bit, is_date_correlation_view t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.*, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint
  FROM sys.objects(db) o JOIN meta.objects m USING (object_id) WHERE m.type = 'V'
$$;

CREATE FUNCTION sys.types(db int) RETURNS TABLE (
  name t.sysname, system_type_id t.tinyint, user_type_id int, schema_id int, principal_id int,
  max_length smallint, "precision" t.tinyint, scale t.tinyint, collation_name t.sysname,
  is_nullable t.bit, is_user_defined t.bit, is_assembly_type t.bit, default_object_id int,
  rule_object_id int, is_table_type t.bit)
STABLE LANGUAGE sql AS $$
  SELECT y.name, y.system_type_id, y.user_type_id, 4, NULL::int, y.max_length, y."precision",
    y.scale, CASE WHEN y.system_type_id IN (35, 99, 167, 175, 231, 239) THEN d.collation_name END,
    (y.user_type_id <> 256)::int::smallint, 0::smallint, (y.system_type_id = 240)::int::smallint,
    0, 0, 0::smallint
  FROM meta.system_types y JOIN meta.databases d ON d.database_id = db
  UNION ALL
  SELECT a.name, y.system_type_id, a.user_type_id, a.schema_id, NULL, a.max_length, a."precision",
    a.scale, a.collation_name, a.is_nullable, 1::smallint, 0::smallint, 0, 0, 0::smallint
  FROM meta.alias_types a JOIN meta.system_types y ON y.name = a.type_name WHERE a.database_id = db
$$;

CREATE FUNCTION sys.columns(db int) RETURNS TABLE (
  object_id int, name t.sysname, column_id int, system_type_id t.tinyint, user_type_id int,
  max_length smallint, "precision" t.tinyint, scale t.tinyint, collation_name t.sysname,
  is_nullable t.bit, is_ansi_padded t.bit, is_rowguidcol t.bit, is_identity t.bit,
  is_computed t.bit, is_filestream t.bit, is_replicated t.bit, is_non_sql_subscribed t.bit,
  is_merge_published t.bit, is_dts_replicated t.bit, is_xml_document t.bit,
  xml_collection_id int, default_object_id int, rule_object_id int, is_sparse t.bit,
  is_column_set t.bit, generated_always_type t.tinyint, generated_always_type_desc t.nvarchar_60,
  encryption_type int, encryption_type_desc t.nvarchar_60, encryption_algorithm_name t.sysname,
  column_encryption_key_id int, column_encryption_key_database_name t.sysname, is_hidden t.bit,
  is_masked t.bit, graph_type int, graph_type_desc t.nvarchar_60)
STABLE LANGUAGE sql AS $$
  SELECT c.object_id, c.name, c.column_id, y.system_type_id, c.user_type_id, c.max_length,
    c."precision", c.scale, c.collation_name, c.is_nullable, 1::smallint, c.is_rowguidcol,
    (c.identity_seed IS NOT NULL)::int::smallint, (c.computed IS NOT NULL)::int::smallint,
    0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0,
    coalesce(d.object_id, 0), 0, c.is_sparse, 0::smallint, 0::smallint, 'NOT_APPLICABLE',
    NULL::int, NULL::text, NULL::text, NULL::int, NULL::text, 0::smallint, 0::smallint,
    NULL::int, NULL::text
  FROM meta.columns c
  JOIN meta.objects o USING (object_id)
  JOIN meta.system_types y ON y.name = c.type_name
  LEFT JOIN meta.objects d
    ON d.parent_object_id = c.object_id AND d.parent_column_id = c.column_id AND d.type = 'D'
  WHERE o.database_id = db AND store.visible(o.object_id, db)
$$;

CREATE FUNCTION sys.all_columns(db int) RETURNS TABLE (
  object_id int, name t.sysname, column_id int, system_type_id t.tinyint, user_type_id int,
  max_length smallint, "precision" t.tinyint, scale t.tinyint, collation_name t.sysname,
  is_nullable t.bit, is_identity t.bit, is_computed t.bit, default_object_id int)
STABLE LANGUAGE sql AS $$
  SELECT c.object_id, c.name, c.column_id, c.system_type_id, c.user_type_id, c.max_length,
    c."precision", c.scale, c.collation_name, c.is_nullable, c.is_identity, c.is_computed,
    c.default_object_id
  FROM sys.columns(db) c
$$;

CREATE FUNCTION sys.computed_columns(db int) RETURNS TABLE (
  object_id int, name t.sysname, column_id int, system_type_id t.tinyint, user_type_id int,
  max_length smallint, "precision" t.tinyint, scale t.tinyint, collation_name t.sysname,
  is_nullable t.bit, is_computed t.bit, definition t.nvarchar_max, uses_database_collation t.bit,
  is_persisted t.bit)
STABLE LANGUAGE sql AS $$
  SELECT c.object_id, c.name, c.column_id, c.system_type_id, c.user_type_id, c.max_length,
    c."precision", c.scale, c.collation_name, c.is_nullable, c.is_computed, m.computed,
    1::smallint, m.is_persisted
  FROM sys.columns(db) c JOIN meta.columns m USING (object_id, column_id)
  WHERE m.computed IS NOT NULL
$$;

CREATE FUNCTION sys.identity_columns(db int) RETURNS TABLE (
  object_id int, name t.sysname, column_id int, system_type_id t.tinyint, user_type_id int,
  max_length smallint, "precision" t.tinyint, scale t.tinyint, is_nullable t.bit,
  is_identity t.bit, seed_value t.sql_variant, increment_value t.sql_variant,
  last_value t.sql_variant, is_not_for_replication t.bit)
STABLE LANGUAGE sql AS $$
  SELECT c.object_id, c.name, c.column_id, c.system_type_id, c.user_type_id, c.max_length,
    c."precision", c.scale, c.is_nullable, c.is_identity,
    store.variant(w.descriptor, m.identity_seed::text),
    store.variant(w.descriptor, m.identity_increment::text),
    store.variant(w.descriptor,
      pg_sequence_last_value(format('d%s.s_%s', db, c.object_id)::regclass)::text), 0::smallint
  FROM sys.columns(db) c
  JOIN meta.columns m USING (object_id, column_id)
  CROSS JOIN LATERAL (SELECT concat_ws(',', m.type_name, m.type_length, m.type_precision,
    m.type_scale, '') AS descriptor) w
  WHERE m.identity_seed IS NOT NULL
$$;

CREATE FUNCTION sys.default_constraints(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit, parent_column_id int,
  definition t.nvarchar_max, is_system_named t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.*, m.parent_column_id, m.definition, m.is_system_named::int::smallint
  FROM sys.objects(db) o JOIN meta.objects m USING (object_id) WHERE m.type = 'D'
$$;

CREATE FUNCTION sys.check_constraints(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit, is_disabled t.bit,
  is_not_for_replication t.bit, is_not_trusted t.bit, parent_column_id int,
  definition t.nvarchar_max, uses_database_collation t.bit, is_system_named t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.*, 0::smallint, 0::smallint, 0::smallint, m.parent_column_id, m.definition, 1::smallint,
    m.is_system_named::int::smallint
  FROM sys.objects(db) o JOIN meta.objects m USING (object_id) WHERE m.type = 'C'
$$;

CREATE FUNCTION sys.key_constraints(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit, unique_index_id int,
  is_system_named t.bit, is_enforced t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.*, i.index_id, m.is_system_named::int::smallint, 1::smallint
  FROM sys.objects(db) o
  JOIN meta.objects m USING (object_id)
  JOIN meta.indexes i ON i.constraint_id = o.object_id
$$;

CREATE FUNCTION sys.foreign_keys(db int) RETURNS TABLE (
  name t.sysname, object_id int, principal_id int, schema_id int, parent_object_id int,
  type t.char_2, type_desc t.nvarchar_60, create_date t.datetime, modify_date t.datetime,
  is_ms_shipped t.bit, is_published t.bit, is_schema_published t.bit, referenced_object_id int,
  key_index_id int, is_disabled t.bit, is_not_for_replication t.bit, is_not_trusted t.bit,
  delete_referential_action t.tinyint, delete_referential_action_desc t.nvarchar_60,
  update_referential_action t.tinyint, update_referential_action_desc t.nvarchar_60,
  is_system_named t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.*, f.referenced_object_id, f.key_index_id, f.is_disabled, 0::smallint, f.is_not_trusted,
    f.delete_action, ('{NO_ACTION,CASCADE,SET_NULL,SET_DEFAULT}'::text[])[f.delete_action + 1],
    f.update_action, ('{NO_ACTION,CASCADE,SET_NULL,SET_DEFAULT}'::text[])[f.update_action + 1],
    m.is_system_named::int::smallint
  FROM sys.objects(db) o
  JOIN meta.objects m USING (object_id)
  JOIN meta.foreign_keys f USING (object_id)
$$;

CREATE FUNCTION sys.foreign_key_columns(db int) RETURNS TABLE (
  constraint_object_id int, constraint_column_id int, parent_object_id int, parent_column_id int,
  referenced_object_id int, referenced_column_id int)
STABLE LANGUAGE sql AS $$
  SELECT f.object_id, c.constraint_column_id, f.parent_object_id, c.parent_column_id,
    f.referenced_object_id, c.referenced_column_id
  FROM sys.foreign_keys(db) f JOIN meta.foreign_key_columns c USING (object_id)
$$;

CREATE FUNCTION sys.sql_modules(db int) RETURNS TABLE (
  object_id int, definition t.nvarchar_max, uses_ansi_nulls t.bit, uses_quoted_identifier t.bit,
  is_schema_bound t.bit, uses_database_collation t.bit, is_recompiled t.bit,
  null_on_null_input t.bit, execute_as_principal_id int, uses_native_compilation t.bit)
STABLE LANGUAGE sql AS $$
  SELECT o.object_id, m.definition, 1::smallint, 1::smallint, 0::smallint, 0::smallint,
    0::smallint, 0::smallint, NULL::int, 0::smallint
  FROM sys.objects(db) o JOIN meta.objects m USING (object_id) WHERE m.type IN ('V', 'P', 'IF')
$$;
