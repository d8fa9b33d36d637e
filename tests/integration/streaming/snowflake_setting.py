"""The setting of a task that writes into the emulated Snowflake."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from msgspec import convert
from snowflake.connector import aio
from snowflake.connector.errors import ProgrammingError

from dtaas.model.connectors import ConnectionConfig, SnowflakeConfig
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.streaming.conftest import Setting

DATABASE = "TEST"


class SnowflakeSetting(Setting):
    """Tables go into schemas named after the source's database.

    Attributes:
        emulator: to be set before the first life.
        connector: fields of the connector's configuration beside those every test needs.
    """

    kind = "snowflake"
    emulator: SnowflakeEmulator
    connector: Mapping[str, Any] = {"identifiers": "preserve"}

    def target(self) -> ConnectionConfig:
        name = self.database.config.database
        places = {"schema": f"{name}_{{schema}}", "metadata_schema": f"{name}_META"}
        config = self.emulator.connector(DATABASE, **places, **self.connector)
        return convert(config, SnowflakeConfig)

    async def select(self, table: str, columns: str = "*") -> list[dict[str, Any]]:
        """Return the rows as any reader sees them; none while there is no such table.

        Args:
            table: qualified by its schema, in quotes.
        """
        connection = await aio.connect(**self.emulator.connection, database=DATABASE)
        try:
            cursor = connection.cursor()
            with suppress(ProgrammingError):  # before the load is published
                await cursor.execute(f'SELECT {columns} FROM "{DATABASE}".{table}')
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
            return []
        finally:
            await connection.close()
