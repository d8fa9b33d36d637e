-- What the databases of the simulated server hold. One PostgreSQL database carries them all: the
-- SQL Server database with id 5 keeps its tables in the schema d5, as d5.t_<object_id> with
-- columns c<column_id>; names as people write them exist only here. So a rename is an UPDATE,
-- names may be as long and odd as SQL Server's, and one query can read several databases.

CREATE SCHEMA meta;
CREATE SCHEMA store;

CREATE SEQUENCE meta.object_ids AS int START 245575913 INCREMENT 16;
CREATE SEQUENCE meta.database_ids AS int START 5;

CREATE FUNCTION store.name_key(name text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN coll.lowered(rtrim(name, ' '));

-- A datetime: 1/300 s since 1900-01-01, server time.
-- How far the server's clock is ahead of the machine's; replaced to set it, so that it costs
-- nothing where it is right.
CREATE FUNCTION store.clock_ahead_s() RETURNS int STABLE PARALLEL SAFE LANGUAGE sql RETURN 0;

CREATE FUNCTION store.now() RETURNS bigint
STABLE LANGUAGE sql
RETURN floor(
  (extract(epoch FROM clock_timestamp()) + store.clock_ahead_s() + 2208988800) * 300
)::bigint;

CREATE FUNCTION store.database_id() RETURNS int
STABLE PARALLEL SAFE LANGUAGE sql RETURN current_setting('store.database_id')::int;

-- How tempdb knows a session's #table: padded, with a number of the session behind it.
CREATE FUNCTION store.temporary_name(name text, spid int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN rpad(name, 116, '_') || lpad(upper(to_hex(spid)), 12, '0');

CREATE FUNCTION store.login() RETURNS text
STABLE PARALLEL SAFE LANGUAGE sql RETURN current_setting('store.login');

CREATE TABLE meta.databases (
  database_id int PRIMARY KEY,
  name text NOT NULL,
  collation_name text NOT NULL,
  create_date bigint NOT NULL DEFAULT store.now(),
  compatibility_level smallint NOT NULL DEFAULT 160,
  snapshot_isolation smallint NOT NULL DEFAULT 0,
  read_committed_snapshot smallint NOT NULL DEFAULT 0,
  recovery_model smallint NOT NULL DEFAULT 1,
  is_read_only smallint NOT NULL DEFAULT 0,
  is_offline smallint NOT NULL DEFAULT 0,
  is_cdc_enabled smallint NOT NULL DEFAULT 0,
  recovery_fork uuid NOT NULL DEFAULT gen_random_uuid()
);
CREATE UNIQUE INDEX ON meta.databases (store.name_key(name));

CREATE TABLE meta.logins (
  principal_id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START 258),
  name text NOT NULL,
  salt bytea NOT NULL,
  password_hash bytea NOT NULL,
  is_sysadmin bool NOT NULL DEFAULT false,
  is_disabled bool NOT NULL DEFAULT false,
  default_database text NOT NULL DEFAULT 'master',
  create_date bigint NOT NULL DEFAULT store.now()
);
CREATE UNIQUE INDEX ON meta.logins (store.name_key(name));

-- A login that may enter a database; is_owner is membership of db_owner.
CREATE TABLE meta.users (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  principal_id int NOT NULL REFERENCES meta.logins ON DELETE CASCADE,
  is_owner bool NOT NULL,
  PRIMARY KEY (database_id, principal_id)
);

-- A role of one database. Its rights are those of a role in PostgreSQL that members inherit.
CREATE TABLE meta.roles (
  principal_id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START 1000000),
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  name text NOT NULL
);
CREATE UNIQUE INDEX ON meta.roles (database_id, store.name_key(name));

CREATE TABLE meta.role_members (
  role_id int NOT NULL REFERENCES meta.roles ON DELETE CASCADE,
  member_id int NOT NULL REFERENCES meta.logins ON DELETE CASCADE,
  PRIMARY KEY (role_id, member_id)
);

-- Rights of users and roles on a table or view, and on all of schema cdc of a database.
CREATE TABLE meta.grants (
  principal_id int NOT NULL,
  object_id int NOT NULL,
  PRIMARY KEY (principal_id, object_id)
);
CREATE TABLE meta.capture_grants (
  principal_id int NOT NULL,
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  PRIMARY KEY (principal_id, database_id)
);

