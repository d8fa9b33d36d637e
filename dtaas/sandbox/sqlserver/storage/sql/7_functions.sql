-- The metadata functions of T-SQL. Source: Microsoft Learn, "Metadata functions".

-- The parts of an object's name, last part first: `[a b].c` gives {c, a b}.
CREATE FUNCTION store.name_parts(name text) RETURNS text[]
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  parts text[] := '{}';
  one text[];
BEGIN
  FOR one IN SELECT regexp_matches(name, '(\[(?:[^]]|\]\])*\]|"(?:[^"]|"")*"|[^.]*)(\.|$)', 'g') LOOP
    EXIT WHEN one[1] = '' AND one[2] = '';
    parts := CASE left(one[1], 1)
      WHEN '[' THEN replace(substr(one[1], 2, length(one[1]) - 2), ']]', ']')
      WHEN '"' THEN replace(substr(one[1], 2, length(one[1]) - 2), '""', '"')
      ELSE btrim(one[1]) END || parts;
    EXIT WHEN one[2] = '';
  END LOOP;
  RETURN parts;
END $$;

CREATE FUNCTION meta.db_id(name text) RETURNS smallint STABLE LANGUAGE sql
RETURN (SELECT d.database_id FROM meta.databases d WHERE store.name_key(d.name) = store.name_key($1));
CREATE FUNCTION meta.db_id() RETURNS smallint STABLE LANGUAGE sql RETURN store.database_id();

CREATE FUNCTION meta.db_name(id int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT d.name FROM meta.databases d WHERE d.database_id = $1);
CREATE FUNCTION meta.db_name() RETURNS text STABLE LANGUAGE sql RETURN meta.db_name(store.database_id());

CREATE FUNCTION meta.schema_id(name text) RETURNS int STABLE LANGUAGE sql
RETURN (SELECT s.schema_id FROM meta.schemas s
  WHERE s.database_id = store.database_id() AND store.name_key(s.name) = store.name_key($1));
CREATE FUNCTION meta.schema_id() RETURNS int STABLE LANGUAGE sql RETURN 1;

CREATE FUNCTION meta.schema_name(id int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT s.name FROM meta.schemas s WHERE s.database_id = store.database_id() AND s.schema_id = $1);
CREATE FUNCTION meta.schema_name() RETURNS text STABLE LANGUAGE sql RETURN 'dbo';

CREATE FUNCTION meta.object_id(name text, type text) RETURNS int STABLE LANGUAGE plpgsql AS $$
DECLARE
  parts text[] := store.name_parts(name);
  db int := CASE
    WHEN coalesce(parts[3], '') = '' THEN store.database_id() ELSE meta.db_id(parts[3]) END;
BEGIN
  IF parts[1] LIKE '#%' THEN
    db := 2;
    parts := ARRAY[store.temporary_name(parts[1], current_setting('store.spid')::int), 'dbo'];
  END IF;
  RETURN (
    SELECT o.object_id
    FROM meta.objects o JOIN meta.schemas s USING (database_id, schema_id)
    WHERE o.database_id = db AND store.name_key(o.name) = store.name_key(parts[1])
      AND store.name_key(s.name) = store.name_key(coalesce(nullif(parts[2], ''), 'dbo'))
      AND (object_id.type IS NULL OR o.type = upper(btrim(object_id.type)))
      AND store.visible(coalesce(o.parent_object_id, o.object_id), db));
END $$;
CREATE FUNCTION meta.object_id(name text) RETURNS int STABLE LANGUAGE sql RETURN meta.object_id(name, NULL);

CREATE FUNCTION meta.object_name(id int, db int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT o.name FROM meta.objects o WHERE o.object_id = $1 AND o.database_id = $2
  AND store.visible(coalesce(o.parent_object_id, o.object_id), $2));
CREATE FUNCTION meta.object_name(id int) RETURNS text STABLE LANGUAGE sql
RETURN meta.object_name(id, store.database_id());

CREATE FUNCTION meta.object_schema_name(id int, db int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT s.name FROM meta.objects o JOIN meta.schemas s USING (database_id, schema_id)
  WHERE o.object_id = $1 AND o.database_id = $2
    AND store.visible(coalesce(o.parent_object_id, o.object_id), $2));
CREATE FUNCTION meta.object_schema_name(id int) RETURNS text STABLE LANGUAGE sql
RETURN meta.object_schema_name(id, store.database_id());

