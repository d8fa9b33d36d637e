-- Conversions and arithmetic of numbers. Sources: Microsoft Learn, "CAST and CONVERT",
-- "Precision, scale, and length", "int, bigint, smallint, and tinyint".

CREATE FUNCTION tsql.in_range(x numeric, target text) RETURNS bool
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN CASE target
  WHEN 'bit' THEN true
  WHEN 'tinyint' THEN x BETWEEN 0 AND 255
  WHEN 'smallint' THEN x BETWEEN -32768 AND 32767
  WHEN 'int' THEN x BETWEEN -2147483648 AND 2147483647
  ELSE x BETWEEN -9223372036854775808 AND 9223372036854775807 END;

CREATE FUNCTION tsql.whole(x numeric, target text, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF tsql.in_range(x, target) THEN
    RETURN x::bigint;
  END IF;
  PERFORM tsql.fail_unless(lenient, 8115, 2,
    format('Arithmetic overflow error converting %s to data type %s.',
      CASE WHEN source = 'numeric' AND target NOT IN ('tinyint', 'smallint') THEN 'expression' ELSE source END,
      target));
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.whole_of_float(x double precision, target text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF x BETWEEN -9.3e18 AND 9.3e18 AND tsql.in_range(trunc(x)::numeric, target) THEN
    RETURN CASE WHEN target = 'bigint' THEN trunc(x)::bigint ELSE trunc(x)::numeric::bigint END;
  END IF;
  PERFORM tsql.fail_unless(lenient, CASE target WHEN 'bigint' THEN 8115 ELSE 232 END, 2,
    CASE target WHEN 'bigint' THEN 'Arithmetic overflow error converting expression to data type bigint.'
    ELSE format('Arithmetic overflow error for type %s, value = %s.', target, x::numeric(38, 6)) END);
  RETURN NULL;
END $$;

-- Integer to a smaller integer type: error 220 names the value.
CREATE FUNCTION tsql.narrow(x bigint, target text, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF tsql.in_range(x, target) THEN
    RETURN x;
  END IF;
  IF target IN ('tinyint', 'smallint') AND source <> 'bigint' THEN
    PERFORM tsql.fail_unless(lenient, 220, 2,
      format('Arithmetic overflow error for data type %s, value = %s.', target, x));
  ELSE
    PERFORM tsql.fail_unless(lenient, 8115, 2,
      format('Arithmetic overflow error converting expression to data type %s.', target));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.tinyint(x int) RETURNS smallint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF x NOT BETWEEN 0 AND 255 THEN
    PERFORM tsql.fail(8115, 2, 'Arithmetic overflow error converting expression to data type tinyint.');
  END IF;
  RETURN x;
END $$;

CREATE FUNCTION tsql.fit_decimal(x numeric, p int, s int, source text, target text, lenient bool) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  rounded numeric := round(x, s);
BEGIN
  IF abs(rounded) < 10::numeric ^ (p - s) THEN
    RETURN rounded;
  END IF;
  PERFORM tsql.fail_unless(lenient, 8115, CASE WHEN target IN ('money', 'smallmoney') THEN 2 ELSE 8 END,
    format('Arithmetic overflow error converting %s to data type %s.', source,
      CASE target WHEN 'decimal' THEN 'numeric' ELSE target END));
  RETURN NULL;
END $$;

-- float8 to numeric in PostgreSQL keeps 15 digits; SQL Server converts the double exactly.
CREATE FUNCTION tsql.exact(x double precision) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  bits bigint := ('x' || encode(float8send(x), 'hex'))::bit(64)::bigint;
  exponent int := ((bits >> 52) & 2047)::int;
  mantissa numeric := (bits & 4503599627370495)::numeric;
BEGIN
  IF exponent > 0 THEN
    mantissa := mantissa + 4503599627370496;
  ELSE
    exponent := 1;
  END IF;
  exponent := exponent - 1075;
  mantissa := CASE WHEN exponent >= 0 THEN mantissa * 2::numeric ^ exponent
    ELSE mantissa * (5::numeric ^ -exponent) * ('1e' || exponent)::numeric END;
  RETURN CASE WHEN bits < 0 THEN -mantissa ELSE mantissa END;
END $$;

CREATE FUNCTION tsql.float_to_decimal(x double precision, p int, s int, target text, lenient bool) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF abs(x) < 1e39 THEN
    RETURN tsql.fit_decimal(tsql.exact(x), p, s, 'float', target, lenient);
  END IF;
  PERFORM tsql.fail_unless(lenient, 8115, 6, 'Arithmetic overflow error converting float to data type numeric.');
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.float_to_real(x double precision, lenient bool) RETURNS real
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF abs(x) <= 3.4028234663852886e38 THEN
    RETURN CASE WHEN abs(x) < 1.2e-38 THEN 0 ELSE x END::real;
  END IF;
  PERFORM tsql.fail_unless(lenient, 232, 2,
    format('Arithmetic overflow error for type real, value = %s.', x::numeric));
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.text_to_int(x text, target text, source text, lenient bool) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  trimmed text := btrim(x, E' \t\r\n');
  value numeric;
BEGIN
  IF target = 'bit' AND lower(trimmed) IN ('true', 'false') THEN
    RETURN (lower(trimmed) = 'true')::int;
  END IF;
  IF trimmed ~ '^[+-]?\s*[0-9]*$' THEN
    value := CASE WHEN trimmed ~ '[0-9]' THEN replace(trimmed, ' ', '')::numeric ELSE 0 END;
    IF target = 'bit' THEN
      RETURN (value <> 0)::int;
    ELSIF tsql.in_range(value, target) THEN
      RETURN value::bigint;
    END IF;
    IF target = 'bigint' THEN
      PERFORM tsql.fail_unless(lenient, 8115, 2, 'Arithmetic overflow error converting expression to data type bigint.');
    ELSIF target = 'int' THEN
      PERFORM tsql.fail_unless(lenient, 248, 1,
        format('The conversion of the %s value ''%s'' overflowed an int column.', source, x));
    ELSE
      PERFORM tsql.fail_unless(lenient, 244, CASE target WHEN 'tinyint' THEN 1 ELSE 2 END,
        format('The conversion of the %s value ''%s'' overflowed an %s column. Use a larger integer column.',
          source, x, CASE target WHEN 'tinyint' THEN 'INT1' ELSE 'INT2' END));
    END IF;
  ELSIF target = 'bigint' THEN
    PERFORM tsql.fail_unless(lenient, 8114, 5, format('Error converting data type %s to bigint.', source));
  ELSE
    PERFORM tsql.fail_unless(lenient, 245, 1,
      format('Conversion failed when converting the %s value ''%s'' to data type %s.', source, x, target));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.text_to_decimal(x text, p int, s int, source text, target text, lenient bool) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  trimmed text := btrim(x, E' \t\r\n');
BEGIN
  IF trimmed ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$' THEN
    RETURN tsql.fit_decimal(trimmed::numeric, p, s, source, target, lenient);
  END IF;
  PERFORM tsql.fail_unless(lenient, 8114, 5, format('Error converting data type %s to numeric.', source));
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.text_to_money(x text, p int, s int, source text, target text, lenient bool) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  trimmed text := btrim(x, E' \t\r\n');
  plain text := replace(regexp_replace(trimmed, '^([+-]?)\s*[$£€¥]\s*([+-]?)', '\1\2'), ',', '');
BEGIN
  IF trimmed = '' THEN
    RETURN 0;
  ELSIF plain ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$' THEN
    IF abs(plain::numeric) > (CASE target WHEN 'money' THEN 922337203685477.5807 ELSE 214748.3647 END)
      AND plain::numeric NOT IN (-922337203685477.5808, -214748.3648) THEN
      PERFORM tsql.fail_unless(lenient, 8115, 2,
        format('Arithmetic overflow error converting expression to data type %s.', target));
      RETURN NULL;
    END IF;
    RETURN round(plain::numeric, 4);
  END IF;
  PERFORM tsql.fail_unless(lenient, 235, 0,
    'Cannot convert a char value to money. The char value has incorrect syntax.');
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.text_to_float(x text, source text, target text, lenient bool) RETURNS double precision
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  trimmed text := btrim(x, E' \t\r\n');
BEGIN
  IF trimmed = '' THEN
    RETURN 0;
  ELSIF trimmed ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eEdD][+-]?[0-9]*)?$' THEN
    RETURN regexp_replace(regexp_replace(trimmed, '[dD]', 'e'), '[eE][+-]?$', '')::double precision;
  END IF;
  PERFORM tsql.fail_unless(lenient, 8114, 5, format('Error converting data type %s to %s.', source, target));
  RETURN NULL;
END $$;

-- Truncated quotient of two decimals with s digits after the point.
CREATE FUNCTION tsql.quotient(a numeric, b numeric, s int) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN round(div(a * 10::numeric ^ s, b) / 10::numeric ^ s, s);

CREATE FUNCTION tsql.power_int(x numeric, y double precision) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN trunc(power(x::double precision, y)::numeric);

-- ROUND(x, digits, truncate) of a decimal with scale s.
CREATE FUNCTION tsql.round_decimal(x numeric, digits int, truncates int, s int) RETURNS numeric
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN round(CASE WHEN truncates = 0 THEN round(x, digits) ELSE trunc(x, digits) END, s);

CREATE FUNCTION tsql.round_float(x double precision, digits int, truncates int) RETURNS double precision
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN truncates = 0 THEN round(x::numeric, digits) ELSE trunc(x::numeric, digits) END::double precision;

-- Number to text; star is what int types give when the text has no room.
CREATE FUNCTION tsql.number_text(x text, length int, source text, target text, star bool, lenient bool) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF length(x) <= length THEN
    RETURN x;
  ELSIF star THEN
    RETURN '*';
  END IF;
  PERFORM tsql.fail_unless(lenient, 8115, CASE source WHEN 'numeric' THEN 5 ELSE 2 END,
    format('Arithmetic overflow error converting %s to data type %s.',
      CASE WHEN source IN ('numeric', 'float', 'real', 'money') THEN CASE source WHEN 'real' THEN 'float' ELSE source END
      ELSE 'expression' END, target));
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.money_text(x numeric, style int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN CASE style
  WHEN 1 THEN ltrim(to_char(round(x, 2), 'FM999,999,999,999,990.00'))
  WHEN 2 THEN round(x, 4)::text
  WHEN 126 THEN round(x, 4)::text
  ELSE round(x, 2)::text END;

-- Styles: 0 six digits, 1 eight and 2 sixteen in scientific notation, 3 all digits.
CREATE FUNCTION tsql.float_text(x double precision, style int, digits int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  exponent int;
  mantissa text;
  wanted int := CASE style WHEN 0 THEN 6 WHEN 1 THEN 8 WHEN 2 THEN 16 ELSE 17 END;
BEGIN
  IF x = 0 AND style = 0 THEN
    RETURN '0';
  ELSIF style = 3 AND digits < 15 THEN
    wanted := 9;
  END IF;
  mantissa := btrim(to_char(tsql.exact(x), '9.' || repeat('0', wanted - 1) || 'EEEE'));
  exponent := split_part(mantissa, 'e', 2)::int;
  mantissa := split_part(mantissa, 'e', 1);
  IF style = 0 THEN
    IF exponent BETWEEN -5 AND 5 THEN
      RETURN regexp_replace(regexp_replace(round(tsql.exact(x), 5 - exponent)::text, '(\.[0-9]*?)0+$', '\1'), '\.$', '');
    END IF;
    mantissa := regexp_replace(regexp_replace(mantissa, '(\.[0-9]*?)0+$', '\1'), '\.$', '');
  END IF;
  RETURN mantissa || 'e' || CASE WHEN exponent < 0 THEN '-' ELSE '+' END || lpad(abs(exponent)::text, 3, '0');
END $$;

-- STR(x, length, decimals)
CREATE FUNCTION tsql.str(x double precision, length int, decimals int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  whole text := round(tsql.exact(x), 0)::text;
  room int := length - length(trunc(tsql.exact(x))::text) - 1;
  shown text;
BEGIN
  IF length(whole) > length THEN
    RETURN repeat('*', length);
  END IF;
  shown := round(tsql.exact(x), greatest(least(decimals, room, 16), 0))::text;
  RETURN lpad(shown, length);
END $$;
