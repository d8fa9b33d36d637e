"""Lives as processes of their own, to be killed in the middle of a window or a load."""

import anyio

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.changes import TableStream
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.load import ChunkReceipt, TableLoad
from tests.contract.change_rows import Change
from tests.contract.merging_destination import apply, window


def window_of(number: int) -> list[Change]:
    """Return what the window of that number does: one row comes, one changes, one goes."""
    return [
        ("I", number, (number + 10, f"n{number}", "b", None), None),
        ("U", number, (0, f"u{number}", None, None), '["body"]'),
        ("D", number, (number + 9, None, None, None), None),
    ]


def new_rows_of(number: int) -> list[Change]:
    """Return a window of that number that only brings rows, behind all that are there."""
    return [("I", number, (10 * number + i, f"n{number}", "b", None), None) for i in range(2)]


def live(config: SnowflakeConfig, stream: TableStream, number: int, changes: list[Change]) -> None:
    """Open the stream and apply one window."""
    anyio.run(_live, config, stream, number, changes)


def publish(config: SnowflakeConfig, load: TableLoad, receipt: ChunkReceipt) -> None:
    """Make a load visible whose rows are staged."""
    anyio.run(_publish, config, load, receipt)


async def _publish(config: SnowflakeConfig, load: TableLoad, receipt: ChunkReceipt) -> None:
    destination = SnowflakeDestination(config, task_name="task", database="db")
    await destination.commit(load, [receipt])
    await destination.aclose()


async def _live(
    config: SnowflakeConfig, stream: TableStream, number: int, changes: list[Change]
) -> None:
    destination = SnowflakeDestination(config, task_name="task", database="db")
    await destination.open_stream(stream)
    await apply(destination, stream, window(number - 1, number), changes)
    await destination.aclose()
