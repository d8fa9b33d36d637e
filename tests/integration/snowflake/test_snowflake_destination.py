"""What every destination promises, kept by Snowflake.

Each exception names the gap of the emulator that makes it necessary.
"""

from collections.abc import AsyncIterator

import pytest

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.types import Timestamp, TimestampTz
from tests.contract.destination import ODD_NAMES, VALUES, DestinationContract
from tests.integration.snowflake.conftest import destination_of

GAPS = {
    "Timestamps hold microseconds": {
        name for name, kind, _ in VALUES if isinstance(kind, Timestamp) and kind.digits > 6
    },
    "TIMESTAMP_TZ keeps the instant and loses the offset": {
        name for name, kind, _ in VALUES if isinstance(kind, TimestampTz)
    },
}
NOT_HELD = set().union(*GAPS.values())


class TestSnowflake(DestinationContract):
    values = tuple(value for value in VALUES if value[0] not in NOT_HELD)
    # No identifier of Snowflake holds a NUL: such a name is refused, see test_names.py.
    odd_names = tuple(name for name in ODD_NAMES if "\0" not in name and name not in NOT_HELD)

    @pytest.fixture
    async def destination(self, config: SnowflakeConfig) -> AsyncIterator[SnowflakeDestination]:
        destination = destination_of(config)
        yield destination
        await destination.aclose()
