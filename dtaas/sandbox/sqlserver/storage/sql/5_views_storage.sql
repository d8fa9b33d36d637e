-- sys.* views of indexes, partitions, databases and principals.

-- Every table has an index 0 (a heap) or 1 (clustered); meta.indexes knows no heaps.
CREATE FUNCTION store.heaps(db int) RETURNS TABLE (object_id int, data_space_id int)
STABLE LANGUAGE sql AS $$
  SELECT o.object_id, coalesce(o.partition_space, 1) FROM meta.objects o
  WHERE o.database_id = db AND o.type = 'U' AND NOT EXISTS (
    SELECT FROM meta.indexes i WHERE i.object_id = o.object_id AND i.index_id = 1)
$$;

CREATE FUNCTION sys.indexes(db int) RETURNS TABLE (
  object_id int, name t.sysname, index_id int, type t.tinyint, type_desc t.nvarchar_60,
  is_unique t.bit, data_space_id int, ignore_dup_key t.bit, is_primary_key t.bit,
  is_unique_constraint t.bit, fill_factor t.tinyint, is_padded t.bit, is_disabled t.bit,
  is_hypothetical t.bit, is_ignored_in_optimization t.bit, allow_row_locks t.bit,
  allow_page_locks t.bit, has_filter t.bit, filter_definition t.nvarchar_max,
  compression_delay int, suppress_dup_key_messages t.bit, auto_created t.bit,
  optimize_for_sequential_key t.bit)
STABLE LANGUAGE sql AS $$
  SELECT i.object_id, i.name, i.index_id, i.type,
    CASE i.type WHEN 1 THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END, i.is_unique,
    CASE WHEN i.index_id = 1 THEN coalesce(o.partition_space, 1) ELSE i.data_space_id END,
    0::smallint, (c.type IS NOT DISTINCT FROM 'PK')::int::smallint,
    (c.type IS NOT DISTINCT FROM 'UQ')::int::smallint, 0::smallint, 0::smallint, 0::smallint,
    0::smallint, 0::smallint, 1::smallint, 1::smallint, (i.filter IS NOT NULL)::int::smallint,
    i.filter, NULL::int, 0::smallint, 0::smallint, 0::smallint
  FROM meta.indexes i
  JOIN meta.objects o USING (object_id)
  LEFT JOIN meta.objects c ON c.object_id = i.constraint_id
  WHERE o.database_id = db AND store.visible(o.object_id, db)
  UNION ALL
  SELECT h.object_id, NULL, 0, 0::smallint, 'HEAP', 0::smallint, h.data_space_id, 0::smallint,
    0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint,
    1::smallint, 1::smallint, 0::smallint, NULL, NULL, 0::smallint, 0::smallint, 0::smallint
  FROM store.heaps(db) h WHERE store.visible(h.object_id, db)
$$;

CREATE FUNCTION sys.index_columns(db int) RETURNS TABLE (
  object_id int, index_id int, index_column_id int, column_id int, key_ordinal t.tinyint,
  partition_ordinal t.tinyint, is_descending_key t.bit, is_included_column t.bit,
  column_store_order_ordinal t.tinyint)
STABLE LANGUAGE sql AS $$
  SELECT x.object_id, x.index_id, x.index_column_id, x.column_id, x.key_ordinal,
    (o.partition_column IS NOT DISTINCT FROM x.column_id AND x.index_id = 1)::int::smallint,
    x.is_descending, (x.key_ordinal = 0)::int::smallint, 0::smallint
  FROM meta.index_columns x JOIN meta.objects o USING (object_id)
  WHERE o.database_id = db AND store.visible(o.object_id, db)
  UNION ALL -- a partitioned heap has a row for the column it is partitioned by
  SELECT h.object_id, 0, 1, o.partition_column, 0::smallint, 1::smallint, 0::smallint, 0::smallint,
    0::smallint
  FROM store.heaps(db) h JOIN meta.objects o USING (object_id)
  WHERE o.partition_column IS NOT NULL AND store.visible(h.object_id, db)
