"""A private Snowflake: the real connector logs in to it, fakesnow translates, DuckDB stores."""
