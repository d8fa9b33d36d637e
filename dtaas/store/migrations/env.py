"""Alembic's entry: runs the migrations on the connection and in the transaction it is given."""

from alembic import context

from dtaas.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
