"""Carries out a DDL statement."""

from collections.abc import Sequence

from dtaas.sandbox.sqlserver.results import Message
from dtaas.sandbox.sqlserver.storage.ddl import (
    alterations,
    databases,
    indexes,
    partitions,
    renames,
    rights,
    roles,
    schemas,
    tables,
    tracking,
    views,
)
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context


def needs_own_turn(statement: ddl.Statement) -> bool:
    """Tell whether a statement may not stand in an explicit transaction."""
    return isinstance(
        statement, ddl.CreateDatabase | ddl.DropDatabases | ddl.AlterDatabase | ddl.TrackDatabase
    )


def is_temporary(statement: ddl.Statement) -> bool:
    """Tell whether a statement is about #tables only."""
    match statement:
        case ddl.CreateTable(table=table) | ddl.AddToTable(table=table) | ddl.Index(table=table):
            names: tuple[tuple[str, ...], ...] = (table,)
        case ddl.AlterColumn(table=table) | ddl.DropFromTable(table=table):
            names = (table,)
        case ddl.DropIndex(table=table) | ddl.Truncate(table=table) | ddl.TrackTable(table=table):
            names = (table,)
        case ddl.DropObjects(names=dropped):
            names = dropped
        case _:
            return False
    return all(name[-1].startswith("#") for name in names)


async def carry_out(context: Context, statement: ddl.Statement) -> Sequence[Message]:
    """Run a statement on the context's connection, inside the caller's transaction.

    Raises:
        SqlError: SQL Server's own error; the caller undoes what was done.
    """
    match statement:
        case ddl.CreateTable():
            await tables.create_table(context, statement)
        case ddl.DropObjects() if statement.word == "TABLE":
            await tables.drop_tables(context, statement)
        case ddl.Truncate():
            await tables.truncate(context, statement)
            await tracking.after_truncate(context, statement)
        case ddl.AddToTable():
            await alterations.add_to_table(context, statement)
        case ddl.AlterColumn():
            await alterations.alter_column(context, statement)
        case ddl.DropFromTable():
            await alterations.drop_from_table(context, statement)
        case ddl.CheckConstraints():
            await alterations.check_constraints(context, statement)
        case ddl.Index():
            await indexes.create_index(context, statement)
        case ddl.DropIndex():
            await indexes.drop_index(context, statement)
        case _:
            return await _carry_out_rarer(context, statement)
    return ()


async def _carry_out_rarer(context: Context, statement: ddl.Statement) -> Sequence[Message]:
    match statement:
        case ddl.CreateDatabase():
            await databases.create(context, statement)
        case ddl.DropDatabases():
            await databases.drop(context, statement)
        case ddl.AlterDatabase():
            await databases.alter(context, statement)
        case ddl.TrackDatabase():
            await tracking.track_database(context, statement)
        case ddl.TrackTable():
            await tracking.track_table(context, statement)
        case ddl.CreatePartitionFunction():
            await partitions.create_function(context, statement)
        case ddl.CreatePartitionScheme():
            await partitions.create_scheme(context, statement)
        case ddl.DropPartitioning():
            await partitions.drop(context, statement)
        case _:
            await _change_names_and_rights(context, statement)
    return ()


async def _change_names_and_rights(context: Context, statement: ddl.Statement) -> None:
    match statement:
        case ddl.CreateSchema():
            await schemas.create_schema(context, statement)
        case ddl.DropSchema():
            await schemas.drop_schema(context, statement)
        case ddl.CreateType():
            await schemas.create_type(context, statement)
        case ddl.DropType():
            await schemas.drop_type(context, statement)
        case ddl.CreateView():
            await views.create_view(context, statement)
        case ddl.DropObjects():
            await views.drop_views(context, statement)
        case ddl.Rename():
            await renames.rename(context, statement)
        case ddl.ChangeRights():
            await rights.change_rights(context, statement)
        case ddl.ChangeRole():
            await roles.change_role(context, statement)
        case _:  # UPDATE STATISTICS, ALTER INDEX, DBCC: they change no answer here
            return
