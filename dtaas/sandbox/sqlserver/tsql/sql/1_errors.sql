-- Errors of the simulated server: SQLSTATE TS001, message TSQL|number|severity|state|text
-- (read by dtaas.sandbox.sqlserver.tsql.errors). Texts: Microsoft Learn, "Database engine events
-- and errors".

CREATE SCHEMA tsql;

CREATE FUNCTION tsql.fail(number int, state int, text text) RETURNS void
VOLATILE LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'TS001',
    MESSAGE = format('TSQL|%s|16|%s|%s', number, state, text);
END $$;

-- Fails unless lenient, which is how TRY_CAST gives NULL.
CREATE FUNCTION tsql.fail_unless(lenient bool, number int, state int, text text) RETURNS void
VOLATILE LANGUAGE plpgsql AS $$
BEGIN
  IF NOT lenient THEN
    PERFORM tsql.fail(number, state, text);
  END IF;
END $$;

-- Error 530 when a recursive query passes its limit; 0 is no limit.
CREATE FUNCTION tsql.next_level(level int, maximum int) RETURNS int
IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  IF maximum > 0 AND level >= maximum THEN
    PERFORM tsql.fail(530, 1, format('The statement terminated. The maximum recursion %s has been '
      'exhausted before statement completion.', maximum));
  END IF;
  RETURN level + 1;
END $$;