$$;

CREATE FUNCTION sys.stats(db int) RETURNS TABLE (
  object_id int, name t.sysname, stats_id int, auto_created t.bit, user_created t.bit,
  no_recompute t.bit, has_filter t.bit, filter_definition t.nvarchar_max)
STABLE LANGUAGE sql AS $$
  SELECT i.object_id, i.name, i.index_id, 0::smallint, 0::smallint, 0::smallint, i.has_filter,
    i.filter_definition
  FROM sys.indexes(db) i WHERE i.index_id > 0
$$;

-- The partitions of a table with their rows; one partition when it is not partitioned.
CREATE FUNCTION store.partition_rows(object int) RETURNS TABLE (number int, counted bigint)
STABLE LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  it record;
BEGIN
  SELECT o.database_id, o.partition_column AS col, f.boundary_on_right,
    (SELECT array_agg(v.literal ORDER BY v.boundary_id) FROM meta.partition_values v
      WHERE v.database_id = o.database_id AND v.function_id = f.function_id) AS boundaries,
    (SELECT format_type(a.atttypid, NULL) FROM pg_attribute a
      WHERE a.attrelid = format('d%s.t_%s', o.database_id, o.object_id)::regclass
        AND a.attname = 'c' || o.partition_column) AS type
  INTO it
  FROM meta.objects o
  JOIN meta.partition_schemes s ON s.database_id = o.database_id AND s.data_space_id = o.partition_space
  JOIN meta.partition_functions f ON f.database_id = o.database_id AND f.function_id = s.function_id
  WHERE o.object_id = object;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 1, store.row_count(object);
    RETURN;
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT n, coalesce(x.rows, 0) FROM generate_series(1, %s) n LEFT JOIN ('
    '  SELECT 1 + (SELECT count(*) FROM unnest(%L::%s[]) b WHERE b %s c%s)::int AS number, count(*) AS rows'
    '  FROM d%s.t_%s GROUP BY 1) x ON x.number = n',
    coalesce(array_length(it.boundaries, 1), 0) + 1, it.boundaries, it.type,
    CASE it.boundary_on_right WHEN 1 THEN '<=' ELSE '<' END, it.col, it.database_id, object);
END $$;

-- Indexes of visible tables with their partitions: rows are exact, so each count is made once.
CREATE FUNCTION store.index_partitions(db int) RETURNS TABLE (
  object_id int, index_id int, number int, counted bigint, pages bigint, is_filtered bool)
STABLE LANGUAGE sql AS $$
  SELECT o.object_id, i.index_id, p.number,
    CASE WHEN i.filter IS NULL THEN p.counted
      ELSE (SELECT reltuples::bigint FROM pg_class
        WHERE oid = to_regclass(format('d%s.i_%s_%s', db, o.object_id, i.index_id))) END,
    CASE WHEN i.index_id < 2 THEN pg_relation_size(format('d%s.t_%s', db, o.object_id)::regclass)
      ELSE pg_relation_size(to_regclass(format('d%s.i_%s_%s', db, o.object_id, i.index_id))) END / 8192,
    i.filter IS NOT NULL
  FROM meta.objects o
  CROSS JOIN LATERAL store.partition_rows(o.object_id) p
  CROSS JOIN LATERAL (
    SELECT x.index_id, x.filter FROM meta.indexes x WHERE x.object_id = o.object_id
    UNION ALL
    SELECT 0, NULL WHERE NOT EXISTS (
      SELECT FROM meta.indexes x WHERE x.object_id = o.object_id AND x.index_id = 1)) i
  WHERE o.database_id = db AND o.type = 'U' AND store.visible(o.object_id, db)
$$;

CREATE FUNCTION store.partition_id(object int, index int, number int) RETURNS bigint
IMMUTABLE LANGUAGE sql RETURN 72057594000000000 + object::bigint * 65536 + index * 256 + number;

