-- Binaries and uniqueidentifier. Source: Microsoft Learn, "binary and varbinary", "CAST and CONVERT"
-- (binary styles), "uniqueidentifier".

CREATE FUNCTION tsql.bytes_to_int(x bytea, size int) RETURNS bigint
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN octet_length(x) < size OR size IN (1, 8)
  THEN ('x' || lpad(right(encode(x, 'hex'), 2 * size), 16, '0'))::bit(64)::bigint
  WHEN size = 2 THEN (get_byte(x, octet_length(x) - 2) * 256 + get_byte(x, octet_length(x) - 1) + 32768) % 65536 - 32768
  ELSE ('x' || right(encode(x, 'hex'), 8))::bit(32)::int::bigint END;

CREATE FUNCTION tsql.int_bytes(x bigint, size int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN substring(int8send(x) FROM 9 - size);

CREATE FUNCTION tsql.pad_bytes(x bytea, size int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN substring(x FROM 1 FOR size) || decode(repeat('00', greatest(size - octet_length(x), 0)), 'hex');

-- The last `size` bytes; a fixed size is filled with zeros on the left.
CREATE FUNCTION tsql.right_bytes(x bytea, size int, fixed bool) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN octet_length(x) >= size THEN substring(x FROM octet_length(x) - size + 1)
  WHEN fixed THEN decode(repeat('00', size - octet_length(x)), 'hex') || x ELSE x END;

-- UTF-16LE of a text.
CREATE FUNCTION tsql.utf16(x text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result bytea := '';
  one text;
  code int;
BEGIN
  IF x = '' THEN
    RETURN result;
  END IF;
  FOREACH one IN ARRAY regexp_split_to_array(x, '') LOOP
    code := ascii(one);
    IF code > 65535 AND code < 1112063 THEN
      result := result || substring(int4send(55296 + ((code - 65536) >> 10)) FROM 4 FOR 1)
        || substring(int4send(55296 + ((code - 65536) >> 10)) FROM 3 FOR 1);
      code := 56320 + ((code - 65536) & 1023);
    ELSE
      code := tsql.unicode(one);
    END IF;
    result := result || substring(int4send(code) FROM 4 FOR 1) || substring(int4send(code) FROM 3 FOR 1);
  END LOOP;
  RETURN result;
END $$;

-- Text to bytes. Styles: 0 the characters' bytes, 1 '0x…', 2 hexadecimal digits.
CREATE FUNCTION tsql.text_bytes(x text, style int, is_national bool, page int, lenient bool) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  digits text := CASE WHEN style = 1 THEN substr(x, 3) ELSE x END;
BEGIN
  IF style = 0 THEN
    RETURN CASE WHEN is_national THEN tsql.utf16(x) ELSE convert_to(x, tsql.encoding(page)) END;
  ELSIF digits ~ '^([0-9a-fA-F]{2})*$' AND (style = 2 OR lower(left(x, 2)) = '0x') THEN
    RETURN decode(digits, 'hex');
  END IF;
  PERFORM tsql.fail_unless(lenient, 8114, 5,
    format('Error converting data type %s to varbinary.', CASE WHEN is_national THEN 'nvarchar' ELSE 'varchar' END));
  RETURN NULL;
END $$;

-- Text of UTF-16LE. A surrogate without its partner keeps its twin; an odd last byte is a unit.
CREATE FUNCTION tsql.utf16_text(x bytea) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  pieces text[] := '{}';
  padded bytea := CASE WHEN octet_length(x) % 2 = 0 THEN x ELSE x || '\x00' END;
  i int := 0;
  code int;
  low int;
BEGIN
  WHILE i < octet_length(padded) LOOP
    code := get_byte(padded, i) + 256 * get_byte(padded, i + 1);
    i := i + 2;
    low := NULL;
    IF code BETWEEN 55296 AND 56319 AND i < octet_length(padded) THEN
      low := get_byte(padded, i) + 256 * get_byte(padded, i + 1);
    END IF;
    IF low BETWEEN 56320 AND 57343 THEN
      pieces := pieces || chr(65536 + ((code - 55296) << 10) + (low - 56320));
      i := i + 2;
    ELSE
      pieces := pieces || tsql.nchar(code);
    END IF;
  END LOOP;
  RETURN array_to_string(pieces, '');
END $$;

CREATE FUNCTION tsql.bytes_text(x bytea, style int, is_national bool, lenient bool) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result text := '';
BEGIN
  IF style = 1 THEN
    RETURN '0x' || upper(encode(x, 'hex'));
  ELSIF style = 2 THEN
    RETURN upper(encode(x, 'hex'));
  ELSIF is_national THEN
    RETURN tsql.utf16_text(x);
  END IF;
  FOR i IN 0 .. octet_length(x) - 1 LOOP
    result := result || tsql.char(get_byte(x, i), 1252);
  END LOOP;
  RETURN result;
END $$;

-- uniqueidentifier lies permuted (storage/forms.py): text order is bytes 12-15, 10-11, 8-9 reversed.
CREATE FUNCTION tsql.swap_hex(x text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN length(x) = 4 THEN substr(x, 3, 2) || substr(x, 1, 2)
  ELSE substr(x, 7, 2) || substr(x, 5, 2) || substr(x, 3, 2) || substr(x, 1, 2) END;

CREATE FUNCTION tsql.guid_text(x uuid) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN upper(tsql.swap_hex(right(x::text, 8)) || '-' || tsql.swap_hex(substr(x::text, 25, 4))
  || '-' || tsql.swap_hex(substr(x::text, 20, 4)) || '-' || substr(x::text, 15, 4) || '-'
  || left(x::text, 8) || substr(x::text, 10, 4));

CREATE FUNCTION tsql.text_to_guid(x text, lenient bool) RETURNS uuid
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  t text := lower(CASE WHEN left(x, 1) = '{' THEN substr(x, 2, 36) ELSE left(x, 36) END);
BEGIN
  IF t ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
     AND (left(x, 1) <> '{' OR substr(x, 38, 1) = '}') THEN
    RETURN (right(t, 12) || substr(t, 20, 4) || tsql.swap_hex(substr(t, 15, 4))
      || tsql.swap_hex(substr(t, 10, 4)) || tsql.swap_hex(left(t, 8)))::uuid;
  END IF;
  PERFORM tsql.fail_unless(lenient, 8169, 2,
    'Conversion failed when converting from a character string to uniqueidentifier.');
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.bytes_to_guid(x bytea) RETURNS uuid
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN encode(substring(tsql.pad_bytes(x, 16) FROM 11 FOR 6) || substring(tsql.pad_bytes(x, 16) FROM 9 FOR 2)
  || substring(tsql.pad_bytes(x, 16) FROM 7 FOR 2) || substring(tsql.pad_bytes(x, 16) FROM 5 FOR 2)
  || substring(tsql.pad_bytes(x, 16) FROM 1 FOR 4), 'hex')::uuid;

CREATE FUNCTION tsql.guid_bytes(x uuid) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN decode(right(replace(x::text, '-', ''), 8) || substr(replace(x::text, '-', ''), 21, 4)
  || substr(replace(x::text, '-', ''), 17, 4) || substr(replace(x::text, '-', ''), 13, 4)
  || left(replace(x::text, '-', ''), 12), 'hex');

CREATE FUNCTION tsql.no_room(source text, is_null bool, lenient bool) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_null THEN
    PERFORM tsql.fail_unless(lenient, 8170, 2, format('Insufficient result space to convert %s value to char.', source));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION tsql.hashbytes(algorithm text, x bytea) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  CASE upper(algorithm)
    WHEN 'MD5' THEN RETURN decode(md5(x), 'hex');
    WHEN 'SHA2_256' THEN RETURN sha256(x);
    WHEN 'SHA2_512' THEN RETURN sha512(x);
    ELSE RETURN NULL;
  END CASE;
END $$;

-- SQL_VARIANT_PROPERTY: itself a variant.
CREATE FUNCTION tsql.variant_property(x bytea, property text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  d text[] := string_to_array(store.variant_descriptor(x), ',');
  base text := d[1];
  size int := CASE
    WHEN base IN ('nvarchar', 'nchar') THEN 2 * d[2]::int
    WHEN base IN ('varchar', 'char', 'binary', 'varbinary') THEN d[2]::int
    WHEN base IN ('decimal', 'numeric') THEN 5 + 4 * ((d[3]::int > 9)::int + (d[3]::int > 19)::int + (d[3]::int > 28)::int)
    WHEN base IN ('bit', 'tinyint') THEN 1 WHEN base = 'smallint' THEN 2
    WHEN base IN ('int', 'real', 'smallmoney', 'smalldatetime') THEN 4 WHEN base = 'date' THEN 3
    WHEN base = 'uniqueidentifier' THEN 16
    WHEN base IN ('time', 'datetime2', 'datetimeoffset') THEN CASE base WHEN 'time' THEN 3 WHEN 'datetime2' THEN 6 ELSE 8 END
      + (d[4]::int > 2)::int + (d[4]::int > 4)::int
    ELSE 8 END;
BEGIN
  RETURN CASE property
    WHEN 'basetype' THEN store.text_variant(base)
    WHEN 'precision' THEN store.int_variant(CASE base WHEN 'bit' THEN 1 WHEN 'tinyint' THEN 3 WHEN 'smallint' THEN 5
      WHEN 'int' THEN 10 WHEN 'bigint' THEN 19 WHEN 'money' THEN 19 WHEN 'smallmoney' THEN 10 WHEN 'real' THEN 24
      WHEN 'float' THEN 53 WHEN 'date' THEN 10 WHEN 'datetime' THEN 23 WHEN 'smalldatetime' THEN 16
      WHEN 'time' THEN 8 + d[4]::int + (d[4]::int > 0)::int WHEN 'datetime2' THEN 19 + d[4]::int + (d[4]::int > 0)::int
      WHEN 'datetimeoffset' THEN 26 + d[4]::int + (d[4]::int > 0)::int ELSE d[3]::int END)
    WHEN 'scale' THEN store.int_variant(CASE base WHEN 'money' THEN 4 WHEN 'smallmoney' THEN 4 WHEN 'datetime' THEN 3 ELSE d[4]::int END)
    WHEN 'maxlength' THEN store.int_variant(size)
    WHEN 'collation' THEN store.text_variant(nullif(d[5], ''))
    ELSE store.int_variant(size + CASE WHEN base IN ('nvarchar', 'nchar', 'varchar', 'char') THEN 8 WHEN base IN ('decimal', 'numeric', 'binary', 'varbinary') THEN 4 ELSE 2 END) END;
END $$;
