-- Texts: lengths in UTF-16 units or code page bytes, cutting and padding, string functions.
-- A character above U+FFFF counts as two units, save those of plane 16 that stand for one unit
-- (see storage/forms.py). Source: Microsoft Learn, "String functions (Transact-SQL)".

CREATE FUNCTION tsql.units(x text) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN octet_length(x) = length(x) THEN length(x)
  ELSE length(x) + length(regexp_replace(x, U&'[^\+010000-\+10F7FE]', '', 'g')) END;

CREATE FUNCTION tsql.encoding(page int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE page WHEN 65001 THEN 'UTF8' WHEN 932 THEN 'SHIFT_JIS_2004' WHEN 936 THEN 'GBK'
  WHEN 949 THEN 'UHC' WHEN 950 THEN 'BIG5' ELSE 'WIN' || page END;

-- Bytes a text takes in a code page; in unit 0, twice its UTF-16 units.
CREATE FUNCTION tsql.bytes_in(x text, unit int) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN unit = 0 THEN 2 * tsql.units(x)
  WHEN octet_length(x) = length(x) OR unit = 65001 THEN octet_length(x)
  WHEN unit IN (932, 936, 949, 950) THEN octet_length(x) - length(regexp_replace(x, U&'[^\+000800-\+10FFFF]', '', 'g'))
  ELSE length(x) END;

-- The first `size` units (unit 0) or bytes of a text, whole characters only.
CREATE FUNCTION tsql.cut(x text, size int, unit int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  shown text;
BEGIN
  IF octet_length(x) <= size OR (octet_length(x) = length(x) AND length(x) <= size) THEN
    RETURN x;
  END IF;
  shown := left(x, size);
  WHILE tsql.bytes_in(shown, unit) > CASE unit WHEN 0 THEN 2 * size ELSE size END LOOP
    shown := left(shown, -1);
  END LOOP;
  RETURN shown;
END $$;

CREATE FUNCTION tsql.pad(x text, size int, unit int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN x || repeat(' ', size - CASE unit WHEN 0 THEN tsql.units(x) ELSE tsql.bytes_in(x, unit) END);

-- What a column of `size` takes of a text: error 2628 when more than blanks would be lost.
CREATE FUNCTION tsql.fit_text(x text, size int, unit int, table_name text, column_name text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  shown text := tsql.cut(x, size, unit);
BEGIN
  IF length(shown) < length(x) AND rtrim(substr(x, length(shown) + 1), ' ') <> '' THEN
    PERFORM tsql.fail(2628, 1, format('String or binary data would be truncated in table ''%s'', '
      'column ''%s''. Truncated value: ''%s''.', table_name, column_name, left(shown, 100)));
  END IF;
  RETURN shown;
END $$;

CREATE FUNCTION tsql.fit_bytes(x bytea, size int, table_name text, column_name text) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF octet_length(x) > size AND rtrim(substring(x FROM size + 1), '\x00'::bytea) <> ''::bytea THEN
    PERFORM tsql.fail(2628, 1, format('String or binary data would be truncated in table ''%s'', '
      'column ''%s''. Truncated value: ''''.', table_name, column_name));
  END IF;
  RETURN substring(x FROM 1 FOR size);
END $$;

-- Characters a code page lacks become question marks.
CREATE FUNCTION tsql.to_code_page(x text, page int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result text := '';
  one text;
BEGIN
  IF octet_length(x) = length(x) OR page = 65001 THEN
    RETURN x;
  END IF;
  FOREACH one IN ARRAY regexp_split_to_array(x, '') LOOP
    BEGIN
      PERFORM convert_to(one, tsql.encoding(page));
      result := result || one;
    EXCEPTION WHEN untranslatable_character THEN
      result := result || repeat('?', tsql.units(one));
    END;
  END LOOP;
  RETURN result;
END $$;

CREATE FUNCTION tsql.len(x text) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN tsql.units(rtrim(x, ' '));

CREATE FUNCTION tsql.substring(x text, start int, size int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF size < 0 THEN
    PERFORM tsql.fail(537, 3, 'Invalid length parameter passed to the LEFT or SUBSTRING function.');
  END IF;
  RETURN CASE WHEN start::bigint + size <= 1 THEN ''
    ELSE substr(x, greatest(start, 1), (start::bigint + size - greatest(start, 1))::int) END;
END $$;

CREATE FUNCTION tsql.substring_bytes(x bytea, start int, size int) RETURNS bytea
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF size < 0 THEN
    PERFORM tsql.fail(537, 3, 'Invalid length parameter passed to the LEFT or SUBSTRING function.');
  END IF;
  RETURN CASE WHEN start::bigint + size <= 1 THEN ''::bytea
    ELSE substring(x FROM greatest(start, 1) FOR least((start::bigint + size - greatest(start, 1)), 2147483000)::int) END;
END $$;

CREATE FUNCTION tsql.left(x text, size int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF size < 0 THEN
    PERFORM tsql.fail(537, 2, 'Invalid length parameter passed to the LEFT or SUBSTRING function.');
  END IF;
  RETURN left(x, size);
END $$;

CREATE FUNCTION tsql.right(x text, size int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF size < 0 THEN
    PERFORM tsql.fail(536, 4, 'Invalid length parameter passed to the RIGHT function.');
  END IF;
  RETURN CASE WHEN size = 0 THEN '' ELSE right(x, size) END;
END $$;

-- Position of a text in another from `start`, both already folded as the collation says.
CREATE FUNCTION tsql.charindex(wanted text, x text, start int) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN wanted = '' THEN 0
  WHEN position(wanted IN substr(x, greatest(start, 1))) = 0 THEN 0
  ELSE position(wanted IN substr(x, greatest(start, 1))) + greatest(start, 1) - 1 END;

-- REPLACE where folded texts decide what matches and the original gives what stays.
CREATE FUNCTION tsql.replace(x text, folded text, wanted text, substitute text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result text := '';
  at int := 1;
  found int;
BEGIN
  IF wanted = '' OR x = folded THEN
    RETURN CASE WHEN wanted = '' THEN x ELSE replace(x, wanted, substitute) END;
  END IF;
  LOOP
    found := position(wanted IN substr(folded, at));
    EXIT WHEN found = 0;
    result := result || substr(x, at, found - 1) || substitute;
    at := at + found - 1 + length(wanted);
  END LOOP;
  RETURN result || substr(x, at);
END $$;

CREATE FUNCTION tsql.stuff(x text, start int, size int, inserted text) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN start <= 0 OR size < 0 OR start > length(x) THEN NULL
  ELSE left(x, start - 1) || coalesce(inserted, '') || substr(x, start + size) END;

CREATE FUNCTION tsql.replicate(x text, times int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN CASE WHEN times < 0 THEN NULL ELSE repeat(x, times) END;

CREATE FUNCTION tsql.char(code int, page int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
  IF code = 0 THEN
    RETURN U&'\+10F7FF';
  ELSIF code < 0 OR code > 255 OR (code > 127 AND page IN (65001, 932, 936, 949, 950)) THEN
    RETURN NULL;
  END IF;
  RETURN convert_from(substring(int4send(code) FROM 4 FOR 1), tsql.encoding(page));
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
  RETURN chr(code);
END $$;

CREATE FUNCTION tsql.nchar(code int) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN code = 0 THEN U&'\+10F7FF' WHEN code < 0 OR code > 65535 THEN NULL
  WHEN code BETWEEN 55296 AND 57343 THEN chr(code - 55296 + 1112064) ELSE chr(code) END;

CREATE FUNCTION tsql.unicode(x text) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN x = '' THEN NULL
  WHEN ascii(x) = 1112063 THEN 0
  WHEN ascii(x) >= 1112064 THEN ascii(x) - 1112064 + 55296
  WHEN ascii(x) > 65535 THEN 55296 + ((ascii(x) - 65536) >> 10) ELSE ascii(x) END;

CREATE FUNCTION tsql.ascii(x text, page int) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN x = '' THEN NULL WHEN ascii(x) < 128 THEN ascii(x)
  WHEN ascii(x) = 1112063 THEN 0
  ELSE get_byte(convert_to(tsql.to_code_page(left(x, 1), page), tsql.encoding(page)), 0) END;

CREATE FUNCTION tsql.quotename(x text, mark text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN length(x) > 128 THEN NULL
  WHEN mark IN ('[', ']') THEN '[' || replace(x, ']', ']]') || ']'
  WHEN mark IN ('''', '"', '`') THEN mark || replace(x, mark, mark || mark) || mark
  WHEN mark IN ('(', ')') THEN '(' || replace(x, ')', '))') || ')'
  WHEN mark IN ('<', '>') THEN '<' || replace(x, '>', '>>') || '>'
  WHEN mark IN ('{', '}') THEN '{' || replace(x, '}', '}}') || '}' END;

CREATE FUNCTION tsql.escape_json(x text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN replace(substr(to_json(x)::text, 2, length(to_json(x)::text) - 2), '/', '\/');

-- LIKE's pattern as a regular expression; NULL for a pattern that matches nothing.
CREATE FUNCTION tsql.like_regex(pattern text, escape text) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  result text := '';
  at int := 1;
  one text;
  stop int;
  class text;
BEGIN
  IF escape IS NOT NULL AND length(escape) <> 1 THEN
    PERFORM tsql.fail(506, 1, format('The invalid escape character "%s" was specified in a LIKE predicate.', escape));
  END IF;
  IF pattern IS NULL THEN
    RETURN NULL;
  END IF;
  WHILE at <= length(pattern) LOOP
    one := substr(pattern, at, 1);
    IF one = escape THEN
      at := at + 1;
      result := result || regexp_replace(substr(pattern, at, 1), '([^[:alnum:]])', '\\\1');
    ELSIF one = '%' THEN
      result := result || '.*';
    ELSIF one = '_' THEN
      result := result || '.';
    ELSIF one = '[' THEN
      stop := position(']' IN substr(pattern, at + 2));
      IF stop = 0 THEN
        RETURN NULL;
      END IF;
      class := substr(pattern, at + 1, stop);
      at := at + stop + 1;
      result := result || '[' || CASE WHEN left(class, 1) = '^' THEN '^' ELSE '' END
        || regexp_replace(CASE WHEN left(class, 1) = '^' THEN substr(class, 2) ELSE class END,
             '([\\\]\[^])', '\\\1', 'g') || ']';
    ELSE
      result := result || CASE WHEN one ~ '[[:alnum:] ]' THEN one ELSE '\' || one END;
    END IF;
    at := at + 1;
  END LOOP;
  RETURN '(?s)^' || result || '$';
END $$;

-- Both sides folded. Trailing blanks of a char kind's value are not part of what has to match.
CREATE FUNCTION tsql.is_like(x text, pattern text, escape text, blanks_matter bool) RETURNS bool
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN x IS NULL OR pattern IS NULL THEN NULL
  ELSE coalesce(x ~ tsql.like_regex(pattern, escape), false)
    OR (NOT blanks_matter AND coalesce(rtrim(x, ' ') ~ tsql.like_regex(pattern, escape), false)) END;

CREATE FUNCTION tsql.patindex(pattern text, x text) RETURNS int
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  regex text := tsql.like_regex(pattern, NULL);
BEGIN
  IF regex IS NULL THEN
    RETURN 0;
  ELSIF left(pattern, 1) = '%' THEN
    regex := '(?s)' || substr(regex, 8);
    RETURN regexp_instr(x, regex);
  END IF;
  RETURN CASE WHEN x ~ regex THEN 1 ELSE 0 END;
END $$;

-- MIN and MAX of texts: the state is the best key and its text.
CREATE FUNCTION tsql.lower_text(state text[], key text, x text) RETURNS text[]
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN key IS NULL OR state[1] COLLATE "C" <= key COLLATE "C" THEN state ELSE ARRAY[key, x] END;
CREATE FUNCTION tsql.higher_text(state text[], key text, x text) RETURNS text[]
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN key IS NULL OR state[1] COLLATE "C" >= key COLLATE "C" THEN state ELSE ARRAY[key, x] END;
CREATE FUNCTION tsql.text_of_state(state text[]) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN state[2];
CREATE AGGREGATE tsql.min_text(text, text) (SFUNC = tsql.lower_text, STYPE = text[], FINALFUNC = tsql.text_of_state);
CREATE AGGREGATE tsql.max_text(text, text) (SFUNC = tsql.higher_text, STYPE = text[], FINALFUNC = tsql.text_of_state);

CREATE FUNCTION tsql.concat_ws(separator text, VARIADIC items text[]) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN coalesce(array_to_string(items, coalesce(separator, '')), '');
