"""GRANT, DENY and REVOKE."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.access import role_name
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import (
    Context,
    dotted,
    storage_object,
    storage_table,
)
from dtaas.sandbox.sqlserver.storage.ddl.roles import principal

_GRANTABLE: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_CHANGE_TABLES: Final = "SELECT object_id FROM meta.capture_instances WHERE database_id = $1"


async def change_rights(context: Context, spec: ddl.ChangeRights) -> None:
    """Carry out GRANT, DENY and REVOKE of SELECT, INSERT, UPDATE, DELETE on a table or view.

    Of rights on a schema there is only SELECT on cdc.

    Raises:
        SqlError: 15151 no such object or principal, or another right than those.
    """
    if name_key(spec.schema) == "cdc" and spec.permissions == ("SELECT",):
        for name in spec.principals:
            await _on_capture(context, spec, await principal(context, name))
        return
    record = await context.find(spec.table, "U", "V") if spec.table else None
    rights = [p for p in spec.permissions if p in _GRANTABLE]
    if record is None or len(rights) != len(spec.permissions):
        raise SqlError(
            15151,
            f"Cannot find the object '{dotted(spec.table)}', because it does not exist or you do "
            "not have permission.",
        )
    for name in spec.principals:
        principal_id = await principal(context, name)
        await _change(
            context, spec, f"{', '.join(rights)} ON {storage_object(record)}", principal_id
        )
        await context.connection.execute(
            "INSERT INTO meta.grants VALUES ($1, $2) ON CONFLICT DO NOTHING"
            if spec.word == "GRANT"
            else "DELETE FROM meta.grants WHERE principal_id = $1 AND object_id = $2",
            principal_id,
            record["object_id"],
        )


async def _on_capture(context: Context, spec: ddl.ChangeRights, principal_id: int) -> None:
    """Change the right to read what capture holds of this database, now and later."""
    database_id = context.catalog.database_id
    await context.connection.execute(
        "INSERT INTO meta.capture_grants VALUES ($1, $2) ON CONFLICT DO NOTHING"
        if spec.word == "GRANT"
        else "DELETE FROM meta.capture_grants WHERE principal_id = $1 AND database_id = $2",
        principal_id,
        database_id,
    )
    for record in await context.connection.fetch(_CHANGE_TABLES, database_id):
        table = storage_table(database_id, record["object_id"])
        await _change(context, spec, f"SELECT ON {table}", principal_id)


async def _change(context: Context, spec: ddl.ChangeRights, rights: str, principal_id: int) -> None:
    verb, link = ("GRANT", "TO") if spec.word == "GRANT" else ("REVOKE", "FROM")
    await context.connection.execute(f"{verb} {rights} {link} {role_name(principal_id)}")
