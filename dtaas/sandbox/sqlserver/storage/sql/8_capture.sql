-- Change data capture. Triggers write before and after images into a log table of each capture
-- instance; a capture job moves whole committed transactions from there into the change tables.
--
-- A log sequence number is a number of the database's sequence dN.lsn, shown as ten bytes. A
-- transaction draws its commit number while it holds a lock until its end, so numbers rise in the
-- order in which commits become visible: whoever sees one sees all lower ones.

CREATE TABLE meta.capture_instances (
  object_id int PRIMARY KEY REFERENCES meta.objects ON DELETE CASCADE,
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  source_object_id int NOT NULL,
  capture_instance text NOT NULL,
  start_lsn bytea,
  supports_net_changes smallint NOT NULL,
  role_name text,
  index_name text,
  filegroup_name text,
  create_date bigint NOT NULL DEFAULT store.now(),
  partition_switch smallint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX ON meta.capture_instances (database_id, store.name_key(capture_instance));
CREATE INDEX ON meta.capture_instances (source_object_id);

-- column_id: in the source table; the captured column n lies in column 5 + n of the change table.
CREATE TABLE meta.captured_columns (
  object_id int NOT NULL REFERENCES meta.capture_instances ON DELETE CASCADE,
  column_ordinal int NOT NULL,
  column_name text NOT NULL,
  column_id int NOT NULL,
  column_type text NOT NULL,
  is_computed smallint NOT NULL,
  is_long smallint NOT NULL,
  PRIMARY KEY (object_id, column_ordinal)
);

CREATE TABLE meta.capture_index_columns (
  object_id int NOT NULL REFERENCES meta.capture_instances ON DELETE CASCADE,
  index_ordinal smallint NOT NULL,
  column_name text NOT NULL,
  column_id int NOT NULL,
  PRIMARY KEY (object_id, index_ordinal)
);

CREATE TABLE meta.capture_ddl (
  object_id int NOT NULL REFERENCES meta.capture_instances ON DELETE CASCADE,
  source_object_id int NOT NULL,
  required_column_update smallint NOT NULL,
  ddl_command text NOT NULL,
  ddl_lsn bytea NOT NULL,
  ddl_time bigint NOT NULL
);

-- Transactions that wrote to a log and are not captured yet. commit_lsn is set by the commit.
CREATE TABLE meta.captured_transactions (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  xid xid8 NOT NULL,
  first_lsn bigint NOT NULL,
  commit_lsn bigint,
  begin_time bigint NOT NULL,
  end_time bigint,
  PRIMARY KEY (database_id, xid)
);

-- cdc.lsn_time_mapping. tran_id is 0x00 in the rows of idle times.
CREATE TABLE meta.capture_times (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  start_lsn bytea NOT NULL,
  tran_begin_time bigint NOT NULL,
  tran_end_time bigint NOT NULL,
  tran_id bytea NOT NULL,
  tran_begin_lsn bytea,
  PRIMARY KEY (database_id, start_lsn)
);

CREATE TABLE meta.capture_jobs (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  job_type text NOT NULL,
  maxtrans int NOT NULL DEFAULT 500,
  maxscans int NOT NULL DEFAULT 10,
  continuous smallint NOT NULL DEFAULT 1,
  pollinginterval bigint NOT NULL DEFAULT 5,
  retention bigint NOT NULL DEFAULT 4320,
  threshold bigint NOT NULL DEFAULT 5000,
  is_running smallint NOT NULL DEFAULT 1,
  job_id uuid NOT NULL DEFAULT gen_random_uuid(),
  PRIMARY KEY (database_id, job_type)
);

CREATE FUNCTION store.lsn(number bigint) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN '\x00000025'::bytea || substr(int8send(number), 3);

CREATE FUNCTION store.next_lsn(database int) RETURNS bigint
VOLATILE STRICT LANGUAGE sql AS $$ SELECT nextval(format('d%s.lsn', database)) $$;

-- Two numbers that no other lock uses.
CREATE FUNCTION store.lock_commits(database int) RETURNS void
VOLATILE STRICT LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(20043, database) $$;

-- Note that the transaction writes to a log, once.
CREATE FUNCTION store.note_transaction(database int) RETURNS void
VOLATILE STRICT SECURITY DEFINER LANGUAGE sql AS $$
  INSERT INTO meta.captured_transactions (database_id, xid, first_lsn, begin_time)
  SELECT database, pg_current_xact_id(), store.next_lsn(database),
    floor((extract(epoch FROM transaction_timestamp()) + 2208988800) * 300)::bigint
  WHERE NOT EXISTS (SELECT FROM meta.captured_transactions t
    WHERE t.database_id = database AND t.xid = pg_current_xact_id())
$$;

CREATE FUNCTION store.draw_commit_lsn() RETURNS trigger
SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM store.lock_commits(NEW.database_id);
  UPDATE meta.captured_transactions t
  SET commit_lsn = store.next_lsn(NEW.database_id), end_time = store.now()
  WHERE t.database_id = NEW.database_id AND t.xid = NEW.xid;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER commits AFTER INSERT ON meta.captured_transactions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION store.draw_commit_lsn();

-- Owns the session a database? sysadmins own every one.
CREATE FUNCTION store.owns(database int) RETURNS bool
STABLE STRICT LANGUAGE sql
RETURN current_setting('store.restricted') = 'off' OR EXISTS (
  SELECT FROM meta.users u WHERE u.database_id = database AND u.is_owner
    AND u.principal_id IN (SELECT store.principals(database)));

-- May the session read a capture instance through its functions? Owners may; others with SELECT on
-- the source table, and with its gating role where it has one.
CREATE FUNCTION store.may_read_changes(instance int) RETURNS bool
STABLE STRICT LANGUAGE sql
RETURN EXISTS (SELECT FROM meta.capture_instances i WHERE i.object_id = instance
  AND store.visible(i.source_object_id, i.database_id)
  AND (i.role_name IS NULL OR store.owns(i.database_id) OR EXISTS (
    SELECT FROM meta.roles r JOIN store.principals(i.database_id) AS p(id) ON p.id = r.principal_id
    WHERE r.database_id = i.database_id AND store.name_key(r.name) = store.name_key(i.role_name))));

-- May the session read the tables of schema cdc themselves?
CREATE FUNCTION store.may_read_capture(database int) RETURNS bool
STABLE STRICT LANGUAGE sql
RETURN store.owns(database) OR EXISTS (
  SELECT FROM meta.capture_grants g
  WHERE g.database_id = database AND g.principal_id IN (SELECT store.principals(database)));

-- One row, or error 229.
CREATE FUNCTION store.granted(database int, object text) RETURNS bool
STABLE STRICT LANGUAGE plpgsql AS $$
BEGIN
  IF NOT store.may_read_capture(database) THEN
    RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = format('TSQL|229|14|5|The SELECT permission '
      'was denied on the object ''%s'', database ''%s'', schema ''cdc''.', object,
      (SELECT d.name FROM meta.databases d WHERE d.database_id = database));
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION meta.fn_cdc_get_max_lsn() RETURNS bytea
STABLE LANGUAGE sql
RETURN (SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = store.database_id()
  ORDER BY t.start_lsn DESC LIMIT 1);

-- All zeros, not NULL, when there is no such instance or it may not be read.
CREATE FUNCTION meta.fn_cdc_get_min_lsn(instance text) RETURNS bytea
STABLE LANGUAGE sql AS $$
  SELECT CASE WHEN count(*) = 0 THEN '\x00000000000000000000'::bytea
    ELSE (array_agg(i.start_lsn))[1] END
  FROM meta.capture_instances i
  WHERE i.database_id = store.database_id()
    AND store.name_key(i.capture_instance) = store.name_key(instance)
    AND store.may_read_changes(i.object_id)
$$;

CREATE FUNCTION store.moved_lsn(lsn bytea, step int) RETURNS bytea
IMMUTABLE STRICT LANGUAGE plpgsql AS $$
DECLARE
  moved bytea := lsn;
  digit int;
BEGIN
  FOR at IN REVERSE 9..0 LOOP
    digit := get_byte(moved, at) + step;
    moved := set_byte(moved, at, (digit + 256) % 256);
    EXIT WHEN digit BETWEEN 0 AND 255;
  END LOOP;
  RETURN moved;
END $$;

CREATE FUNCTION meta.fn_cdc_increment_lsn(lsn bytea) RETURNS bytea
IMMUTABLE STRICT LANGUAGE sql RETURN store.moved_lsn(lsn, 1);

CREATE FUNCTION meta.fn_cdc_decrement_lsn(lsn bytea) RETURNS bytea
IMMUTABLE STRICT LANGUAGE sql RETURN store.moved_lsn(lsn, -1);

CREATE FUNCTION meta.fn_cdc_map_time_to_lsn(relation text, moment bigint) RETURNS bytea
STABLE STRICT LANGUAGE sql
RETURN CASE lower(rtrim(relation))
  WHEN 'largest less than' THEN
    (SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = store.database_id()
      AND t.tran_end_time < moment ORDER BY t.tran_end_time DESC, t.start_lsn DESC LIMIT 1)
  WHEN 'largest less than or equal' THEN
    (SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = store.database_id()
      AND t.tran_end_time <= moment ORDER BY t.tran_end_time DESC, t.start_lsn DESC LIMIT 1)
  WHEN 'smallest greater than' THEN
    (SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = store.database_id()
      AND t.tran_end_time > moment ORDER BY t.tran_end_time, t.start_lsn LIMIT 1)
  WHEN 'smallest greater than or equal' THEN
    (SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = store.database_id()
      AND t.tran_end_time >= moment ORDER BY t.tran_end_time, t.start_lsn LIMIT 1)
END;

CREATE FUNCTION meta.fn_cdc_map_lsn_to_time(lsn bytea) RETURNS bigint
STABLE STRICT LANGUAGE sql
RETURN (SELECT t.tran_end_time FROM meta.capture_times t
  WHERE t.database_id = store.database_id() AND t.start_lsn = lsn);

CREATE FUNCTION meta.fn_cdc_get_column_ordinal(instance text, wanted text) RETURNS int
STABLE STRICT LANGUAGE sql
RETURN (SELECT c.column_ordinal FROM meta.captured_columns c
  JOIN meta.capture_instances i USING (object_id)
  WHERE i.database_id = store.database_id()
    AND store.name_key(i.capture_instance) = store.name_key(instance)
    AND store.name_key(c.column_name) = store.name_key(wanted));

-- The lowest ordinals lie in the last byte.
CREATE FUNCTION meta.fn_cdc_is_bit_set(place int, mask bytea) RETURNS smallint
IMMUTABLE STRICT LANGUAGE sql
RETURN CASE WHEN place < 1 OR (place - 1) / 8 >= length(mask) THEN 0
  ELSE (get_byte(mask, length(mask) - 1 - (place - 1) / 8) >> ((place - 1) % 8)) & 1 END::smallint;

CREATE FUNCTION meta.fn_cdc_has_column_changed(instance text, wanted text, mask bytea)
RETURNS smallint STABLE STRICT LANGUAGE sql
RETURN meta.fn_cdc_is_bit_set(meta.fn_cdc_get_column_ordinal(instance, wanted), mask);

-- What the views of schema cdc show, as far as the session may ask for it through procedures.
CREATE SCHEMA captured;

CREATE FUNCTION captured.change_tables(db int) RETURNS TABLE (
  object_id int, version int, source_object_id int, capture_instance t.sysname,
  start_lsn t.binary_10, end_lsn t.binary_10, supports_net_changes t.bit, has_drop_pending t.bit,
  role_name t.sysname, index_name t.sysname, filegroup_name t.sysname, create_date t.datetime,
  partition_switch t.bit)
STABLE LANGUAGE sql AS $$
  SELECT i.object_id, 0, i.source_object_id, i.capture_instance, i.start_lsn, NULL::bytea,
    i.supports_net_changes, NULL::smallint, i.role_name, i.index_name, i.filegroup_name,
    i.create_date, i.partition_switch
  FROM meta.capture_instances i WHERE i.database_id = db
    AND (store.may_read_capture(db) OR store.may_read_changes(i.object_id))
$$;

CREATE FUNCTION captured.captured_columns(db int) RETURNS TABLE (
  object_id int, column_name t.sysname, column_id int, column_type t.sysname, column_ordinal int,
  is_computed t.bit)
STABLE LANGUAGE sql AS $$
  SELECT c.object_id, c.column_name, c.column_id, c.column_type, c.column_ordinal, c.is_computed
  FROM meta.captured_columns c JOIN meta.capture_instances i USING (object_id)
  WHERE i.database_id = db
$$;

CREATE FUNCTION captured.index_columns(db int) RETURNS TABLE (
  object_id int, column_name t.sysname, index_ordinal t.tinyint, column_id int)
STABLE LANGUAGE sql AS $$
  SELECT c.object_id, c.column_name, c.index_ordinal, c.column_id
  FROM meta.capture_index_columns c JOIN meta.capture_instances i USING (object_id)
  WHERE i.database_id = db
$$;

CREATE FUNCTION captured.ddl_history(db int) RETURNS TABLE (
  source_object_id int, object_id int, required_column_update t.bit, ddl_command t.nvarchar_max,
  ddl_lsn t.binary_10, ddl_time t.datetime)
STABLE LANGUAGE sql AS $$
  SELECT h.source_object_id, h.object_id, h.required_column_update, h.ddl_command, h.ddl_lsn,
    h.ddl_time
  FROM meta.capture_ddl h JOIN meta.capture_instances i USING (object_id)
  WHERE i.database_id = db
$$;

CREATE FUNCTION captured.lsn_time_mapping(db int) RETURNS TABLE (
  start_lsn t.binary_10, tran_begin_time t.datetime, tran_end_time t.datetime,
  tran_id t.varbinary_10, tran_begin_lsn t.binary_10)
STABLE LANGUAGE sql AS $$
  SELECT m.start_lsn, m.tran_begin_time, m.tran_end_time, m.tran_id, m.tran_begin_lsn
  FROM meta.capture_times m WHERE m.database_id = db
$$;

-- The views of schema cdc, there in databases where capture is enabled: for owners, and who was
-- granted SELECT on the schema.
CREATE SCHEMA capture;

CREATE FUNCTION capture.change_tables(db int) RETURNS TABLE (
  object_id int, version int, source_object_id int, capture_instance t.sysname,
  start_lsn t.binary_10, end_lsn t.binary_10, supports_net_changes t.bit, has_drop_pending t.bit,
  role_name t.sysname, index_name t.sysname, filegroup_name t.sysname, create_date t.datetime,
  partition_switch t.bit)
STABLE LANGUAGE sql AS $$
  SELECT v.* FROM captured.change_tables(db) AS v WHERE (SELECT store.granted(db, 'change_tables'))
$$;

CREATE FUNCTION capture.captured_columns(db int) RETURNS TABLE (
  object_id int, column_name t.sysname, column_id int, column_type t.sysname, column_ordinal int,
  is_computed t.bit)
STABLE LANGUAGE sql AS $$
  SELECT v.* FROM captured.captured_columns(db) AS v WHERE (SELECT store.granted(db, 'captured_columns'))
$$;

CREATE FUNCTION capture.index_columns(db int) RETURNS TABLE (
  object_id int, column_name t.sysname, index_ordinal t.tinyint, column_id int)
STABLE LANGUAGE sql AS $$
  SELECT v.* FROM captured.index_columns(db) AS v WHERE (SELECT store.granted(db, 'index_columns'))
$$;

CREATE FUNCTION capture.ddl_history(db int) RETURNS TABLE (
  source_object_id int, object_id int, required_column_update t.bit, ddl_command t.nvarchar_max,
  ddl_lsn t.binary_10, ddl_time t.datetime)
STABLE LANGUAGE sql AS $$
  SELECT v.* FROM captured.ddl_history(db) AS v WHERE (SELECT store.granted(db, 'ddl_history'))
$$;

CREATE FUNCTION capture.lsn_time_mapping(db int) RETURNS TABLE (
  start_lsn t.binary_10, tran_begin_time t.datetime, tran_end_time t.datetime,
  tran_id t.varbinary_10, tran_begin_lsn t.binary_10)
STABLE LANGUAGE sql AS $$
  SELECT v.* FROM captured.lsn_time_mapping(db) AS v WHERE (SELECT store.granted(db, 'lsn_time_mapping'))
$$;