CREATE FUNCTION meta.object_definition(id int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT o.definition FROM meta.objects o
  WHERE o.object_id = $1 AND store.visible(coalesce(o.parent_object_id, o.object_id), o.database_id));

CREATE FUNCTION meta.col_name(object int, id int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT c.name FROM meta.columns c WHERE c.object_id = $1 AND c.column_id = $2);

CREATE FUNCTION meta.col_length(object text, name text) RETURNS smallint STABLE LANGUAGE sql
RETURN (SELECT c.max_length FROM meta.columns c
  WHERE c.object_id = meta.object_id(object) AND store.name_key(c.name) = store.name_key($2));

CREATE FUNCTION meta.type_name(id int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT y.name FROM sys.types(store.database_id()) y WHERE y.user_type_id = $1);

CREATE FUNCTION meta.type_id(name text) RETURNS int STABLE LANGUAGE sql
RETURN (SELECT y.user_type_id FROM sys.types(store.database_id()) y
  WHERE store.name_key(y.name) = store.name_key((store.name_parts($1))[1])
  ORDER BY y.is_user_defined LIMIT 1);

CREATE FUNCTION meta.ident_current(object text) RETURNS numeric STABLE LANGUAGE sql
RETURN store.identity_value(meta.object_id(object));

CREATE FUNCTION meta.ident_seed(object text) RETURNS numeric STABLE LANGUAGE sql
RETURN (SELECT c.identity_seed FROM meta.columns c
  WHERE c.object_id = meta.object_id($1) AND c.identity_seed IS NOT NULL);

CREATE FUNCTION meta.ident_incr(object text) RETURNS numeric STABLE LANGUAGE sql
RETURN (SELECT c.identity_increment FROM meta.columns c
  WHERE c.object_id = meta.object_id($1) AND c.identity_seed IS NOT NULL);

CREATE FUNCTION meta.indexproperty(object int, name text, property text) RETURNS int STABLE LANGUAGE sql
RETURN (SELECT CASE lower(property)
    WHEN 'indexid' THEN i.index_id WHEN 'isclustered' THEN (i.type = 1)::int
    WHEN 'isunique' THEN i.is_unique WHEN 'isdisabled' THEN i.is_disabled
    WHEN 'ishypothetical' THEN 0 WHEN 'isstatistics' THEN 0 WHEN 'isfulltextkey' THEN 0
    WHEN 'indexdepth' THEN 1 WHEN 'indexfillfactor' THEN 0 END
  FROM sys.indexes(store.database_id()) i
  WHERE i.object_id = $1 AND store.name_key(i.name) = store.name_key($2));

CREATE FUNCTION meta.objectproperty(id int, property text) RETURNS int STABLE LANGUAGE sql
RETURN (SELECT CASE lower($2)
    WHEN 'istable' THEN (o.type = 'U')::int WHEN 'isusertable' THEN (o.type = 'U')::int
    WHEN 'isview' THEN (o.type = 'V')::int WHEN 'ismsshipped' THEN o.is_ms_shipped
    WHEN 'isprocedure' THEN (o.type = 'P')::int
    WHEN 'isprimarykey' THEN (o.type = 'PK')::int WHEN 'isforeignkey' THEN (o.type = 'F')::int
    WHEN 'isconstraint' THEN (o.type IN ('PK', 'UQ', 'F', 'C', 'D'))::int
    WHEN 'schemaid' THEN o.schema_id WHEN 'ownerid' THEN 1
    WHEN 'tablehasidentity' THEN EXISTS (
      SELECT FROM meta.columns c WHERE c.object_id = o.object_id AND c.identity_seed IS NOT NULL)::int
    WHEN 'tablehasprimarykey' THEN EXISTS (
      SELECT FROM meta.objects k WHERE k.parent_object_id = o.object_id AND k.type = 'PK')::int
    WHEN 'tablehasforeignkey' THEN EXISTS (
      SELECT FROM meta.objects k WHERE k.parent_object_id = o.object_id AND k.type = 'F')::int
    WHEN 'tablehasindex' THEN EXISTS (SELECT FROM meta.indexes i WHERE i.object_id = o.object_id)::int
    WHEN 'tablehasclustindex' THEN EXISTS (
      SELECT FROM meta.indexes i WHERE i.object_id = o.object_id AND i.type = 1)::int
    WHEN 'tablehasrowguidcol' THEN EXISTS (
      SELECT FROM meta.columns c WHERE c.object_id = o.object_id AND c.is_rowguidcol = 1)::int
    WHEN 'tablehastimestamp' THEN EXISTS (
      SELECT FROM meta.columns c WHERE c.object_id = o.object_id AND c.type_name = 'timestamp')::int
    WHEN 'tablehastextimage' THEN EXISTS (
      SELECT FROM meta.columns c WHERE c.object_id = o.object_id AND c.max_length IN (-1, 16)
        AND c.type_name <> 'uniqueidentifier')::int
    WHEN 'tabletemporaltype' THEN 0 END
  FROM meta.objects o
  WHERE o.object_id = $1 AND store.visible(coalesce(o.parent_object_id, o.object_id), o.database_id));

