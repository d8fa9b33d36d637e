"""GRANT, DENY and REVOKE."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.access import role_name
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, dotted, storage_object

_GRANTABLE: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


async def change_rights(context: Context, spec: ddl.ChangeRights) -> None:
    """Carry out GRANT, DENY and REVOKE of SELECT, INSERT, UPDATE, DELETE on a table or view.

    Raises:
        SqlError: 15151 no such object or principal, or another right than those four.
    """
    record = await context.find(spec.table, "U", "V") if spec.table else None
    rights = [p for p in spec.permissions if p in _GRANTABLE]
    if record is None or len(rights) != len(spec.permissions):
        raise SqlError(
            15151,
            f"Cannot find the object '{dotted(spec.table)}', because it does not exist or you do "
            "not have permission.",
        )
    storage = storage_object(record)
    for principal in spec.principals:
        principal_id = await context.connection.fetchval(
            "SELECT l.principal_id FROM meta.logins l JOIN meta.users u USING (principal_id)"
            " WHERE store.name_key(l.name) = $1 AND u.database_id = $2",
            name_key(principal),
            record["database_id"],
        )
        if principal_id is None:
            raise SqlError(
                15151,
                f"Cannot find the user '{principal}', because it does not exist or you do not have "
                "permission.",
            )
        verb, link = ("GRANT", "TO") if spec.word == "GRANT" else ("REVOKE", "FROM")
        await context.connection.execute(
            f"{verb} {', '.join(rights)} ON {storage} {link} {role_name(principal_id)}"
        )
        await context.connection.execute(
            "INSERT INTO meta.grants VALUES ($1, $2) ON CONFLICT DO NOTHING"
            if spec.word == "GRANT"
            else "DELETE FROM meta.grants WHERE principal_id = $1 AND object_id = $2",
            principal_id,
            record["object_id"],
        )
