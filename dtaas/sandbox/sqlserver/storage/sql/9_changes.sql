-- The functions cdc.fn_cdc_get_all_changes_… and fn_cdc_get_net_changes_…, one of each for all
-- capture instances: the first argument only gives the type of the change table.
-- Source: Microsoft Learn, the pages of these names; sqlserver-facts A6.

-- What the row filter lets through. Errors: 208, 229, 313.
CREATE FUNCTION store.change_operations(
  instance int, low bytea, high bytea, filter text, is_net bool) RETURNS int[]
STABLE LANGUAGE plpgsql AS $$
DECLARE
  found meta.capture_instances;
  kind text := CASE WHEN is_net THEN 'net' ELSE 'all' END;
  operations int[] := CASE format('%s: %s', kind, lower(btrim(filter)))
    WHEN 'all: all' THEN ARRAY[1, 2, 4]
    WHEN 'all: all update old' THEN ARRAY[1, 2, 3, 4]
    WHEN 'net: all' THEN ARRAY[1, 2, 4]
    WHEN 'net: all with mask' THEN ARRAY[1, 2, 4]
    WHEN 'net: all with merge' THEN ARRAY[1, 2, 4] END;
BEGIN
  SELECT * INTO STRICT found FROM meta.capture_instances i WHERE i.object_id = instance;
  IF is_net AND found.supports_net_changes = 0 THEN
    PERFORM tsql.fail(208, 1,
      format('Invalid object name ''cdc.fn_cdc_get_net_changes_%s''.', found.capture_instance));
  END IF;
  IF NOT store.may_read_changes(instance) THEN
    RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = format('TSQL|229|14|5|The SELECT permission '
      'was denied on the object ''fn_cdc_get_%s_changes_...'', database ''%s'', schema ''cdc''.',
      kind, (SELECT d.name FROM meta.databases d WHERE d.database_id = found.database_id));
  END IF;
  IF operations IS NULL OR (low >= found.start_lsn AND low <= high AND high <= (
      SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = found.database_id
      ORDER BY t.start_lsn DESC LIMIT 1)) IS NOT TRUE THEN
    PERFORM tsql.fail(313, 3, format('An insufficient number of arguments were supplied for the '
      'procedure or function cdc.fn_cdc_get_%s_changes_ ... .', kind));
  END IF;
  RETURN operations;
END $$;

-- Name of the column of __$command_id, the last one of the change table.
CREATE FUNCTION store.command_column(instance int) RETURNS text
STABLE STRICT LANGUAGE sql
RETURN 'c' || (SELECT 6 + count(*) FROM meta.captured_columns c WHERE c.object_id = instance);

CREATE FUNCTION store.all_changes(
  shape anyelement, instance int, low bytea, high bytea, filter text) RETURNS SETOF anyelement
STABLE SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE
  operations int[] := store.change_operations(instance, low, high, filter, false);
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT c.* FROM %s c WHERE c.c1 BETWEEN $1 AND $2 AND c.c4 = ANY ($3)'
    ' ORDER BY c.c1, c.%s, c.c3, c.c4', pg_typeof(shape), store.command_column(instance))
  USING low, high, operations;
END $$;

CREATE FUNCTION store.or_masks(one bytea, other bytea) RETURNS bytea
IMMUTABLE STRICT LANGUAGE plpgsql AS $$
BEGIN
  FOR at IN 0..least(length(one), length(other)) - 1 LOOP
    one := set_byte(one, at, get_byte(one, at) | get_byte(other, at));
  END LOOP;
  RETURN one;
END $$;

CREATE AGGREGATE store.or_mask(bytea) (SFUNC = store.or_masks, STYPE = bytea);

-- One row a key: its last change, as what takes the row before the window to the row after it.
CREATE FUNCTION store.net_changes(
  shape anyelement, instance int, low bytea, high bytea, filter text) RETURNS SETOF anyelement
STABLE SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE
  operations int[] := store.change_operations(instance, low, high, filter, true);
  wanted text := lower(btrim(filter));
  command text := store.command_column(instance);
  keys text := (SELECT string_agg('c.c' || 5 + c.column_ordinal, ', ' ORDER BY k.index_ordinal)
    FROM meta.capture_index_columns k JOIN meta.captured_columns c USING (object_id, column_id)
    WHERE k.object_id = instance);
  operation text := format('(CASE WHEN n.c4 = 1 THEN 1 WHEN %L THEN 5 WHEN n.first_one = 2 THEN 2'
    ' ELSE 4 END)', wanted = 'all with merge');
  columns text := (SELECT string_agg(CASE a.attname
      WHEN 'c4' THEN operation
      WHEN 'c5' THEN format('CASE WHEN %L AND %s = 4 THEN n.mask END',
        wanted = 'all with mask', operation)
      ELSE 'n.' || a.attname END, ', ' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = pg_typeof(shape)::text::regclass
      AND a.attnum > 0 AND NOT a.attisdropped);
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT %1$s FROM ('
    ' SELECT c.*, row_number() OVER later AS place, count(*) OVER whole AS total,'
    '  first_value(c.c4) OVER later AS first_one, store.or_mask(c.c5) OVER whole AS mask'
    ' FROM %2$s c WHERE c.c1 BETWEEN $1 AND $2 AND c.c4 = ANY ($3)'
    ' WINDOW whole AS (PARTITION BY %3$s),'
    '  later AS (PARTITION BY %3$s ORDER BY c.c1, c.%4$s, c.c3, c.c4)) n'
    ' WHERE n.place = n.total AND NOT (n.first_one = 2 AND n.c4 = 1)'
    ' ORDER BY n.c1, n.%4$s, n.c3', columns, pg_typeof(shape), keys, command)
  USING low, high, operations;
END $$;

-- Tables of msdb that change data capture keeps.
CREATE SCHEMA msdb;

CREATE FUNCTION msdb.cdc_jobs(db int) RETURNS TABLE (
  database_id int, job_type t.nvarchar_20, job_id t.uniqueidentifier, maxtrans int, maxscans int,
  continuous t.bit, pollinginterval bigint, retention bigint, threshold bigint)
STABLE LANGUAGE sql AS $$
  SELECT j.database_id, j.job_type, j.job_id, j.maxtrans * capture.factor,
    j.maxscans * capture.factor, (j.continuous * capture.factor)::smallint,
    j.pollinginterval * capture.factor, j.retention * (1 - capture.factor),
    j.threshold * (1 - capture.factor)
  FROM meta.capture_jobs j
  CROSS JOIN LATERAL (SELECT (j.job_type = 'capture')::int) AS capture(factor)
$$;