CREATE FUNCTION meta.objectpropertyex(id int, property text) RETURNS bytea STABLE LANGUAGE sql
RETURN CASE lower(property)
  WHEN 'basetype' THEN (SELECT store.text_variant(rpad(o.type, 2)) FROM meta.objects o WHERE o.object_id = $1)
  WHEN 'cardinality' THEN (SELECT store.variant('bigint,0,0,0,', store.row_count($1)::text)
    FROM meta.objects o WHERE o.object_id = $1 AND o.type = 'U')
  ELSE store.int_variant(meta.objectproperty(id, property)) END;

CREATE FUNCTION meta.columnproperty(id int, name text, property text) RETURNS int STABLE LANGUAGE sql
RETURN (SELECT CASE lower(property)
    WHEN 'allowsnull' THEN c.is_nullable WHEN 'columnid' THEN c.column_id
    WHEN 'iscomputed' THEN (c.computed IS NOT NULL)::int
    WHEN 'isidentity' THEN (c.identity_seed IS NOT NULL)::int
    WHEN 'isrowguidcol' THEN c.is_rowguidcol WHEN 'issparse' THEN c.is_sparse
    WHEN 'isidnotforrepl' THEN 0 WHEN 'iscolumnset' THEN 0 WHEN 'ishidden' THEN 0
    WHEN 'generatedalwaystype' THEN 0 WHEN 'charmaxlen' THEN
      CASE WHEN c.type_name IN ('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary')
        THEN c.type_length END
    WHEN 'precision' THEN CASE WHEN c."precision" > 0 THEN c."precision"
      WHEN c.type_length <> 0 THEN c.type_length ELSE c.max_length END
    WHEN 'scale' THEN CASE WHEN c."precision" > 0 THEN c.scale END END
  FROM meta.columns c JOIN meta.objects o USING (object_id)
  WHERE c.object_id = $1 AND store.name_key(c.name) = store.name_key($2)
    AND store.visible(o.object_id, o.database_id));

CREATE FUNCTION meta.suser_sname() RETURNS text STABLE LANGUAGE sql RETURN store.login();

CREATE FUNCTION store.is_sysadmin() RETURNS bool STABLE LANGUAGE sql
RETURN coalesce((SELECT l.is_sysadmin FROM meta.logins l
  WHERE store.name_key(l.name) = store.name_key(store.login())), false);

CREATE FUNCTION store.is_owner(db int) RETURNS bool STABLE LANGUAGE sql
RETURN store.is_sysadmin() OR EXISTS (
  SELECT FROM meta.users u JOIN meta.logins l USING (principal_id)
  WHERE u.database_id = db AND u.is_owner AND store.name_key(l.name) = store.name_key(store.login()));

CREATE FUNCTION meta.user_name() RETURNS text STABLE LANGUAGE sql
RETURN CASE WHEN store.is_sysadmin() THEN 'dbo' ELSE store.login() END;
CREATE FUNCTION meta.user_name(id int) RETURNS text STABLE LANGUAGE sql
RETURN (SELECT p.name FROM sys.database_principals(store.database_id()) p WHERE p.principal_id = $1);