CREATE TABLE meta.schemas (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  schema_id int NOT NULL,
  name text NOT NULL,
  PRIMARY KEY (database_id, schema_id)
);
CREATE UNIQUE INDEX ON meta.schemas (database_id, store.name_key(name));

-- Tables, views, constraints: all that share the name space of a schema.
-- definition: T-SQL text of a view, default or check; parent_column_id: of a default;
-- partition_space, partition_column: scheme and column of a partitioned table.
CREATE TABLE meta.objects (
  object_id int PRIMARY KEY DEFAULT nextval('meta.object_ids'),
  database_id int NOT NULL,
  schema_id int NOT NULL,
  parent_object_id int REFERENCES meta.objects ON DELETE CASCADE,
  parent_column_id int NOT NULL DEFAULT 0,
  name text NOT NULL,
  type text NOT NULL,
  definition text,
  is_system_named bool NOT NULL DEFAULT false,
  is_ms_shipped smallint NOT NULL DEFAULT 0,
  is_tracked_by_cdc smallint NOT NULL DEFAULT 0,
  partition_space int,
  partition_column int,
  create_date bigint NOT NULL DEFAULT store.now(),
  modify_date bigint NOT NULL DEFAULT store.now(),
  FOREIGN KEY (database_id, schema_id) REFERENCES meta.schemas ON DELETE CASCADE
);
CREATE UNIQUE INDEX objects_name ON meta.objects (database_id, schema_id, store.name_key(name));
CREATE INDEX ON meta.objects (parent_object_id);

-- type_name, type_length, type_precision, type_scale, collation: a SqlType.
CREATE TABLE meta.columns (
  object_id int NOT NULL REFERENCES meta.objects ON DELETE CASCADE,
  column_id int NOT NULL,
  name text NOT NULL,
  type_name text NOT NULL,
  type_length int NOT NULL,
  type_precision int NOT NULL,
  type_scale int NOT NULL,
  collation_name text,
  user_type_id int NOT NULL,
  max_length smallint NOT NULL,
  "precision" smallint NOT NULL,
  scale smallint NOT NULL,
  is_nullable smallint NOT NULL,
  is_rowguidcol smallint NOT NULL DEFAULT 0,
  is_sparse smallint NOT NULL DEFAULT 0,
  is_persisted smallint NOT NULL DEFAULT 0,
  computed text,
  identity_seed numeric(38),
  identity_increment numeric(38),
  PRIMARY KEY (object_id, column_id)
);
CREATE UNIQUE INDEX columns_name ON meta.columns (object_id, store.name_key(name));

-- constraint_id: the PK or UQ object the index backs.
CREATE TABLE meta.indexes (
  object_id int NOT NULL REFERENCES meta.objects ON DELETE CASCADE,
  index_id int NOT NULL,
  name text NOT NULL,
  type smallint NOT NULL,
  is_unique smallint NOT NULL,
  filter text,
  constraint_id int REFERENCES meta.objects ON DELETE CASCADE,
  data_space_id int NOT NULL DEFAULT 1,
  PRIMARY KEY (object_id, index_id)
);
CREATE UNIQUE INDEX ON meta.indexes (object_id, store.name_key(name));

CREATE TABLE meta.index_columns (
  object_id int NOT NULL,
  index_id int NOT NULL,
  index_column_id int NOT NULL,
  column_id int NOT NULL,
  key_ordinal smallint NOT NULL,
  is_descending smallint NOT NULL,
  PRIMARY KEY (object_id, index_id, index_column_id),
  FOREIGN KEY (object_id, index_id) REFERENCES meta.indexes ON DELETE CASCADE
);

-- Tables without a clustered index lie on a heap, index 0, which is in no row of meta.indexes.
CREATE TABLE meta.foreign_keys (
  object_id int PRIMARY KEY REFERENCES meta.objects ON DELETE CASCADE,
  referenced_object_id int NOT NULL REFERENCES meta.objects,
  key_index_id int NOT NULL,
  delete_action smallint NOT NULL,
  update_action smallint NOT NULL,
  is_disabled smallint NOT NULL DEFAULT 0,
  is_not_trusted smallint NOT NULL DEFAULT 0
);

CREATE TABLE meta.foreign_key_columns (
  object_id int NOT NULL REFERENCES meta.foreign_keys ON DELETE CASCADE,
  constraint_column_id int NOT NULL,
  parent_column_id int NOT NULL,
  referenced_column_id int NOT NULL,
  PRIMARY KEY (object_id, constraint_column_id)
);

