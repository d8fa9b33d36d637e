"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell the same and SQLAlchemy does not."""

from collections.abc import Collection

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert


def insert_of(connection: Connection, table: Table) -> SqliteInsert | PostgresInsert:
    """Return an INSERT that knows ON CONFLICT."""
    if connection.dialect.name == "sqlite":
        return SqliteInsert(table)
    return PostgresInsert(table)


def upsert(
    connection: Connection, table: Table, key: Collection[str]
) -> SqliteInsert | PostgresInsert:
    """Return an INSERT whose row replaces the one with the same key, but not its own `id`."""
    insert = insert_of(connection, table)
    replaced = {
        column.name: insert.excluded[column.name]
        for column in table.columns
        if column.name not in key and column.name != "id"
    }
    return insert.on_conflict_do_update(index_elements=list(key), set_=replaced)
