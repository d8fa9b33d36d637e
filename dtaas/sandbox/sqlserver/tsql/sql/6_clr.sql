-- hierarchyid, and points of geometry and geography. Sources: MS-SSCLRT 2.1 (SRID, version 1, flags
-- 0x0C valid single point, two doubles; geography: latitude first); the ORDPATH paper (O'Neil et
-- al., 2004) and MS-SSCLRT 2.3 for hierarchyid's bit patterns: x is a digit of value - low, T tells
-- the end of a level from a dot.

CREATE FUNCTION tsql.hierarchy_patterns() RETURNS TABLE (low bigint, high bigint, pattern text)
IMMUTABLE PARALLEL SAFE LANGUAGE sql
BEGIN ATOMIC
  SELECT * FROM (VALUES
    (-4168, -73, '000110xxxxx0xxx0x1xxxT'), (-72, -9, '0010xx0x1xxxT'), (-8, -1, '00111xxxT'),
    (0, 3, '01xxT'), (4, 7, '100xxT'), (8, 15, '101xxxT'), (16, 79, '110xx0x1xxxT'),
    (80, 1103, '1110xxx0xxx0x1xxxT'), (1104, 5199, '11110xxxxx0xxx0x1xxxT')) AS p;
END;

CREATE FUNCTION tsql.bits_bytes(bits text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN coalesce((SELECT string_agg(substring(int4send(rpad(substr(bits, at, 8), 8, '0')::bit(8)::int) FROM 4), ''::bytea ORDER BY at)
  FROM generate_series(1, length(bits), 8) AS at), ''::bytea);

CREATE FUNCTION tsql.text_to_hierarchy(x text, lenient bool) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  bits text := '';
  level text;
  parts text[];
  shape record;
  value bigint;
  digits text;
  at int;
BEGIN
  IF x !~ '^/((-?[0-9]{1,9})(\.-?[0-9]{1,9})*/)*$' THEN
    PERFORM tsql.fail_unless(lenient, 6522, 2, format('A .NET Framework error occurred during execution of '
      'user-defined routine or aggregate "hierarchyid": 24001: SqlHierarchyId.Parse failed because the input string '
      '''%s'' is not a valid string representation of a SqlHierarchyId node.', x));
    RETURN NULL;
  END IF;
  FOREACH level IN ARRAY string_to_array(trim(both '/' FROM x), '/') LOOP
    CONTINUE WHEN level = '';
    parts := string_to_array(level, '.');
    FOR i IN 1 .. array_length(parts, 1) LOOP
      value := parts[i]::bigint + CASE WHEN i < array_length(parts, 1) THEN 1 ELSE 0 END;
      SELECT * INTO shape FROM tsql.hierarchy_patterns() WHERE value BETWEEN low AND high;
      IF shape IS NULL THEN
        PERFORM tsql.fail(6522, 2, format('A .NET Framework error occurred during execution of user-defined routine or '
          'aggregate "hierarchyid": this server keeps ordinals from -4168 to 5199, not %s.', value));
      END IF;
      digits := right((value - shape.low)::bit(32)::text, length(regexp_replace(shape.pattern, '[^x]', '', 'g')));
      at := 1;
      FOR k IN 1 .. length(shape.pattern) LOOP
        bits := bits || CASE substr(shape.pattern, k, 1) WHEN 'x' THEN substr(digits, at, 1)
          WHEN 'T' THEN CASE WHEN i = array_length(parts, 1) THEN '1' ELSE '0' END
          ELSE substr(shape.pattern, k, 1) END;
        at := at + CASE substr(shape.pattern, k, 1) WHEN 'x' THEN 1 ELSE 0 END;
      END LOOP;
    END LOOP;
  END LOOP;
  RETURN tsql.bits_bytes(bits);
END $$;

CREATE FUNCTION tsql.hierarchy_text(x bytea) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  bits text := coalesce((SELECT string_agg(get_byte(x, i)::bit(8)::text, '' ORDER BY i)
    FROM generate_series(0, octet_length(x) - 1) AS i), '');
  result text := '/';
  shape record;
  digits text;
  is_last bool;
BEGIN
  WHILE bits ~ '1' LOOP
    SELECT * INTO shape FROM tsql.hierarchy_patterns()
    WHERE bits ~ ('^' || regexp_replace(pattern, '[xT]', '[01]', 'g'));
    IF shape IS NULL THEN
      PERFORM tsql.fail(6522, 2, 'A .NET Framework error occurred during execution of user-defined routine or aggregate '
        '"hierarchyid": 24000: SqlHierarchyId operation failed because hierarchyid object was constructed from an invalid binary string.');
    END IF;
    SELECT string_agg(substr(bits, k, 1), '' ORDER BY k) INTO digits
    FROM generate_series(1, length(shape.pattern)) AS k WHERE substr(shape.pattern, k, 1) = 'x';
    is_last := substr(bits, length(shape.pattern), 1) = '1';
    result := result || (lpad(digits, 32, '0')::bit(32)::int + shape.low - CASE WHEN is_last THEN 0 ELSE 1 END)::text
      || CASE WHEN is_last THEN '/' ELSE '.' END;
    bits := substr(bits, length(shape.pattern) + 1);
  END LOOP;
  RETURN result;
END $$;

CREATE FUNCTION tsql.reversed(x bytea) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN (SELECT string_agg(substring(x FROM i FOR 1), ''::bytea ORDER BY i DESC) FROM generate_series(1, octet_length(x)) AS i);

CREATE FUNCTION tsql.bytes_float(x bytea) RETURNS double precision
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  bits bigint := ('x' || encode(x, 'hex'))::bit(64)::bigint;
  exponent int := ((bits >> 52) & 2047)::int;
  mantissa double precision := (bits & 4503599627370495)::double precision;
BEGIN
  IF exponent > 0 THEN
    mantissa := mantissa + 4503599627370496;
  END IF;
  IF mantissa <> 0 THEN
    mantissa := mantissa * power(2::double precision, greatest(exponent, 1) - 1075);
  END IF;
  RETURN CASE WHEN bits < 0 THEN -mantissa ELSE mantissa END;
END $$;

-- The first number of a geometry is X, of a geography the latitude.
CREATE FUNCTION tsql.point(first double precision, second double precision, srid int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.reversed(int4send(srid)) || '\x010c'::bytea || tsql.reversed(float8send(first)) || tsql.reversed(float8send(second));

CREATE FUNCTION tsql.point_of_text(x text, srid int, kind text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  p text[] := regexp_match(x, '^\s*POINT\s*\(\s*([-+0-9.eE]+)\s+([-+0-9.eE]+)\s*\)\s*$', 'i');
BEGIN
  IF p IS NULL THEN
    PERFORM tsql.fail(6522, 1, format('A .NET Framework error occurred during execution of user-defined routine or '
      'aggregate "%s": this server keeps points only.', kind));
  END IF;
  RETURN CASE kind WHEN 'geometry' THEN tsql.point(p[1]::double precision, p[2]::double precision, srid)
    ELSE tsql.point(p[2]::double precision, p[1]::double precision, srid) END;
END $$;

CREATE FUNCTION tsql.ordinate(x bytea, number int, kind text) RETURNS double precision
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF octet_length(x) <> 22 OR substring(x FROM 5 FOR 2) <> '\x010c'::bytea THEN
    PERFORM tsql.fail(6522, 1, format('A .NET Framework error occurred during execution of user-defined routine or '
      'aggregate "%s": this server keeps points only.', kind));
  END IF;
  RETURN tsql.bytes_float(tsql.reversed(substring(x FROM 8 * number - 1 FOR 8)));
END $$;

CREATE FUNCTION tsql.point_text(x bytea, kind text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN 'POINT (' || tsql.ordinate(x, CASE kind WHEN 'geometry' THEN 1 ELSE 2 END, kind)::text || ' '
  || tsql.ordinate(x, CASE kind WHEN 'geometry' THEN 2 ELSE 1 END, kind)::text || ')';

CREATE FUNCTION tsql.srid(x bytea) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.bytes_to_int(tsql.reversed(substring(x FROM 1 FOR 4)), 4)::int;