CREATE TABLE meta.alias_types (
  database_id int NOT NULL,
  user_type_id int NOT NULL,
  schema_id int NOT NULL,
  name text NOT NULL,
  type_name text NOT NULL,
  type_length int NOT NULL,
  type_precision int NOT NULL,
  type_scale int NOT NULL,
  collation_name text,
  max_length smallint NOT NULL,
  "precision" smallint NOT NULL,
  scale smallint NOT NULL,
  is_nullable smallint NOT NULL,
  PRIMARY KEY (database_id, user_type_id),
  FOREIGN KEY (database_id, schema_id) REFERENCES meta.schemas ON DELETE CASCADE
);
CREATE UNIQUE INDEX ON meta.alias_types (database_id, schema_id, store.name_key(name));

CREATE TABLE meta.system_types (
  user_type_id int PRIMARY KEY,
  system_type_id smallint NOT NULL,
  name text NOT NULL,
  max_length smallint NOT NULL,
  "precision" smallint NOT NULL,
  scale smallint NOT NULL
);
INSERT INTO meta.system_types VALUES
  (34, 34, 'image', 16, 0, 0), (35, 35, 'text', 16, 0, 0), (36, 36, 'uniqueidentifier', 16, 0, 0),
  (40, 40, 'date', 3, 10, 0), (41, 41, 'time', 5, 16, 7), (42, 42, 'datetime2', 8, 27, 7),
  (43, 43, 'datetimeoffset', 10, 34, 7), (48, 48, 'tinyint', 1, 3, 0),
  (52, 52, 'smallint', 2, 5, 0), (56, 56, 'int', 4, 10, 0), (58, 58, 'smalldatetime', 4, 16, 0),
  (59, 59, 'real', 4, 24, 0), (60, 60, 'money', 8, 19, 4), (61, 61, 'datetime', 8, 23, 3),
  (62, 62, 'float', 8, 53, 0), (98, 98, 'sql_variant', 8016, 0, 0), (99, 99, 'ntext', 16, 0, 0),
  (104, 104, 'bit', 1, 1, 0), (106, 106, 'decimal', 17, 38, 38), (108, 108, 'numeric', 17, 38, 38),
  (122, 122, 'smallmoney', 4, 10, 4), (127, 127, 'bigint', 8, 19, 0),
  (128, 240, 'hierarchyid', 892, 0, 0), (129, 240, 'geometry', -1, 0, 0),
  (130, 240, 'geography', -1, 0, 0), (165, 165, 'varbinary', 8000, 0, 0),
  (167, 167, 'varchar', 8000, 0, 0), (173, 173, 'binary', 8000, 0, 0),
  (175, 175, 'char', 8000, 0, 0), (189, 189, 'timestamp', 8, 0, 0),
  (231, 231, 'nvarchar', 8000, 0, 0), (239, 239, 'nchar', 8000, 0, 0), (241, 241, 'xml', -1, 0, 0),
  (256, 231, 'sysname', 256, 0, 0);

CREATE TABLE meta.partition_functions (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  function_id int NOT NULL,
  name text NOT NULL,
  boundary_on_right smallint NOT NULL,
  PRIMARY KEY (database_id, function_id)
);
CREATE UNIQUE INDEX ON meta.partition_functions (database_id, store.name_key(name));

-- value: a stored sql_variant; literal: the same as PostgreSQL text of the storage form.
CREATE TABLE meta.partition_values (
  database_id int NOT NULL,
  function_id int NOT NULL,
  boundary_id int NOT NULL,
  value bytea NOT NULL,
  literal text NOT NULL,
  PRIMARY KEY (database_id, function_id, boundary_id),
  FOREIGN KEY (database_id, function_id) REFERENCES meta.partition_functions ON DELETE CASCADE
);

CREATE TABLE meta.partition_schemes (
  database_id int NOT NULL,
  data_space_id int NOT NULL,
  function_id int NOT NULL,
  name text NOT NULL,
  PRIMARY KEY (database_id, data_space_id),
  FOREIGN KEY (database_id, function_id) REFERENCES meta.partition_functions
);
CREATE UNIQUE INDEX ON meta.partition_schemes (database_id, store.name_key(name));

-- Scans of the capture process and their failures, the last ones only. Scans that found nothing,
-- one after another, are one row.
CREATE TABLE meta.capture_sessions (
  session_id int GENERATED ALWAYS AS IDENTITY,
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  start_time bigint NOT NULL,
  end_time bigint NOT NULL,
  tran_count bigint NOT NULL,
  error_count int NOT NULL,
  empty_scan_count int NOT NULL,
  PRIMARY KEY (database_id, session_id)
);