CREATE FUNCTION sys.partitions(db int) RETURNS TABLE (
  partition_id bigint, object_id int, index_id int, partition_number int, hobt_id bigint,
  rows bigint, filestream_filegroup_id smallint, data_compression t.tinyint,
  data_compression_desc t.nvarchar_60, xml_compression t.bit, xml_compression_desc t.varchar_10)
STABLE LANGUAGE sql AS $$
  SELECT store.partition_id(p.object_id, p.index_id, p.number), p.object_id, p.index_id, p.number,
    store.partition_id(p.object_id, p.index_id, p.number), p.counted, 0::smallint, 0::smallint,
    'NONE', 0::smallint, 'OFF'
  FROM store.index_partitions(db) p
$$;

CREATE FUNCTION sys.dm_db_partition_stats(db int) RETURNS TABLE (
  partition_id bigint, object_id int, index_id int, partition_number int,
  in_row_data_page_count bigint, in_row_used_page_count bigint, in_row_reserved_page_count bigint,
  lob_used_page_count bigint, lob_reserved_page_count bigint, row_overflow_used_page_count bigint,
  row_overflow_reserved_page_count bigint, used_page_count bigint, reserved_page_count bigint,
  row_count bigint)
STABLE LANGUAGE sql AS $$
  SELECT store.partition_id(p.object_id, p.index_id, p.number), p.object_id, p.index_id, p.number,
    p.pages, p.pages, p.pages, l.pages, l.pages, 0::bigint, 0::bigint, p.pages + l.pages,
    p.pages + l.pages, p.counted
  FROM store.index_partitions(db) p
  CROSS JOIN LATERAL (
    SELECT CASE WHEN p.index_id < 2 THEN coalesce((
      SELECT pg_relation_size(c.reltoastrelid) / 8192 FROM pg_class c
      WHERE c.oid = format('d%s.t_%s', db, p.object_id)::regclass AND c.reltoastrelid <> 0), 0)
      ELSE 0 END::bigint AS pages) l
$$;

CREATE FUNCTION sys.allocation_units(db int) RETURNS TABLE (
  allocation_unit_id bigint, type t.tinyint, type_desc t.nvarchar_60, container_id bigint,
  data_space_id int, total_pages bigint, used_pages bigint, data_pages bigint)
STABLE LANGUAGE sql AS $$
  SELECT p.partition_id, 1::smallint, 'IN_ROW_DATA', p.partition_id, 1, p.reserved_page_count,
    p.used_page_count, p.in_row_data_page_count
  FROM sys.dm_db_partition_stats(db) p
$$;

CREATE FUNCTION sys.partition_functions(db int) RETURNS TABLE (
  name t.sysname, function_id int, type t.char_2, type_desc t.nvarchar_60, fanout int,
  boundary_value_on_right t.bit, is_system t.bit, create_date t.datetime, modify_date t.datetime)
STABLE LANGUAGE sql AS $$
  SELECT f.name, f.function_id, 'R ', 'RANGE',
    1 + (SELECT count(*) FROM meta.partition_values v
      WHERE v.database_id = db AND v.function_id = f.function_id)::int,
    f.boundary_on_right, 0::smallint, d.create_date, d.create_date
  FROM meta.partition_functions f JOIN meta.databases d USING (database_id)
  WHERE f.database_id = db
$$;

CREATE FUNCTION sys.partition_schemes(db int) RETURNS TABLE (
  name t.sysname, data_space_id int, type t.char_2, type_desc t.nvarchar_60, is_default t.bit,
  is_system t.bit, function_id int)
STABLE LANGUAGE sql AS $$
  SELECT s.name, s.data_space_id, 'PS', 'PARTITION_SCHEME', 0::smallint, 0::smallint, s.function_id
  FROM meta.partition_schemes s WHERE s.database_id = db
$$;

CREATE FUNCTION sys.partition_range_values(db int) RETURNS TABLE (
  function_id int, boundary_id int, parameter_id int, value t.sql_variant)
