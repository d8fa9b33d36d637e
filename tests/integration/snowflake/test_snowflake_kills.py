"""SIGKILL of our own process at the steps of a window: its successor ends exactly right.

What the dead process left open at Snowflake, a transaction with its locks, is ended by whoever
takes the table over. More of it: DTAAS_TEST_SNOWFLAKE_TURNS=50.
"""

import multiprocessing
import os
import re
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from time import monotonic

import pytest
from anyio import fail_after, sleep
from anyio.lowlevel import checkpoint

from dtaas.connectors.snowflake.leftovers import begin, end_leftovers
from dtaas.connectors.snowflake.sessions import SessionPool
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.changes import TableStream
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.errors import OwnershipLostError
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.sandbox.snowflake.faults import Fault
from tests.contract.change_rows import Change, place
from tests.contract.destination import (
    expected,
    load_of,
    rows_of,
    schema_of,
    whole_load,
    write_chunk,
)
from tests.contract.merging_destination import apply, loaded, rows_at, window
from tests.integration.snowflake.conftest import destination_of
from tests.integration.snowflake.killed_life import live, new_rows_of, publish, window_of

TURNS = int(os.environ.get("DTAAS_TEST_SNOWFLAKE_TURNS", "1"))
LIMIT_S = 60.0
DELAY_S = 2.0
"""How long a step takes, so that the kill comes in its middle."""
WAIT_FOR_LOCKS_S = 30.0
"""Far below LOCK_TIMEOUT: nobody waits for the locks of the dead."""
AT_THE_POSITION = "at the position"
STEPS = {
    "after PUT": ("^PUT", "after"),
    "in COPY": ("^COPY", "before"),
    "in MERGE": ("^MERGE.*__DTAAS_OP", "before"),
    "after MERGE": ("^MERGE.*__DTAAS_OP", "after"),
    AT_THE_POSITION: ('^INSERT INTO .*"POSITIONS".*, 3, TO_TIMESTAMP', "before"),
    "before COMMIT": ("^COMMIT", "before"),
    "after COMMIT, the reply lost": ("^COMMIT", "after"),
}


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([live.__module__])
    return context


@pytest.mark.timeout(60 + 30 * TURNS)
@pytest.mark.parametrize("step", STEPS)
async def test_a_process_killed_at_any_step_is_continued_exactly(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, processes: ForkServerContext, step: str
) -> None:
    destination = destination_of(config)
    stream = await loaded(destination, range(1))
    await destination.open_stream(stream)
    await apply(destination, stream, window(0, 1), window_of(1))
    await destination.aclose()
    went_through = 0
    for number in range(2, 2 + 2 * TURNS, 2):
        await snowflake.clear()
        life = (stream, number, window_of(number))
        await kill_in(snowflake, config, processes, life, STEPS[step])
        destination = destination_of(config)
        began = monotonic()
        held = await destination.open_stream(stream)
        assert held in {place(number - 1), place(number)}
        went_through += held == place(number)
        if step == AT_THE_POSITION:  # comes before its successor asks where the stream stands
            await until_the_dead_is_through(snowflake, STEPS[step], asked=1)
        for window_number in (number, number + 1):
            changes = window_of(window_number)
            await apply(destination, stream, window(window_number - 1, window_number), changes)
        assert monotonic() - began < WAIT_FOR_LOCKS_S
        rows = [(0, f"u{number + 1}", "b0", None), (number + 11, f"n{number + 1}", "b", None)]
        assert await rows_at(destination) == rows
        await until_the_dead_is_through(snowflake, STEPS[step], asked=3)
        assert await rows_at(destination) == rows  # what came late has changed nothing
        assert await destination.open_stream(stream) == place(number + 1)
        await destination.aclose()
    assert went_through == (TURNS if step == "after COMMIT, the reply lost" else 0)


