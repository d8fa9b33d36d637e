-- Dates and times. The common form is ticks: 100 ns since 0001-01-01, local time.
-- Sources: Microsoft Learn, "datetime (Transact-SQL)" (rounding to 1/300 s), "CAST and CONVERT"
-- (date and time styles), "DATEADD", "DATEDIFF", "DATEPART".

CREATE FUNCTION tsql.floor_div(a bigint, b bigint) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN a / b - CASE WHEN a % b < 0 THEN 1 ELSE 0 END;

CREATE FUNCTION tsql.datetime_ticks(x bigint) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN 599266080000000000 + tsql.floor_div(x * 100000 + 1, 3);
CREATE FUNCTION tsql.date_ticks(x date) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN (x - DATE '0001-01-01') * 864000000000;
CREATE FUNCTION tsql.utc_ticks(x bytea) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN ('x' || encode(substring(x FROM 1 FOR 8), 'hex'))::bit(64)::bigint;
CREATE FUNCTION tsql.offset_minutes(x bytea) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN get_byte(x, 8) * 256 + get_byte(x, 9) - 840;
CREATE FUNCTION tsql.datetimeoffset_ticks(x bytea) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN tsql.utc_ticks(x) + tsql.offset_minutes(x) * 600000000::bigint;

CREATE FUNCTION tsql.round_ticks(x bigint, scale int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN (x + (10 ^ (7 - scale))::bigint / 2) / (10 ^ (7 - scale))::bigint * (10 ^ (7 - scale))::bigint;

CREATE FUNCTION tsql.ticks_date(x bigint) RETURNS date
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN DATE '0001-01-01' + (x / 864000000000)::int;
CREATE FUNCTION tsql.ticks_time(x bigint, scale int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN tsql.round_ticks(x % 864000000000, scale) % 864000000000;
CREATE FUNCTION tsql.ticks_datetime2(x bigint, scale int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN tsql.round_ticks(x, scale);
CREATE FUNCTION tsql.ticks_datetimeoffset(x bigint, minutes int, scale int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN int8send(tsql.round_ticks(x, scale) - minutes * 600000000::bigint) || int2send((minutes + 840)::smallint);
CREATE FUNCTION tsql.round_datetimeoffset(x bytea, scale int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.ticks_datetimeoffset(tsql.datetimeoffset_ticks(x), tsql.offset_minutes(x), scale);

CREATE FUNCTION tsql.checked_datetime(x bigint, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF x BETWEEN -1391644800000 AND 76683386879999 THEN   -- 1753-01-01 to 9999-12-31T23:59:59.997
    RETURN x;
  END IF;
  PERFORM tsql.fail_unless(lenient, 242, 3, format('The conversion of a %s data type to a datetime data type '
    'resulted in an out-of-range value.', source));
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.ticks_datetime(x bigint, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.checked_datetime(tsql.floor_div((x - 599266080000000000) * 3 + 50000, 100000), 'datetime2', lenient);

CREATE FUNCTION tsql.checked_smalldatetime(x bigint, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF x BETWEEN 599266080000000000 AND 655889183400000000 THEN
    RETURN x;
  END IF;
  PERFORM tsql.fail_unless(lenient, 242, 3, format('The conversion of a %s data type to a smalldatetime data type '
    'resulted in an out-of-range value.', source));
  RETURN NULL;
END $$;

-- Up to 29.998 s rounds down, from 29.999 s up, as datetime's 1/300 s show them.
CREATE FUNCTION tsql.ticks_smalldatetime(x bigint, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.checked_smalldatetime((x + 300010000) / 600000000 * 600000000, 'datetime2', lenient);

CREATE FUNCTION tsql.datetime_days(x bigint) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN x::numeric(38, 20) / 25920000;
CREATE FUNCTION tsql.smalldatetime_days(x bigint) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN (x - 599266080000000000)::numeric(38, 18) / 864000000000;
CREATE FUNCTION tsql.days_datetime(x numeric, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF x >= -53690 AND x < 2958464 THEN
    RETURN round(x * 25920000)::bigint;
  END IF;
  PERFORM tsql.fail_unless(lenient, 8115, 2, 'Arithmetic overflow error converting expression to data type datetime.');
  RETURN NULL;
END $$;
CREATE FUNCTION tsql.days_smalldatetime(x numeric, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF x >= 0 AND x < 65536 THEN
    RETURN round(x * 1440)::bigint * 600000000 + 599266080000000000;
  END IF;
  PERFORM tsql.fail_unless(lenient, 8115, 2, 'Arithmetic overflow error converting expression to data type smalldatetime.');
  RETURN NULL;
END $$;
CREATE FUNCTION tsql.datetime_bytes(x bigint) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN int4send(tsql.floor_div(x, 25920000)::int) || int4send((x - tsql.floor_div(x, 25920000) * 25920000)::int);
CREATE FUNCTION tsql.smalldatetime_bytes(x bigint) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN substring(int4send(((x - 599266080000000000) / 864000000000)::int) FROM 3)
  || substring(int4send((x / 600000000 % 1440)::int) FROM 3);
CREATE FUNCTION tsql.bytes_datetime(x bytea) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.bytes_to_int(substring(tsql.right_bytes(x, 8, true) FROM 1 FOR 4), 4) * 25920000
  + tsql.bytes_to_int(substring(tsql.right_bytes(x, 8, true) FROM 5), 4);
CREATE FUNCTION tsql.bytes_smalldatetime(x bytea) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN 599266080000000000
  + (get_byte(tsql.right_bytes(x, 4, true), 0) * 256 + get_byte(tsql.right_bytes(x, 4, true), 1)) * 864000000000
  + (get_byte(tsql.right_bytes(x, 4, true), 2) * 256 + get_byte(tsql.right_bytes(x, 4, true), 3)) * 600000000::bigint;

CREATE FUNCTION tsql.month_number(name text) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN (SELECT n::int FROM unnest(ARRAY['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august',
  'september', 'october', 'november', 'december']) WITH ORDINALITY AS m(month, n)
  WHERE length(name) >= 3 AND (lower(name) = left(month, 3) OR lower(name) = month OR (lower(name) = 'sept' AND n = 9)));

-- Ticks of a calendar day, -1 when there is none. Two-digit years: 2049 is the last.
CREATE FUNCTION tsql.day_ticks(y text, m int, d int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  year int := CASE WHEN length(y) <= 2 THEN y::int + CASE WHEN y::int < 50 THEN 2000 ELSE 1900 END ELSE y::int END;
BEGIN
  IF year < 1 OR m NOT BETWEEN 1 AND 12 OR d < 1
    OR d > extract(day FROM make_date(year, m, 1) + interval '1 month' - interval '1 day') THEN
    RETURN -1;
  END IF;
  RETURN tsql.date_ticks(make_date(year, m, d));
END $$;

-- Ticks of a text's date, -1 out of range, NULL for what is no date. `style` names the order.
CREATE FUNCTION tsql.parse_date(x text, style int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  p text[];
BEGIN
  IF x ~ '^[0-9]{8}$' THEN
    RETURN tsql.day_ticks(left(x, 4), substr(x, 5, 2)::int, right(x, 2)::int);
  ELSIF x ~ '^[0-9]{6}$' THEN
    RETURN tsql.day_ticks(left(x, 2), substr(x, 3, 2)::int, right(x, 2)::int);
  ELSIF x ~ '^[0-9]{4}$' THEN
    RETURN tsql.day_ticks(x, 1, 1);
  END IF;
  p := regexp_match(x, '^([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})$');
  IF p IS NOT NULL THEN
    RETURN tsql.day_ticks(p[1], p[2]::int, p[3]::int);
  END IF;
  p := regexp_match(x, '^([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})$');
  IF p IS NOT NULL THEN
    IF style IN (3, 4, 5, 13, 103, 104, 105, 113, 131) THEN
      RETURN tsql.day_ticks(p[3], p[2]::int, p[1]::int);
    ELSIF style IN (2, 11, 12, 102, 111, 112) AND length(p[3]) = 2 THEN
      RETURN tsql.day_ticks(p[1], p[2]::int, p[3]::int);
    END IF;
    RETURN tsql.day_ticks(p[3], p[1]::int, p[2]::int);
  END IF;
  p := regexp_match(x, '^([A-Za-z]{3,9})\.?\s*([0-9]{1,2})?(?:\s*,\s*|\s+)([0-9]{4}|[0-9]{2})$');
  IF p IS NOT NULL AND tsql.month_number(p[1]) IS NOT NULL THEN
    RETURN tsql.day_ticks(p[3], tsql.month_number(p[1]), coalesce(p[2], '1')::int);
  END IF;
  p := regexp_match(x, '^([0-9]{1,2})[-\s]+([A-Za-z]{3,9})[-,\s]+([0-9]{4}|[0-9]{2})$');
  IF p IS NOT NULL AND tsql.month_number(p[2]) IS NOT NULL THEN
    RETURN tsql.day_ticks(p[3], tsql.month_number(p[2]), p[1]::int);
  END IF;
  RETURN NULL;
END $$;

-- Ticks of a text's time of day, -1 out of range, NULL for what is no time.
CREATE FUNCTION tsql.parse_time(x text) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  p text[] := regexp_match(x, '^([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:[.:]([0-9]{1,9}))?)?)?\s*([AaPp][Mm])?$');
  h int;
BEGIN
  IF p IS NULL OR (p[2] IS NULL AND p[5] IS NULL) THEN
    RETURN NULL;
  END IF;
  h := p[1]::int;
  IF p[5] IS NOT NULL THEN
    IF h > 12 AND upper(p[5]) = 'AM' OR h > 23 THEN
      RETURN -1;
    END IF;
    h := CASE WHEN h = 12 AND upper(p[5]) = 'AM' THEN 0 WHEN h < 12 AND upper(p[5]) = 'PM' THEN h + 12 ELSE h END;
  END IF;
  IF h > 23 OR coalesce(p[2]::int, 0) > 59 OR coalesce(p[3]::int, 0) > 59 THEN
    RETURN -1;
  END IF;
  RETURN ((h * 60 + coalesce(p[2]::int, 0)) * 60 + coalesce(p[3]::int, 0)) * 10000000::bigint
    + round(('0.' || coalesce(p[4], '0'))::numeric * 10000000)::bigint;
END $$;

-- {ticks, offset minutes or NULL, digits after the second}: NULL for what is no moment, {-1} out of
-- range. Without a date the day is 1900-01-01.
CREATE FUNCTION tsql.parse_moment(x text, style int) RETURNS bigint[]
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  t text := btrim(x, E' \t\r\n');
  p text[];
  minutes int;
  day_part bigint := 599266080000000000;
  time_part bigint := 0;
BEGIN
  p := regexp_match(t, '^(.*[0-9])\s*([+-])([0-9]{2}):([0-9]{2})$');
  IF p IS NOT NULL AND position(':' IN p[1]) > 0 THEN
    minutes := (p[3]::int * 60 + p[4]::int) * CASE p[2] WHEN '-' THEN -1 ELSE 1 END;
    IF abs(minutes) > 840 OR p[4]::int > 59 THEN
      RETURN '{-1}';
    END IF;
    t := p[1];
  ELSIF t ~ '[0-9][zZ]$' THEN
    minutes := 0;
    t := left(t, -1);
  END IF;
  IF t = '' THEN
    RETURN ARRAY[day_part, minutes, 0];
  END IF;
  p := regexp_match(t, '^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})T(.+)$');
  IF p IS NULL THEN
    p := regexp_match(t, '^(.*?)\s*([0-9]{1,2}(?::[0-9]{1,2}(?::[0-9]{1,2}(?:[.:][0-9]{1,9})?)?(?:\s*[AaPp][Mm])?|\s*[AaPp][Mm]))$');
  END IF;
  IF p IS NULL THEN
    p := ARRAY[t, NULL];
  END IF;
  IF p[1] <> '' THEN
    day_part := tsql.parse_date(rtrim(p[1]), style);
  END IF;
  IF p[2] IS NOT NULL THEN
    time_part := tsql.parse_time(p[2]);
  END IF;
  RETURN CASE WHEN day_part IS NULL OR time_part IS NULL THEN NULL
    WHEN day_part = -1 OR time_part = -1 THEN '{-1}'::bigint[]
    ELSE ARRAY[day_part + time_part, minutes, length(substring(coalesce(p[2], '') FROM '[.]([0-9]+)'))] END;
END $$;

-- 241 for what is no moment; 242 where the old types say out of range.
CREATE FUNCTION tsql.moment_of_text(x text, style int, source text, target text, lenient bool) RETURNS bigint[]
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  parsed bigint[] := tsql.parse_moment(x, style);
BEGIN
  IF target IN ('datetime', 'smalldatetime') AND (parsed[2] IS NOT NULL AND x !~ '[zZ]\s*$' OR parsed[3] > 3) THEN
    parsed := NULL;
  END IF;
  IF parsed IS NULL OR (parsed[1] = -1 AND target NOT IN ('datetime', 'smalldatetime')) THEN
    PERFORM tsql.fail_unless(lenient, CASE target WHEN 'smalldatetime' THEN 295 ELSE 241 END, 1,
      CASE target WHEN 'smalldatetime' THEN 'Conversion failed when converting character string to smalldatetime data type.'
      ELSE 'Conversion failed when converting date and/or time from character string.' END);
    RETURN NULL;
  ELSIF parsed[1] = -1 THEN
    PERFORM tsql.fail_unless(lenient, 242, 3, format('The conversion of a %s data type to a %s data type '
      'resulted in an out-of-range value.', source, target));
    RETURN NULL;
  END IF;
  RETURN parsed;
END $$;

CREATE FUNCTION tsql.text_to_date(x text, scale int, style int, source text, lenient bool) RETURNS date
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.ticks_date((tsql.moment_of_text(x, style, source, 'date', lenient))[1]);
CREATE FUNCTION tsql.text_to_time(x text, scale int, style int, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.ticks_time((tsql.moment_of_text(x, style, source, 'time', lenient))[1], scale);
CREATE FUNCTION tsql.text_to_datetime2(x text, scale int, style int, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.round_ticks((tsql.moment_of_text(x, style, source, 'datetime2', lenient))[1], scale);
CREATE FUNCTION tsql.text_to_datetime(x text, scale int, style int, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.checked_datetime(tsql.floor_div(((tsql.moment_of_text(x, style, source, 'datetime', lenient))[1]
  - 599266080000000000) * 3 + 50000, 100000), source, lenient);
CREATE FUNCTION tsql.text_to_smalldatetime(x text, scale int, style int, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.checked_smalldatetime(((tsql.moment_of_text(x, style, source, 'smalldatetime', lenient))[1]
  + 300010000) / 600000000 * 600000000, source, lenient);
CREATE FUNCTION tsql.offset_of_parsed(parsed bigint[], scale int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.ticks_datetimeoffset(parsed[1], coalesce(parsed[2], 0)::int, scale);
CREATE FUNCTION tsql.text_to_datetimeoffset(x text, scale int, style int, source text, lenient bool) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.offset_of_parsed(tsql.moment_of_text(x, style, source, 'datetimeoffset', lenient), scale);

CREATE FUNCTION tsql.fraction_text(ticks bigint, scale int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN scale = 0 THEN '' ELSE '.' || left(lpad((ticks % 10000000)::text, 7, '0'), scale) END;

CREATE FUNCTION tsql.offset_text(minutes int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN minutes < 0 THEN '-' ELSE '+' END || lpad((abs(minutes) / 60)::text, 2, '0')
  || ':' || lpad((abs(minutes) % 60)::text, 2, '0');

-- CONVERT's styles. `kind` is the type: date and time show their part only.
CREATE FUNCTION tsql.moment_text(ticks bigint, kind text, scale int, minutes int, style int) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  shown bigint := CASE kind WHEN 'datetime' THEN (ticks + 5000) / 10000 * 10000 ELSE ticks END;
  d timestamp := tsql.ticks_date(shown)::timestamp + (shown % 864000000000 / 10000000) * interval '1 second';
  old bool := kind IN ('datetime', 'smalldatetime');
  fraction text := tsql.fraction_text(shown, scale);
  millis text := CASE WHEN old THEN lpad((shown % 10000000 / 10000)::text, 3, '0')
    ELSE left(lpad((shown % 10000000)::text, 7, '0'), scale) END;
  day_text text;
  time_text text;
BEGIN
  IF ticks IS NULL THEN
    RETURN NULL;
  END IF;
  day_text := CASE style
    WHEN 0 THEN to_char(d, 'Mon ') || lpad(to_char(d, 'FMDD'), 2) || to_char(d, ' YYYY')
    WHEN 100 THEN to_char(d, 'Mon ') || lpad(to_char(d, 'FMDD'), 2) || to_char(d, ' YYYY')
    WHEN 9 THEN to_char(d, 'Mon ') || lpad(to_char(d, 'FMDD'), 2) || to_char(d, ' YYYY')
    WHEN 109 THEN to_char(d, 'Mon ') || lpad(to_char(d, 'FMDD'), 2) || to_char(d, ' YYYY')
    WHEN 1 THEN to_char(d, 'MM/DD/YY') WHEN 101 THEN to_char(d, 'MM/DD/YYYY')
    WHEN 2 THEN to_char(d, 'YY.MM.DD') WHEN 102 THEN to_char(d, 'YYYY.MM.DD')
    WHEN 3 THEN to_char(d, 'DD/MM/YY') WHEN 103 THEN to_char(d, 'DD/MM/YYYY')
    WHEN 4 THEN to_char(d, 'DD.MM.YY') WHEN 104 THEN to_char(d, 'DD.MM.YYYY')
    WHEN 5 THEN to_char(d, 'DD-MM-YY') WHEN 105 THEN to_char(d, 'DD-MM-YYYY')
    WHEN 6 THEN to_char(d, 'DD Mon YY') WHEN 106 THEN to_char(d, 'DD Mon YYYY')
    WHEN 7 THEN to_char(d, 'Mon DD, YY') WHEN 107 THEN to_char(d, 'Mon DD, YYYY')
    WHEN 10 THEN to_char(d, 'MM-DD-YY') WHEN 110 THEN to_char(d, 'MM-DD-YYYY')
    WHEN 11 THEN to_char(d, 'YY/MM/DD') WHEN 111 THEN to_char(d, 'YYYY/MM/DD')
    WHEN 12 THEN to_char(d, 'YYMMDD') WHEN 112 THEN to_char(d, 'YYYYMMDD')
    WHEN 13 THEN to_char(d, 'DD Mon YYYY') WHEN 113 THEN to_char(d, 'DD Mon YYYY')
    WHEN 8 THEN '' WHEN 108 THEN '' WHEN 24 THEN '' WHEN 14 THEN '' WHEN 114 THEN ''
    WHEN 20 THEN to_char(d, 'YYYY-MM-DD') WHEN 120 THEN to_char(d, 'YYYY-MM-DD')
    WHEN 21 THEN to_char(d, 'YYYY-MM-DD') WHEN 25 THEN to_char(d, 'YYYY-MM-DD')
    WHEN 121 THEN to_char(d, 'YYYY-MM-DD') WHEN 23 THEN to_char(d, 'YYYY-MM-DD')
    WHEN 126 THEN to_char(d, 'YYYY-MM-DD') WHEN 127 THEN to_char(d, 'YYYY-MM-DD')
    ELSE NULL END;
  IF day_text IS NULL THEN
    PERFORM tsql.fail(281, 1, format('%s is not a valid style number when converting from %s to a character string.',
      style, kind));
  END IF;
  time_text := CASE
    WHEN style IN (0, 100) THEN lpad(to_char(d, 'FMHH12'), 2) || to_char(d, ':MIAM')
    WHEN style IN (9, 109) THEN lpad(to_char(d, 'FMHH12'), 2) || to_char(d, ':MI:SS')
      || CASE WHEN old THEN ':' || millis ELSE fraction END || to_char(d, 'AM')
    WHEN style IN (8, 108, 24, 20, 120) THEN to_char(d, 'HH24:MI:SS')
    WHEN style IN (13, 113, 14, 114) THEN to_char(d, 'HH24:MI:SS') || CASE WHEN old THEN ':' || millis ELSE fraction END
    WHEN style IN (21, 25, 121) THEN to_char(d, 'HH24:MI:SS') || CASE WHEN old THEN '.' || millis ELSE fraction END
    WHEN style IN (126, 127) THEN to_char(d, 'HH24:MI:SS')
      || CASE WHEN old THEN CASE WHEN shown % 10000000 = 0 THEN '' ELSE '.' || millis END
         ELSE fraction END
    ELSE '' END;
  IF kind = 'date' THEN
    RETURN CASE WHEN day_text = '' THEN NULL ELSE day_text END;
  ELSIF kind = 'time' THEN
    RETURN time_text;
  END IF;
  IF kind = 'datetimeoffset' AND time_text <> '' THEN
    IF style = 127 THEN
      RETURN tsql.moment_text(ticks - minutes * 600000000::bigint, 'datetime2', scale, NULL, 126) || 'Z';
    END IF;
    time_text := time_text || CASE WHEN style = 126 THEN '' ELSE ' ' END || tsql.offset_text(minutes);
  END IF;
  RETURN day_text || CASE WHEN day_text = '' OR time_text = '' THEN '' WHEN style IN (126, 127) THEN 'T' ELSE ' ' END
    || time_text;
END $$;

CREATE FUNCTION tsql.add_months(ticks bigint, months bigint) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN tsql.date_ticks((tsql.ticks_date(ticks) + make_interval(months => months::int))::date) + ticks % 864000000000;

-- 517 when the result leaves years 1 to 9999.
CREATE FUNCTION tsql.dateadd(part text, number bigint, ticks bigint, kind text) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result bigint;
BEGIN
  IF abs(number) < 4000000000 THEN
    result := CASE part
      WHEN 'year' THEN CASE WHEN abs(number) < 10000 THEN tsql.add_months(ticks, 12 * number) END
      WHEN 'quarter' THEN CASE WHEN abs(number) < 40000 THEN tsql.add_months(ticks, 3 * number) END
      WHEN 'month' THEN CASE WHEN abs(number) < 120000 THEN tsql.add_months(ticks, number) END
      WHEN 'week' THEN CASE WHEN abs(number) < 530000 THEN ticks + number * 6048000000000 END
      WHEN 'day' THEN CASE WHEN abs(number) < 3700000 THEN ticks + number * 864000000000 END
      WHEN 'hour' THEN CASE WHEN abs(number) < 90000000 THEN ticks + number * 36000000000 END
      WHEN 'minute' THEN ticks + number * 600000000
      WHEN 'second' THEN ticks + number * 10000000
      WHEN 'millisecond' THEN ticks + number * 10000
      WHEN 'microsecond' THEN ticks + number * 10
      ELSE ticks + CASE WHEN number < 0 THEN (number - 50) / 100 ELSE (number + 50) / 100 END END;
  END IF;
  IF result IS NULL OR result < 0 OR result >= 3155378976000000000 THEN
    PERFORM tsql.fail(517, 1, format('Adding a value to a ''%s'' column caused an overflow.', kind));
  END IF;
  RETURN result;
EXCEPTION WHEN datetime_field_overflow THEN
  PERFORM tsql.fail(517, 1, format('Adding a value to a ''%s'' column caused an overflow.', kind));
END $$;

CREATE FUNCTION tsql.month_count(ticks bigint) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN extract(year FROM tsql.ticks_date(ticks))::bigint * 12 + extract(month FROM tsql.ticks_date(ticks))::bigint;

-- Boundaries of `part` crossed from a to b; a week begins on Sunday.
CREATE FUNCTION tsql.datediff(part text, a bigint, b bigint) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN CASE part
  WHEN 'year' THEN (tsql.month_count(b) - 1) / 12 - (tsql.month_count(a) - 1) / 12
  WHEN 'quarter' THEN (tsql.month_count(b) - 1) / 3 - (tsql.month_count(a) - 1) / 3
  WHEN 'month' THEN tsql.month_count(b) - tsql.month_count(a)
  WHEN 'week' THEN (b / 864000000000 + 1) / 7 - (a / 864000000000 + 1) / 7
  WHEN 'day' THEN b / 864000000000 - a / 864000000000
  WHEN 'hour' THEN b / 36000000000 - a / 36000000000
  WHEN 'minute' THEN b / 600000000 - a / 600000000
  WHEN 'second' THEN b / 10000000 - a / 10000000
  WHEN 'millisecond' THEN b / 10000 - a / 10000
  WHEN 'microsecond' THEN b / 10 - a / 10
  ELSE (b - a) * 100 END;

CREATE FUNCTION tsql.datediff_int(part text, a bigint, b bigint) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result bigint := CASE WHEN part = 'nanosecond' AND abs(b - a) > 30000000 THEN 3000000000 ELSE tsql.datediff(part, a, b) END;
BEGIN
  IF result NOT BETWEEN -2147483648 AND 2147483647 THEN
    PERFORM tsql.fail(535, 0, 'The datediff function resulted in an overflow. The number of dateparts separating '
      'two date/time instances is too large. Try to use datediff with a less precise datepart.');
  END IF;
  RETURN result;
END $$;

-- DATEPART of local ticks. weekday: Sunday is 1 (DATEFIRST 7).
CREATE FUNCTION tsql.datepart(part text, ticks bigint, minutes int) RETURNS int
IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN CASE WHEN ticks IS NULL THEN NULL ELSE CASE part
  WHEN 'year' THEN extract(year FROM tsql.ticks_date(ticks))::int
  WHEN 'quarter' THEN extract(quarter FROM tsql.ticks_date(ticks))::int
  WHEN 'month' THEN extract(month FROM tsql.ticks_date(ticks))::int
  WHEN 'dayofyear' THEN extract(doy FROM tsql.ticks_date(ticks))::int
  WHEN 'day' THEN extract(day FROM tsql.ticks_date(ticks))::int
  WHEN 'week' THEN ((extract(doy FROM tsql.ticks_date(ticks))::int
    + extract(dow FROM date_trunc('year', tsql.ticks_date(ticks)::timestamp))::int - 1) / 7) + 1
  WHEN 'iso_week' THEN extract(week FROM tsql.ticks_date(ticks))::int
  WHEN 'weekday' THEN extract(dow FROM tsql.ticks_date(ticks))::int + 1
  WHEN 'hour' THEN (ticks / 36000000000 % 24)::int
  WHEN 'minute' THEN (ticks / 600000000 % 60)::int
  WHEN 'second' THEN (ticks / 10000000 % 60)::int
  WHEN 'millisecond' THEN (ticks / 10000 % 1000)::int
  WHEN 'microsecond' THEN (ticks / 10 % 1000000)::int
  WHEN 'nanosecond' THEN (ticks % 10000000 * 100)::int
  ELSE coalesce(minutes, 0) END END;

CREATE FUNCTION tsql.datename(part text, ticks bigint, minutes int) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN CASE part
  WHEN 'month' THEN to_char(tsql.ticks_date(ticks), 'FMMonth')
  WHEN 'weekday' THEN to_char(tsql.ticks_date(ticks), 'FMDay')
  WHEN 'tzoffset' THEN tsql.offset_text(coalesce(minutes, 0))
  ELSE tsql.datepart(part, ticks, minutes)::text END;

CREATE FUNCTION tsql.date_from_parts(y int, m int, d int) RETURNS date
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF y NOT BETWEEN 1 AND 9999 OR tsql.day_ticks(lpad(y::text, 4, '0'), m, d) = -1 THEN
    PERFORM tsql.fail(289, 1, 'Cannot construct data type date, some of the arguments have values which are not valid.');
  END IF;
  RETURN make_date(y, m, d);
END $$;

CREATE FUNCTION tsql.datetime2_from_parts(y int, m int, d int, h int, mi int, s int, f int, p int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF y NOT BETWEEN 1 AND 9999 OR tsql.day_ticks(lpad(y::text, 4, '0'), m, d) = -1 OR h NOT BETWEEN 0 AND 23
    OR mi NOT BETWEEN 0 AND 59 OR s NOT BETWEEN 0 AND 59 OR f < 0 OR f >= 10 ^ p THEN
    PERFORM tsql.fail(289, 5, 'Cannot construct data type datetime2, some of the arguments have values which are not valid.');
  END IF;
  RETURN tsql.date_ticks(make_date(y, m, d)) + ((h * 60 + mi) * 60 + s) * 10000000::bigint + f * (10 ^ (7 - p))::bigint;
END $$;

-- Offset as SWITCHOFFSET takes it: '+hh:mm' or minutes.
CREATE FUNCTION tsql.zone_minutes(zone text) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  p text[] := regexp_match(zone, '^([+-])([0-9]{1,2}):([0-9]{2})$');
  minutes int := (p[2]::int * 60 + p[3]::int) * CASE p[1] WHEN '-' THEN -1 ELSE 1 END;
BEGIN
  IF p IS NULL AND zone ~ '^[+-]?[0-9]{1,4}$' THEN
    minutes := zone::int;
  END IF;
  IF minutes IS NULL OR abs(minutes) > 840 THEN
    PERFORM tsql.fail(9812, 0, 'The timezone provided to builtin function switchoffset is invalid.');
  END IF;
  RETURN minutes;
END $$;

CREATE FUNCTION tsql.switchoffset(x bytea, minutes int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN substring(x FROM 1 FOR 8) || int2send((minutes + 840)::smallint);

CREATE FUNCTION tsql.now_ticks() RETURNS bigint
STABLE PARALLEL SAFE LANGUAGE sql
RETURN 621355968000000000
  + ((extract(epoch FROM statement_timestamp()) + store.clock_ahead_s()) * 10000000)::bigint;

CREATE FUNCTION tsql.isdate(x text) RETURNS int
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN coalesce(tsql.text_to_datetime(x, 3, 0, 'varchar', true) IS NOT NULL, false) THEN 1 ELSE 0 END;

CREATE FUNCTION tsql.isnumeric(x text) RETURNS int
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN coalesce(btrim(x) ~ '^[+-]?[$]?\s*([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)([eEdD][+-]?[0-9]{1,3})?$' OR btrim(x) IN ('+', '-', '.', ',', '$'), false) THEN 1 ELSE 0 END;