STABLE LANGUAGE sql AS $$
  SELECT v.function_id, v.boundary_id, 1, v.value
  FROM meta.partition_values v WHERE v.database_id = db
$$;

CREATE FUNCTION sys.data_spaces(db int) RETURNS TABLE (
  name t.sysname, data_space_id int, type t.char_2, type_desc t.nvarchar_60, is_default t.bit,
  is_system t.bit)
STABLE LANGUAGE sql AS $$
  SELECT 'PRIMARY', 1, 'FG', 'ROWS_FILEGROUP', 1::smallint, 0::smallint
  UNION ALL
  SELECT s.name, s.data_space_id, s.type, s.type_desc, s.is_default, s.is_system
  FROM sys.partition_schemes(db) s
$$;

CREATE FUNCTION sys.filegroups(db int) RETURNS TABLE (
  name t.sysname, data_space_id int, type t.char_2, type_desc t.nvarchar_60, is_default t.bit,
  is_system t.bit, is_read_only t.bit)
STABLE LANGUAGE sql AS $$
  SELECT s.name, s.data_space_id, s.type, s.type_desc, s.is_default, s.is_system, 0::smallint
  FROM sys.data_spaces(db) s WHERE s.data_space_id = 1
$$;

CREATE FUNCTION sys.databases(db int) RETURNS TABLE (
  name t.sysname, database_id int, source_database_id int, owner_sid t.varbinary_85,
  create_date t.datetime, compatibility_level t.tinyint, collation_name t.sysname,
  user_access t.tinyint, user_access_desc t.nvarchar_60, is_read_only t.bit,
  is_auto_close_on t.bit, is_auto_shrink_on t.bit, state t.tinyint, state_desc t.nvarchar_60,
  is_in_standby t.bit, snapshot_isolation_state t.tinyint,
  snapshot_isolation_state_desc t.nvarchar_60, is_read_committed_snapshot_on t.bit,
  recovery_model t.tinyint, recovery_model_desc t.nvarchar_60, is_encrypted t.bit,
  is_broker_enabled t.bit, log_reuse_wait t.tinyint, log_reuse_wait_desc t.nvarchar_60,
  is_cdc_enabled t.bit, containment t.tinyint, containment_desc t.nvarchar_60,
  target_recovery_time_in_seconds int, delayed_durability int,
  delayed_durability_desc t.nvarchar_60, is_accelerated_database_recovery_on t.bit)
STABLE LANGUAGE sql AS $$
  SELECT d.name, d.database_id, NULL::int, '\x01'::bytea, d.create_date, d.compatibility_level,
    d.collation_name, 0::smallint, 'MULTI_USER', d.is_read_only, 0::smallint, 0::smallint,
    CASE d.is_offline WHEN 1 THEN 6 ELSE 0 END::smallint,
    CASE d.is_offline WHEN 1 THEN 'OFFLINE' ELSE 'ONLINE' END, 0::smallint, d.snapshot_isolation,
    CASE d.snapshot_isolation WHEN 1 THEN 'ON' ELSE 'OFF' END, d.read_committed_snapshot,
    d.recovery_model, ('{FULL,BULK_LOGGED,SIMPLE}'::text[])[d.recovery_model], 0::smallint,
    0::smallint, 0::smallint, 'NOTHING', d.is_cdc_enabled, 0::smallint, 'NONE', 60, 0, 'DISABLED',
    0::smallint
  FROM meta.databases d
  WHERE current_setting('store.restricted') = 'off' OR d.database_id IN (1, 2, 4)
    OR d.database_id IN (SELECT u.database_id FROM meta.users u JOIN meta.logins l USING (principal_id)
      WHERE store.name_key(l.name) = store.name_key(store.login()))
$$;

CREATE FUNCTION sys.sysdatabases(db int) RETURNS TABLE (
  name t.sysname, dbid smallint, sid t.varbinary_85, mode smallint, status int, status2 int,
  crdate t.datetime, reserved t.datetime, category int, cmptlevel t.tinyint,
  filename t.nvarchar_256, version smallint)
