"""Roles of a database: made, dropped, and given members."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.access import role_name
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context

_FIXED: Final = frozenset(
    {
        "public", "db_owner", "db_accessadmin", "db_securityadmin", "db_ddladmin",
        "db_backupoperator", "db_datareader", "db_datawriter", "db_denydatareader",
        "db_denydatawriter",
    }
)  # fmt: skip
_FIND: Final = (
    "SELECT principal_id FROM meta.roles WHERE database_id = $1 AND store.name_key(name) = $2"
)
_PRINCIPAL: Final = """
SELECT u.principal_id FROM meta.users u JOIN meta.logins l USING (principal_id)
WHERE u.database_id = $1 AND store.name_key(l.name) = $2
UNION ALL
SELECT r.principal_id FROM meta.roles r WHERE r.database_id = $1 AND store.name_key(r.name) = $2
"""


async def change_role(context: Context, spec: ddl.ChangeRole) -> None:
    """Carry out CREATE, DROP and ALTER ROLE.

    Raises:
        SqlError: 15023 the name is taken, 15151 there is no such role or user, or the role is a
            fixed one: their members are not kept here, but for the owners.
    """
    database_id = context.catalog.database_id
    if spec.word == "CREATE":
        await create_role(context, spec.name)
        return
    role_id = await context.connection.fetchval(_FIND, database_id, name_key(spec.name))
    if role_id is None:
        if spec.if_exists:
            return
        raise _missing("role", spec.name)
    if spec.word == "DROP":
        await context.connection.execute("DELETE FROM meta.roles WHERE principal_id = $1", role_id)
        await context.connection.execute(
            f"DROP OWNED BY {role_name(role_id)}; DROP ROLE {role_name(role_id)}"
        )
        return
    member_id = await principal(context, spec.member)
    verb, link = ("GRANT", "TO") if spec.word == "ADD" else ("REVOKE", "FROM")
    await context.connection.execute(f"{verb} {role_name(role_id)} {link} {role_name(member_id)}")
    await context.connection.execute(
        "INSERT INTO meta.role_members VALUES ($1, $2) ON CONFLICT DO NOTHING"
        if spec.word == "ADD"
        else "DELETE FROM meta.role_members WHERE role_id = $1 AND member_id = $2",
        role_id,
        member_id,
    )


async def create_role(context: Context, name: str) -> None:
    """Make a role. Raises: SqlError 15023 the name is taken."""
    database_id = context.catalog.database_id
    taken = await context.connection.fetchval(_PRINCIPAL, database_id, name_key(name))
    if taken is not None or name_key(name) in _FIXED:
        raise SqlError(
            15023, f"User, group, or role '{name}' already exists in the current database."
        )
    role_id = await context.connection.fetchval(
        "INSERT INTO meta.roles (database_id, name) VALUES ($1, $2) RETURNING principal_id",
        database_id,
        name,
    )
    await context.connection.execute(f"CREATE ROLE {role_name(int(role_id or 0))} NOLOGIN")


async def has_role(context: Context, name: str) -> bool:
    """Tell whether a role of that name exists."""
    found = await context.connection.fetchval(_FIND, context.catalog.database_id, name_key(name))
    return found is not None or name_key(name) in _FIXED


async def principal(context: Context, name: str) -> int:
    """Return the id of a user or role. Raises: SqlError 15151 there is none."""
    found = await context.connection.fetchval(
        _PRINCIPAL, context.catalog.database_id, name_key(name)
    )
    if found is None:
        raise _missing("user", name)
    return int(found)


def _missing(what: str, name: str) -> SqlError:
    return SqlError(
        15151,
        f"Cannot find the {what} '{name}', because it does not exist or you do not have "
        "permission.",
    )