CREATE FUNCTION meta.is_rolemember(role text, principal text) RETURNS int STABLE LANGUAGE sql
RETURN CASE
  WHEN lower(role) = 'public' THEN 1
  WHEN lower(role) = 'db_owner' THEN CASE
    WHEN principal IS NULL OR store.name_key(principal) = store.name_key(store.login())
      THEN store.is_owner(store.database_id())::int
    ELSE (SELECT u.is_owner::int FROM meta.users u JOIN meta.logins l USING (principal_id)
      WHERE u.database_id = store.database_id() AND store.name_key(l.name) = store.name_key(principal)) END
  WHEN lower(role) IN ('db_accessadmin', 'db_securityadmin', 'db_ddladmin', 'db_backupoperator',
    'db_datareader', 'db_datawriter', 'db_denydatareader', 'db_denydatawriter') THEN 0
  ELSE (SELECT EXISTS (
      SELECT FROM meta.role_members m JOIN meta.logins l ON l.principal_id = m.member_id
      WHERE m.role_id = r.principal_id
        AND store.name_key(l.name) = store.name_key(coalesce(principal, store.login())))::int
    FROM meta.roles r
    WHERE r.database_id = store.database_id() AND store.name_key(r.name) = store.name_key(role)) END;
CREATE FUNCTION meta.is_rolemember(role text) RETURNS int STABLE LANGUAGE sql
RETURN meta.is_rolemember(role, NULL);

CREATE FUNCTION meta.is_srvrolemember(role text, login text) RETURNS int STABLE LANGUAGE sql
RETURN CASE
  WHEN lower(role) = 'public' THEN 1
  WHEN lower(role) IN ('sysadmin', 'serveradmin', 'securityadmin', 'processadmin', 'setupadmin',
    'bulkadmin', 'diskadmin', 'dbcreator') THEN (
      SELECT l.is_sysadmin::int FROM meta.logins l
      WHERE store.name_key(l.name) = store.name_key(coalesce(login, store.login()))) END;
CREATE FUNCTION meta.is_srvrolemember(role text) RETURNS int STABLE LANGUAGE sql
RETURN meta.is_srvrolemember(role, NULL);

CREATE FUNCTION meta.has_dbaccess(name text) RETURNS int STABLE LANGUAGE sql
RETURN (SELECT (store.is_sysadmin() OR d.database_id IN (1, 2, 4) OR EXISTS (
    SELECT FROM meta.users u JOIN meta.logins l USING (principal_id)
    WHERE u.database_id = d.database_id AND store.name_key(l.name) = store.name_key(store.login())))::int
  FROM meta.databases d WHERE store.name_key(d.name) = store.name_key($1));

CREATE FUNCTION meta.has_perms_by_name(securable text, class text, permission text) RETURNS int
STABLE LANGUAGE plpgsql AS $$
DECLARE
  kind text := upper(coalesce(class, 'SERVER'));
  db int := store.database_id();
  object int;
BEGIN
  IF kind NOT IN ('OBJECT', 'SCHEMA', 'DATABASE', 'SERVER') THEN
    RETURN NULL;
  END IF;
  IF kind = 'OBJECT' THEN
    IF lower((store.name_parts(securable))[2]) = 'cdc' AND to_regprocedure(
        format('capture.%I(int)', lower((store.name_parts(securable))[1]))) IS NOT NULL THEN
      RETURN (SELECT store.may_read_capture(db)::int FROM meta.databases d
        WHERE d.database_id = db AND d.is_cdc_enabled = 1);
    END IF;
    object := meta.object_id(securable);
    IF object IS NULL THEN
      RETURN NULL;
    END IF;
    RETURN (store.is_owner(db) OR upper(permission) IN ('SELECT', 'ANY') AND store.visible(object, db))::int;
  ELSIF kind = 'SCHEMA' AND meta.schema_id((store.name_parts(securable))[1]) IS NULL THEN
    RETURN NULL;
  ELSIF kind = 'DATABASE' AND securable IS NOT NULL THEN
    db := meta.db_id((store.name_parts(securable))[1]);
  END IF;
  IF kind = 'SERVER' THEN
    RETURN (store.is_sysadmin() OR upper(permission) IN ('CONNECT SQL', 'VIEW ANY DATABASE', 'ANY'))::int;
  END IF;
  IF kind = 'DATABASE' AND upper(permission) IN ('CONNECT', 'ANY') THEN
    RETURN meta.has_dbaccess(meta.db_name(db));
  END IF;
  RETURN store.is_owner(db)::int;
END $$;

CREATE FUNCTION meta.current_timezone_id() RETURNS text IMMUTABLE LANGUAGE sql RETURN 'UTC';

CREATE FUNCTION meta.dbts() RETURNS bytea STABLE LANGUAGE sql
RETURN int8send(coalesce(pg_sequence_last_value(
  format('d%s.rowversion', store.database_id())::regclass), 2000));