STABLE LANGUAGE sql AS $$
  SELECT d.name, d.database_id::smallint, d.owner_sid, 0::smallint, 65536, 0, d.create_date,
    0::bigint, 0, d.compatibility_level, NULL::text, 957::smallint
  FROM sys.databases(db) d
$$;

CREATE FUNCTION sys.systypes(db int) RETURNS TABLE (
  name t.sysname, xtype t.tinyint, status t.tinyint, xusertype smallint, length smallint,
  prec smallint, scale t.tinyint, usertype smallint, variable t.bit, allownulls t.bit, type t.tinyint)
STABLE LANGUAGE sql AS $$
  SELECT y.name, y.system_type_id, 0::smallint, y.user_type_id, y.max_length, y."precision",
    y.scale, CASE WHEN y.is_user_defined = 1 THEN y.user_type_id ELSE 0 END, 0::smallint,
    y.is_nullable, y.system_type_id
  FROM sys.types(db) y
$$;

CREATE FUNCTION sys.sysobjects(db int) RETURNS TABLE (
  name t.sysname, id int, xtype t.char_2, uid smallint, parent_obj int, crdate t.datetime, type t.char_2)
STABLE LANGUAGE sql AS $$
  SELECT o.name, o.object_id, o.type, o.schema_id, o.parent_object_id, o.create_date, o.type
  FROM sys.objects(db) o
$$;

CREATE FUNCTION sys.database_principals(db int) RETURNS TABLE (
  name t.sysname, principal_id int, type t.char_1, type_desc t.nvarchar_60,
  default_schema_name t.sysname, create_date t.datetime, modify_date t.datetime,
  owning_principal_id int, sid t.varbinary_85, is_fixed_role t.bit)
STABLE LANGUAGE sql AS $$
  SELECT p.name, p.id, p.type, CASE p.type WHEN 'R' THEN 'DATABASE_ROLE' ELSE 'SQL_USER' END,
    CASE p.type WHEN 'S' THEN 'dbo' END, d.create_date, d.create_date, CASE p.type WHEN 'R' THEN 1 END,
    int4send(p.id), (p.id BETWEEN 16384 AND 16393)::int::smallint
  FROM (
    VALUES ('public', 0, 'R'), ('dbo', 1, 'S'), ('guest', 2, 'S'), ('INFORMATION_SCHEMA', 3, 'S'),
      ('sys', 4, 'S'), ('db_owner', 16384, 'R'), ('db_accessadmin', 16385, 'R'),
      ('db_securityadmin', 16386, 'R'), ('db_ddladmin', 16387, 'R'), ('db_backupoperator', 16389, 'R'),
      ('db_datareader', 16390, 'R'), ('db_datawriter', 16391, 'R'), ('db_denydatareader', 16392, 'R'),
      ('db_denydatawriter', 16393, 'R')
    UNION ALL
    SELECT l.name, l.principal_id, 'S' FROM meta.users u JOIN meta.logins l USING (principal_id)
    WHERE u.database_id = db
    UNION ALL
    SELECT r.name, r.principal_id, 'R' FROM meta.roles r WHERE r.database_id = db) AS p(name, id, type)
  JOIN meta.databases d ON d.database_id = db
$$;

CREATE FUNCTION sys.database_role_members(db int) RETURNS TABLE (
  role_principal_id int, member_principal_id int)
STABLE LANGUAGE sql AS $$
  SELECT 16384, 1
  UNION ALL
  SELECT 16384, u.principal_id FROM meta.users u WHERE u.database_id = db AND u.is_owner
  UNION ALL
  SELECT m.role_id, m.member_id FROM meta.role_members m JOIN meta.roles r ON r.principal_id = m.role_id
  WHERE r.database_id = db
$$;

