"""The demo's Snowflake: what its connector needs, and the means to make the proof fail."""

from contextlib import aclosing
from typing import Any, Final

import msgspec

from dtaas.connectors.snowflake.layout import Places
from dtaas.connectors.snowflake.sessions import SessionPool
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.schema import TableRef
from dtaas.sandbox.access import SandboxAccess

_CORRUPTED: Final = TableRef("dbo", "customer")
_TAG: Final = "dtaas demo"


def snowflake_body(access: SandboxAccess) -> dict[str, Any]:
    """Return the request that creates the Snowflake connector."""
    place = access.snowflake
    if place is None:
        raise RuntimeError("The sandbox runs without Snowflake.")
    return {
        "name": "Demo Snowflake",
        "connector_type": "destination",
        "destination_type": "snowflake",
        "connection_config": {
            "account": place.account,
            "user": place.user,
            "authentication": "password",
            "password": place.password,
            "database": place.database,
            "host": place.host,
            "port": place.port,
            "protocol": place.protocol,
        },
    }


async def corrupt_table(request: dict[str, Any], rows: int) -> None:
    """Alter one value of the first `rows` customers."""
    if rows == 0:
        return
    config = msgspec.convert(request["connection_config"], SnowflakeConfig)
    places = Places(config, task_name="", database="")
    async with aclosing(SessionPool(config)) as pool:
        table = places.table(places.target_of(_CORRUPTED, None))
        await pool.run(
            _TAG,
            "Altering rows",
            f'UPDATE {table} SET "C_COMMENT" = "C_COMMENT" || \'~\''  # noqa: S608 - our own
            f' WHERE "C_CUSTKEY" <= {rows}',
        )
