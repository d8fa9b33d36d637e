"""Partition functions and schemes.

Partitions exist in the catalog only: a partitioned table is one table of the storage, and
`store.partition_rows` counts the rows of each range.
"""

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import resolve_type
from dtaas.sandbox.sqlserver.storage.ddl.context import Context
from dtaas.sandbox.sqlserver.storage.variants import descriptor
from dtaas.sandbox.sqlserver.tsql.compile import translate


async def create_function(context: Context, spec: ddl.CreatePartitionFunction) -> None:
    """Carry out CREATE PARTITION FUNCTION. Raises: SqlError 2714 it exists."""
    database_id = context.catalog.database_id
    if await _function_id(context, spec.name) is not None:
        raise SqlError(7720, f"There is already a partition function named '{spec.name}'.")
    column = ddl.Column(name=spec.name, type=spec.type)
    type_, _, _ = await resolve_type(context, column, 1)
    function_id = await context.connection.fetchval(
        "INSERT INTO meta.partition_functions"
        " SELECT $1, coalesce(max(function_id) + 1, 65536), $2, $3 FROM meta.partition_functions"
        " WHERE database_id = $1 RETURNING function_id",
        database_id,
        spec.name,
        int(spec.right),
    )
    for boundary_id, value in enumerate(spec.values, 1):
        sql = translate(value, type_, None, context.catalog)
        await context.connection.execute(
            "INSERT INTO meta.partition_values"  # noqa: S608 - translated, not given
            f" SELECT $1, $2, $3, store.variant($4, v.x), v.x FROM (SELECT ({sql})::text) AS v(x)",
            database_id,
            function_id,
            boundary_id,
            descriptor(type_),
        )


async def create_scheme(context: Context, spec: ddl.CreatePartitionScheme) -> None:
    """Carry out CREATE PARTITION SCHEME. Raises: SqlError 7726 no such function."""
    function_id = await _function_id(context, spec.function)
    if function_id is None:
        raise SqlError(7726, f"Partition function '{spec.function}' does not exist.", state=2)
    await context.connection.execute(
        "INSERT INTO meta.partition_schemes"
        " SELECT $1, coalesce(max(data_space_id) + 1, 65601), $2, $3 FROM meta.partition_schemes"
        " WHERE database_id = $1",
        context.catalog.database_id,
        function_id,
        spec.name,
    )


async def drop(context: Context, spec: ddl.DropPartitioning) -> None:
    """Carry out DROP PARTITION FUNCTION and SCHEME.

    Raises:
        SqlError: 7719, 7717 there is none; 7706 a scheme uses the function.
    """
    database_id = context.catalog.database_id
    if spec.word == "SCHEME":
        gone = await context.connection.fetchval(
            "DELETE FROM meta.partition_schemes WHERE database_id = $1"
            " AND store.name_key(name) = $2 RETURNING 1",
            database_id,
            name_key(spec.name),
        )
        if not gone:
            raise SqlError(7717, f"The partition scheme '{spec.name}' does not exist.")
        return
    function_id = await _function_id(context, spec.name)
    if function_id is None:
        raise SqlError(7719, f"The partition function '{spec.name}' does not exist.")
    scheme = await context.connection.fetchval(
        "SELECT name FROM meta.partition_schemes WHERE database_id = $1 AND function_id = $2",
        database_id,
        function_id,
    )
    if scheme is not None:
        raise SqlError(
            7706,
            f"Partition function '{spec.name}' is being used by one or more partition schemes.",
        )
    await context.connection.execute(
        "DELETE FROM meta.partition_functions WHERE database_id = $1 AND function_id = $2",
        database_id,
        function_id,
    )


async def _function_id(context: Context, name: str) -> int | None:
    found: int | None = await context.connection.fetchval(
        "SELECT function_id FROM meta.partition_functions"
        " WHERE database_id = $1 AND store.name_key(name) = $2",
        context.catalog.database_id,
        name_key(name),
    )
    return found
