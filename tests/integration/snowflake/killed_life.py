"""A life of a stream as a process of its own, to be killed in the middle of a window."""

import anyio

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.changes import TableStream
from dtaas.model.connectors import SnowflakeConfig
from tests.contract.change_rows import Change
from tests.contract.merging_destination import apply, window


def window_of(number: int) -> list[Change]:
    """Return what the window of that number does: one row comes, one changes, one goes."""
    return [
        ("I", number, (number + 10, f"n{number}", "b", None), None),
        ("U", number, (0, f"u{number}", None, None), '["body"]'),
        ("D", number, (number + 9, None, None, None), None),
    ]


def live(config: SnowflakeConfig, stream: TableStream, number: int) -> None:
    """Open the stream and apply one window."""
    anyio.run(_live, config, stream, number)


async def _live(config: SnowflakeConfig, stream: TableStream, number: int) -> None:
    destination = SnowflakeDestination(config, task_name="task", database="db")
    await destination.open_stream(stream)
    await apply(destination, stream, window(number - 1, number), window_of(number))
    await destination.aclose()