-- Less than every rowversion an open transaction has drawn or may draw.
CREATE FUNCTION meta.min_active_rowversion() RETURNS bytea STABLE LANGUAGE sql
RETURN int8send(1 + least(
  (SELECT min(l.objid::bigint) FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid::bigint = store.database_id() AND l.objsubid = 2),
  coalesce(pg_sequence_last_value(format('d%s.rowversion', store.database_id())::regclass), 2000)));

CREATE FUNCTION meta.serverproperty(property text) RETURNS bytea STABLE LANGUAGE sql
RETURN CASE lower(property)
  WHEN 'productversion' THEN store.text_variant('16.0.4135.4')
  WHEN 'productmajorversion' THEN store.text_variant('16')
  WHEN 'productminorversion' THEN store.text_variant('0')
  WHEN 'productbuild' THEN store.text_variant('4135')
  WHEN 'productlevel' THEN store.text_variant('RTM')
  WHEN 'productupdatelevel' THEN store.text_variant('CU14')
  WHEN 'edition' THEN store.text_variant('Developer Edition (64-bit)')
  WHEN 'engineedition' THEN store.int_variant(3)
  WHEN 'servername' THEN store.text_variant(current_setting('store.server_name'))
  WHEN 'machinename' THEN store.text_variant(current_setting('store.server_name'))
  WHEN 'computernamephysicalnetbios' THEN store.text_variant(current_setting('store.server_name'))
  WHEN 'collation' THEN store.text_variant((SELECT collation_name FROM meta.databases WHERE database_id = 1))
  WHEN 'sqlcharset' THEN store.variant('tinyint,0,0,0,', '1')
  WHEN 'sqlcharsetname' THEN store.text_variant('iso_1')
  WHEN 'sqlsortorder' THEN store.variant('tinyint,0,0,0,', '52')
  WHEN 'lcid' THEN store.int_variant(1033)
  WHEN 'ishadrenabled' THEN store.int_variant(0)
  WHEN 'isclustered' THEN store.int_variant(0)
  WHEN 'issingleuser' THEN store.int_variant(0)
  WHEN 'isintegratedsecurityonly' THEN store.int_variant(0)
  WHEN 'isfulltextinstalled' THEN store.int_variant(0)
  WHEN 'isxtpsupported' THEN store.int_variant(0)
  WHEN 'ispolybaseinstalled' THEN store.int_variant(0)
  WHEN 'islocaldb' THEN store.int_variant(0)
  WHEN 'processid' THEN store.int_variant(pg_backend_pid()) END;

CREATE FUNCTION meta.collationproperty(name text, property text) RETURNS bytea STABLE LANGUAGE sql
RETURN (SELECT CASE lower(property)
    WHEN 'codepage' THEN store.int_variant(n.code_page) WHEN 'lcid' THEN store.int_variant(n.lcid)
    WHEN 'comparisonstyle' THEN store.int_variant(n.comparison_style)
    WHEN 'version' THEN store.variant('tinyint,0,0,0,', n.version::text) END
  FROM coll.names n WHERE n.name_key = lower($1));

CREATE FUNCTION meta.databasepropertyex(name text, property text) RETURNS bytea STABLE LANGUAGE sql
RETURN (SELECT CASE lower(property)
    WHEN 'collation' THEN store.text_variant(d.collation_name)
    WHEN 'updateability' THEN store.text_variant(CASE d.is_read_only WHEN 1 THEN 'READ_ONLY' ELSE 'READ_WRITE' END)
    WHEN 'status' THEN store.text_variant(CASE d.is_offline WHEN 1 THEN 'OFFLINE' ELSE 'ONLINE' END)
    WHEN 'recovery' THEN store.text_variant(('{FULL,BULK_LOGGED,SIMPLE}'::text[])[d.recovery_model])
    WHEN 'useraccess' THEN store.text_variant('MULTI_USER')
    WHEN 'version' THEN store.int_variant(957)
    WHEN 'isinstandby' THEN store.int_variant(0)
    WHEN 'isautoclose' THEN store.int_variant(0)
    WHEN 'isfulltextenabled' THEN store.int_variant(0)
    WHEN 'comparisonstyle' THEN meta.collationproperty(d.collation_name, 'ComparisonStyle')
    WHEN 'lcid' THEN meta.collationproperty(d.collation_name, 'LCID')
    WHEN 'edition' THEN store.text_variant('Developer Edition (64-bit)') END
  FROM meta.databases d WHERE store.name_key(d.name) = store.name_key($1));
