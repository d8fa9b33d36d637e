-- Sort keys of collations; `collations.py` says what they are for.
--
-- A key has up to three levels, joined by U+0001: the base (letters without case and accents,
-- punctuation below the digits), then the text with its accents, hyphens and apostrophes
-- where it has any, then the text with its case where the collation tells cases apart. Level
-- two decides only between equal bases: Windows sorts 'coop' < 'co-op' < 'coops'.

CREATE SCHEMA coll;

-- Case folding that does not depend on the collation of its argument: under "C", which a caller's
-- COLLATE brings in, PostgreSQL's own functions know ASCII only.
CREATE FUNCTION coll.lowered(x text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN lower(x COLLATE pg_c_utf8);

-- Both orders put all punctuation before the digits. What lies behind them in ASCII becomes two
-- characters: a slash, then one that says which. So most texts are their own base.
DO $do$
DECLARE
  one record;
  body text;
BEGIN
  FOR one IN
    VALUES ('sql_base', 'x', '/:;<=>?@[\]^_`{|}~'),
      ('win_base', $$translate(x, '-''', '')$$, '/:;?@[\]^_`{|}~+<=>$')
  LOOP
    body := one.column2;
    FOR i IN 1..length(one.column3) LOOP   -- the slash first: the others bring slashes in
      body := format('replace(%s, %L, %L)', body, substr(one.column3, i, 1), '/' || chr(i + 1));
    END LOOP;
    EXECUTE format('CREATE FUNCTION coll.%I(x text) RETURNS text
      IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN %s', one.column1, body);
  END LOOP;
END $do$;

CREATE FUNCTION coll.without_accents(x text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN octet_length(x) = char_length(x) THEN x
  ELSE normalize(regexp_replace(normalize(x, NFD), U&'([A-Za-z\0370-\03FF])[\0300-\036F]+', '\1', 'g'), NFC)
  END;

-- Hiragana as katakana.
CREATE FUNCTION coll.without_kana(x text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  hiragana CONSTANT text := (SELECT string_agg(chr(n), '' ORDER BY n) FROM generate_series(12353, 12438) n);
  katakana CONSTANT text := (SELECT string_agg(chr(n + 96), '' ORDER BY n) FROM generate_series(12353, 12438) n);
BEGIN
  RETURN CASE WHEN x ~ U&'[\3041-\3096]' THEN translate(x, hiragana, katakana) ELSE x END;
END $$;

-- The key of any text; the functions below spare plain ones the way.
CREATE FUNCTION coll.full_key(x text, sql_order bool, cs bool, accents bool, kana bool, width bool)
RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
  lowered text := coll.lowered(x);
  folded text := lowered;
  tail text;
  base text;
BEGIN
  IF NOT sql_order THEN
    -- Windows expands the sharp s, and collations without _WS and _KS ignore width and kana.
    folded := replace(folded, U&'\00DF', 'ss');
    folded := CASE WHEN width THEN normalize(folded, NFC) ELSE normalize(folded, NFKC) END;
    IF NOT kana THEN
      folded := coll.without_kana(folded);
    END IF;
  END IF;
  tail := CASE WHEN accents THEN folded ELSE coll.without_accents(folded) END;
  base := regexp_replace(coll.without_accents(folded), U&'[\0001-\001F]', U&'\0002', 'g');
  base := CASE WHEN sql_order THEN coll.sql_base(base) ELSE coll.win_base(base) END;
  IF (tail ~ CASE WHEN sql_order THEN '[^ -~]' ELSE '[^ -&(-,.-~]' END) THEN
    base := base || U&'\0001' || tail;
  END IF;
  IF cs AND sql_order AND x <> upper(x COLLATE pg_c_utf8) THEN   -- SQL order: upper case first
    base := base || U&'\0001' || x;
  ELSIF cs AND NOT sql_order AND x <> lowered THEN   -- Windows order: lower case first
    base := base || U&'\0001' || translate(x,
      'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
  END IF;
  RETURN base;
END $$;

CREATE FUNCTION coll.bin(x text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN rtrim(x, ' ');

DO $do$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT cs, accents, kana, width, sql_order,
      format('coll.%s_%s_%s%s%s', CASE WHEN sql_order THEN 'sql' ELSE 'win' END,
        CASE WHEN cs THEN 'cs' ELSE 'ci' END, CASE WHEN accents THEN 'as' ELSE 'ai' END,
        CASE WHEN kana THEN '_ks' END, CASE WHEN width THEN '_ws' END) AS name
    FROM (VALUES (false), (true)) AS a(cs), (VALUES (false), (true)) AS b(accents),
      (VALUES (false), (true)) AS c(kana), (VALUES (false), (true)) AS d(width),
      (VALUES (false), (true)) AS e(sql_order)
    WHERE NOT (sql_order AND (kana OR width))
  LOOP
    -- not STRICT: the planner then puts the body in the place of the call
    EXECUTE format($f$
      CREATE FUNCTION %s(x text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
      RETURN CASE WHEN x ~ %L THEN coll.full_key(rtrim(x, ' '), %L, %L, %L, %L, %L)
        ELSE lower(rtrim(x, ' ')) END $f$,
      one.name,
      CASE WHEN one.sql_order THEN '[^ -.0-9' ELSE '[^ !"#%&()*,.0-9' END
        || CASE WHEN one.cs AND one.sql_order THEN 'A-Z]' WHEN one.cs THEN 'a-z]' ELSE 'A-Za-z]' END,
      one.sql_order, one.cs, one.accents, one.kana, one.width);
  END LOOP;
END $do$;

-- Every collation there is, by lower-case name; filled from `collations.known_collations`.
CREATE TABLE coll.names (
  name_key text PRIMARY KEY,
  code_page int NOT NULL,
  lcid int NOT NULL,
  comparison_style int NOT NULL,
  version int NOT NULL
);
GRANT SELECT ON coll.names TO PUBLIC;
