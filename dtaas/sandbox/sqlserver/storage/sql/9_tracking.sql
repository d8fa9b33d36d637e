-- Change tracking. Triggers note key, operation and transaction of every changed row in a log of
-- the tracked table; a commit draws the version. What CHANGETABLE shows is made from the log.
-- Source: Microsoft Learn, "CHANGETABLE (Transact-SQL)"; sqlserver-facts C1.

CREATE TABLE meta.tracking_databases (
  database_id int PRIMARY KEY REFERENCES meta.databases ON DELETE CASCADE,
  is_auto_cleanup_on smallint NOT NULL,
  retention_period int NOT NULL,
  retention_period_units smallint NOT NULL
);

-- The lowest valid version is that of the transaction valid_from: it enabled or truncated.
CREATE TABLE meta.tracking_tables (
  object_id int PRIMARY KEY REFERENCES meta.objects ON DELETE CASCADE,
  database_id int NOT NULL,
  is_track_columns_updated_on smallint NOT NULL,
  begun_in xid8 NOT NULL,
  valid_from xid8 NOT NULL
);

-- Transactions that changed a tracked table. version is set by the commit, under the lock that
-- holds commits of captured tables apart too: versions become visible in their order.
CREATE TABLE meta.tracking_commits (
  database_id int NOT NULL REFERENCES meta.databases ON DELETE CASCADE,
  xid xid8 NOT NULL,
  version bigint,
  PRIMARY KEY (database_id, xid)
);
CREATE INDEX ON meta.tracking_commits (database_id, version);

CREATE FUNCTION store.note_tracking(database int) RETURNS void
VOLATILE STRICT SECURITY DEFINER LANGUAGE sql AS $$
  INSERT INTO meta.tracking_commits (database_id, xid) SELECT database, pg_current_xact_id()
  WHERE NOT EXISTS (SELECT FROM meta.tracking_commits t
    WHERE t.database_id = database AND t.xid = pg_current_xact_id())
$$;

CREATE FUNCTION store.draw_version() RETURNS trigger
SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM store.lock_commits(NEW.database_id);
  UPDATE meta.tracking_commits t
  SET version = nextval(format('d%s.tracking_version', NEW.database_id))
  WHERE t.database_id = NEW.database_id AND t.xid = NEW.xid;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER commits AFTER INSERT ON meta.tracking_commits
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION store.draw_version();

CREATE FUNCTION store.version_of(database int, transaction xid8) RETURNS bigint
STABLE STRICT LANGUAGE sql
RETURN (SELECT t.version FROM meta.tracking_commits t
  WHERE t.database_id = database AND t.xid = transaction);

CREATE FUNCTION meta.change_tracking_current_version() RETURNS bigint
STABLE LANGUAGE sql
RETURN (SELECT coalesce((SELECT max(t.version) FROM meta.tracking_commits t
    WHERE t.database_id = d.database_id), 0)
  FROM meta.tracking_databases d WHERE d.database_id = store.database_id());

CREATE FUNCTION meta.change_tracking_min_valid_version(object int) RETURNS bigint
STABLE STRICT LANGUAGE sql
RETURN (SELECT store.version_of(t.database_id, t.valid_from) FROM meta.tracking_tables t
  WHERE t.object_id = object AND store.visible(t.object_id, t.database_id));

-- One row a key whose last change is younger than `since`: SYS_CHANGE_VERSION,
-- SYS_CHANGE_CREATION_VERSION, SYS_CHANGE_OPERATION, …COLUMNS, …CONTEXT, then the key. A key that
-- was deleted and inserted again was updated; one that came and went was deleted.
CREATE FUNCTION store.tracked_changes(shape anyelement, object int, since bigint)
RETURNS SETOF anyelement
STABLE SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE
  found meta.tracking_tables;
  keys text := (SELECT string_agg('l.' || a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = pg_typeof(shape)::text::regclass AND a.attnum > 7);
BEGIN
  SELECT * INTO STRICT found FROM meta.tracking_tables t WHERE t.object_id = object;
  IF NOT store.visible(object, found.database_id) THEN
    RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = (
      SELECT format('TSQL|229|14|71|The VIEW CHANGE TRACKING permission was denied on the object '
        '''%s'', database ''%s'', schema ''%s''.', o.name, d.name, s.name)
      FROM meta.objects o JOIN meta.schemas s USING (database_id, schema_id)
      JOIN meta.databases d USING (database_id) WHERE o.object_id = object);
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT n.version, n.created,'
    '  CASE WHEN n.last = ''D'' THEN ''D'' WHEN n.first = ''I'' THEN ''I'' ELSE ''U'' END,'
    '  NULL::bytea, NULL::bytea, NULL::xid8, NULL::bigint, %2$s'
    ' FROM (SELECT max(t.version) AS version,'
    '   max(t.version) FILTER (WHERE l.op = ''I'') AS created,'
    '   (array_agg(l.op ORDER BY t.version, l.n) FILTER (WHERE t.version > $2))[1] AS first,'
    '   (array_agg(l.op ORDER BY t.version DESC, l.n DESC))[1] AS last, %1$s'
    '  FROM %3$s l JOIN meta.tracking_commits t ON t.database_id = $1 AND t.xid = l.xid'
    '  WHERE t.version IS NOT NULL GROUP BY %1$s HAVING max(t.version) > $2) n',
    keys, replace(keys, 'l.', 'n.'), pg_typeof(shape))
  USING found.database_id, coalesce(since, -1);
END $$;

CREATE FUNCTION sys.change_tracking_tables(db int) RETURNS TABLE (
  object_id int, is_track_columns_updated_on t.bit, min_valid_version bigint, begin_version bigint,
  cleanup_version bigint)
STABLE LANGUAGE sql AS $$
  SELECT t.object_id, t.is_track_columns_updated_on, store.version_of(db, t.valid_from),
    store.version_of(db, t.begun_in), 0::bigint
  FROM meta.tracking_tables t WHERE t.database_id = db AND store.visible(t.object_id, db)
$$;

CREATE FUNCTION sys.change_tracking_databases(db int) RETURNS TABLE (
  database_id int, is_auto_cleanup_on t.bit, retention_period int, retention_period_units t.tinyint,
  retention_period_units_desc t.nvarchar_60)
STABLE LANGUAGE sql AS $$
  SELECT d.database_id, d.is_auto_cleanup_on, d.retention_period, d.retention_period_units,
    (ARRAY['MINUTES', 'HOURS', 'DAYS'])[d.retention_period_units]
  FROM meta.tracking_databases d
$$;