CREATE TABLE meta.capture_errors (
  error_id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  entry_time bigint NOT NULL,
  error_number int NOT NULL,
  error_severity int NOT NULL,
  error_state int NOT NULL,
  error_message text NOT NULL
);

-- Rows of a table, exact in the reader's snapshot. The argument is the object_id.
CREATE FUNCTION store.row_count(object int) RETURNS bigint
STABLE STRICT SECURITY DEFINER LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  counted bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM d%s.t_%s',
    (SELECT database_id FROM meta.objects WHERE object_id = object), object) INTO counted;
  RETURN counted;
END $$;

CREATE FUNCTION store.variant(descriptor text, value text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN convert_to(descriptor || E'\x1f' || value, 'UTF8');

-- What store.variant was given: `name,length,precision,scale,collation`, and the text.
CREATE FUNCTION store.variant_descriptor(variant bytea) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN split_part(convert_from(variant, 'UTF8'), E'\x1f', 1);

CREATE FUNCTION store.variant_text(variant bytea) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN substr(convert_from(variant, 'UTF8'), position(E'\x1f' IN convert_from(variant, 'UTF8')) + 1);

-- A variant of nvarchar(128) and of int, as property functions give them.
CREATE FUNCTION store.text_variant(value text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN store.variant('nvarchar,128,0,0,SQL_Latin1_General_CP1_CI_AS', value);

CREATE FUNCTION store.int_variant(value int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN store.variant('int,0,0,0,', value::text);

-- The session's login, and the roles it has in a database.
CREATE FUNCTION store.principals(database int) RETURNS SETOF int
STABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
  SELECT l.principal_id FROM meta.logins l
  WHERE store.name_key(l.name) = store.name_key(store.login())
  UNION ALL
  SELECT r.principal_id FROM meta.role_members m
    JOIN meta.roles r ON r.principal_id = m.role_id AND r.database_id = database
    JOIN meta.logins l ON l.principal_id = m.member_id
  WHERE store.name_key(l.name) = store.name_key(store.login())
$$;

-- May the session see an object? sysadmins and owners see all, others what they were granted.
CREATE FUNCTION store.visible(object int, database int) RETURNS bool
STABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN current_setting('store.restricted') = 'off'
  OR EXISTS (
    SELECT FROM meta.users u JOIN meta.logins l USING (principal_id)
    WHERE u.database_id = database AND u.is_owner AND store.name_key(l.name) = store.name_key(store.login()))
  OR EXISTS (
    SELECT FROM meta.grants g
    WHERE g.object_id = object AND g.principal_id IN (SELECT store.principals(database)))
  OR EXISTS (
    SELECT FROM meta.capture_grants g JOIN meta.objects o ON o.object_id = object
      JOIN meta.schemas s ON s.database_id = o.database_id AND s.schema_id = o.schema_id
    WHERE g.database_id = database AND s.name = 'cdc'
      AND g.principal_id IN (SELECT store.principals(database)));

-- The database's rowversion counter, and the one row of a transaction that says where it began.
CREATE FUNCTION store.next_rowversion(database int) RETURNS bytea
VOLATILE LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('store.rowversion_held', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    -- min_active_rowversion reads these locks: every value this transaction draws is greater.
    PERFORM pg_advisory_xact_lock_shared(database,
      coalesce((SELECT last_value FROM pg_sequences  -- NULL before the first value
        WHERE schemaname = 'd' || database AND sequencename = 'rowversion'), 2000)::int);
    PERFORM set_config('store.rowversion_held', pg_current_xact_id()::text, true);
  END IF;
  RETURN int8send(nextval(format('d%s.rowversion', database)));
END $$;

CREATE FUNCTION store.set_rowversion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[1], store.next_rowversion(TG_ARGV[0]::int)));
END $$;

CREATE FUNCTION store.identity_value(object int) RETURNS numeric
STABLE STRICT LANGUAGE sql
RETURN (
  SELECT coalesce(pg_sequence_last_value(format('d%s.s_%s', o.database_id, o.object_id)::regclass), c.identity_seed)
  FROM meta.objects o JOIN meta.columns c USING (object_id)
  WHERE o.object_id = object AND c.identity_seed IS NOT NULL);
