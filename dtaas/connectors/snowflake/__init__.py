"""Snowflake as a destination: staged Parquet, COPY, SWAP and MERGE."""