CREATE FUNCTION sys.server_principals(db int) RETURNS TABLE (
  name t.sysname, principal_id int, sid t.varbinary_85, type t.char_1, type_desc t.nvarchar_60,
  is_disabled t.bit, create_date t.datetime, modify_date t.datetime,
  default_database_name t.sysname, default_language_name t.sysname)
STABLE LANGUAGE sql AS $$
  SELECT l.name, CASE l.name WHEN 'sa' THEN 1 ELSE l.principal_id END, int4send(l.principal_id), 'S',
    'SQL_LOGIN', l.is_disabled::int::smallint, l.create_date, l.create_date, l.default_database,
    'us_english'
  FROM meta.logins l
  WHERE current_setting('store.restricted') = 'off'
    OR store.name_key(l.name) IN ('sa', store.name_key(store.login()))
$$;

CREATE FUNCTION sys.configurations(db int) RETURNS TABLE (
  configuration_id int, name t.nvarchar_60, value t.sql_variant, value_in_use t.sql_variant)
STABLE LANGUAGE sql AS $$
  SELECT 1536, 'max text repl size (B)', store.int_variant(65536), store.int_variant(65536)
$$;

-- Sessions of the CDC capture process and their errors: there even while nothing is captured.
-- True, or error 297. Of those who may, there are only owners.
CREATE FUNCTION store.may_view_state(db int) RETURNS bool STABLE STRICT LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('store.restricted') = 'on' AND NOT EXISTS (
      SELECT FROM meta.users u WHERE u.database_id = db AND u.is_owner
        AND u.principal_id IN (SELECT store.principals(db))) THEN
    RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE =
      'TSQL|297|16|1|The user does not have permission to perform this action.';
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION sys.dm_cdc_log_scan_sessions(db int) RETURNS TABLE (
  session_id int, start_time t.datetime, end_time t.datetime, duration int,
  scan_phase t.nvarchar_256, error_count int, start_lsn t.nvarchar_23, current_lsn t.nvarchar_23,
  end_lsn t.nvarchar_23, tran_count bigint, last_commit_lsn t.nvarchar_23,
  last_commit_time t.datetime, log_record_count bigint, schema_change_count int,
  command_count bigint, first_begin_cdc_lsn t.nvarchar_23, last_commit_cdc_lsn t.nvarchar_23,
  last_commit_cdc_time t.datetime, latency int, empty_scan_count int, failed_sessions_count int)
STABLE LANGUAGE sql AS $$
  SELECT s.session_id, s.start_time, s.end_time, ((s.end_time - s.start_time) / 300)::int, 'Done',
    s.error_count, NULL::text, NULL::text, NULL::text, s.tran_count, NULL::text, NULL::bigint,
    0::bigint, 0, s.tran_count, NULL::text, NULL::text, s.end_time, 0,
    s.empty_scan_count, 0
  FROM meta.capture_sessions s WHERE s.database_id = db AND store.may_view_state(db)
$$;

CREATE FUNCTION sys.dm_cdc_errors(db int) RETURNS TABLE (
  session_id int, phase_number int, entry_time t.datetime, error_number int, error_severity int,
  error_state int, error_message t.nvarchar_1024, start_lsn t.nvarchar_23,
  begin_lsn t.nvarchar_23, sequence_value t.nvarchar_23)
STABLE LANGUAGE sql AS $$
  SELECT 0, 7, e.entry_time, e.error_number, e.error_severity, e.error_state, e.error_message,
    NULL::text, NULL::text, NULL::text
  FROM meta.capture_errors e WHERE e.database_id = db ORDER BY e.error_id DESC LIMIT 32
$$;

-- recovery_fork_guid changes with a restore to an earlier point.
CREATE FUNCTION sys.database_recovery_status(db int) RETURNS TABLE (
  database_id int, database_guid t.uniqueidentifier, family_guid t.uniqueidentifier,
  recovery_fork_guid t.uniqueidentifier)
STABLE LANGUAGE sql AS $$
  SELECT d.database_id, d.recovery_fork, d.recovery_fork, d.recovery_fork FROM meta.databases d
$$;