@pytest.mark.timeout(60 + 30 * TURNS)
@pytest.mark.parametrize("step", ["in COPY", "after COPY", "before COMMIT", "after COMMIT"])
async def test_a_process_killed_while_it_copies_new_rows_is_continued_exactly(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, processes: ForkServerContext, step: str
) -> None:
    """Its COPY may come when its transaction was ended: it is undone, and no row is there twice."""
    cut = (f"^{step.split()[1]}", "after" if step.startswith("after") else "before")
    destination = destination_of(config)
    stream = await loaded(destination, range(1))
    await destination.open_stream(stream)
    await apply(destination, stream, window(0, 1), new_rows_of(1))
    await destination.aclose()
    for number in range(2, 2 + 2 * TURNS, 2):
        await snowflake.clear()
        await kill_in(snowflake, config, processes, (stream, number, new_rows_of(number)), cut)
        destination = destination_of(config)
        held = await destination.open_stream(stream)
        assert held == place(number if step == "after COMMIT" else number - 1)
        for one in (number, number + 1):
            await apply(destination, stream, window(one - 1, one), new_rows_of(one))
        rows = [0, *(10 * one + i for one in range(1, number + 2) for i in range(2))]
        assert [row[0] for row in await rows_at(destination)] == rows
        await until_the_dead_is_through(snowflake, cut, asked=3)
        assert [row[0] for row in await rows_at(destination)] == rows
        said = [one.sql for one in await snowflake.log()]
        assert not any(sql.startswith("MERGE") and "__DTAAS_OP" in sql for sql in said)
        await destination.aclose()


async def kill_in(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    processes: ForkServerContext,
    life: tuple[TableStream, int, list[Change]],
    step: tuple[str, str],
) -> None:
    """Run a life and kill it when it has come to a step."""
    match, when = step
    await snowflake.inject(
        Fault(match=match, when=when, kind="delay", delay_s=DELAY_S)  # type: ignore[arg-type]
    )
    await kill_at_fault(snowflake, processes.Process(target=live, args=(config, *life)))


async def kill_at_fault(snowflake: SnowflakeEmulator, process: BaseProcess) -> None:
    """Run a process and kill it when it has met the fault that waits for it."""
    process.start()
    with fail_after(LIMIT_S):
        while await snowflake.waiting_faults():
            assert process.is_alive(), process.exitcode
    process.kill()
    process.join(LIMIT_S)
    assert process.exitcode == -9


async def until_the_dead_is_through(
    snowflake: SnowflakeEmulator, step: tuple[str, str], *, asked: int
) -> None:
    """Wait for what a dead process had asked for: it comes late, and no later fault may meet it.

    Args:
        asked: how often it and its successor have asked for such a statement since the log was
            cleared.
    """
    match, when = step
    with fail_after(LIMIT_S):
        while when == "before":
            said = await snowflake.log()
            if sum(re.search(match, one.sql) is not None for one in said) >= asked:
                return
            await sleep(0.05)


async def test_transactions_on_other_targets_go_on(config: SnowflakeConfig) -> None:
    first, second, third = (SessionPool(config) for _ in range(3))
    what, tag = "Testing", "dtaas/test"
    async with first.session(tag) as dead, second.session(tag) as other:
        await dead.run(what, begin('"A"'))
        await other.run(what, begin('"B"'))

        async def taken() -> None:
            raise OwnershipLostError("somebody else has it")

        async def shown() -> list[str]:
            return [row["name"] for row in await other.run_named(what, "SHOW TRANSACTIONS")]

        with pytest.raises(OwnershipLostError):
            await end_leftovers(third, tag, what, '"A"', taken)
        assert len(await shown()) == 2
        await end_leftovers(third, tag, what, '"A"', checkpoint)
        await end_leftovers(third, tag, what, '"A"', taken)  # nothing is left to be asked about
        left = await shown()
        await other.run(what, "ROLLBACK")
    assert len(left) == 1
    assert begin('"B"').startswith(f"BEGIN NAME {left[0][:20]}")
    for pool in (first, second, third):
        await pool.aclose()


@pytest.mark.timeout(120)
async def test_a_swap_that_a_killed_process_asked_for_comes_late_and_changes_nothing(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, processes: ForkServerContext
) -> None:
    schema, destination = schema_of(), destination_of(config)
    await whole_load(destination, load_of(destination, schema), rows_of(schema, 0, 50))
    load, swap = load_of(destination, schema), ("SWAP WITH", "before")
    await destination.claim(load.target, load.owner)
    await destination.begin(load)
    receipt = await write_chunk(destination, load, 0, rows_of(schema, 100, 180))
    await snowflake.clear()
    await snowflake.inject(Fault(match=swap[0], kind="delay", delay_s=DELAY_S))
    await kill_at_fault(snowflake, processes.Process(target=publish, args=(config, load, receipt)))
    # Its own SWAP takes so long that the late one falls in between.
    await snowflake.inject(Fault(match=swap[0], when="after", kind="delay", delay_s=2 * DELAY_S))
    assert not (await destination.commit(load, [receipt])).already_committed
    await until_the_dead_is_through(snowflake, swap, asked=2)
    after = expected(schema, rows_of(schema, 100, 180))
    assert await fingerprint_of(destination, load.target, schema) == after
    await destination.aclose()
