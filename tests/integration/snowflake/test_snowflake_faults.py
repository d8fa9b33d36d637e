"""Whatever dies at whatever step of a batch or a load, the target ends exactly right."""

import os

import anyio
import anyio.lowlevel
import pytest

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.changes import TableStream
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.errors import (
    DtaasError,
)
from dtaas.model.fingerprint import TableFingerprint
from dtaas.model.load import WriteMode
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

CHANGES: list[Change] = [
    ("I", 1, (5, "five", "b", None), None),
    ("U", 2, (0, "new", None, None), '["body"]'),
    ("D", 3, (1, None, None, None), None),
]
AFTER = [(0, "new", "b0", None), (2, "n2", "b2", None), (5, "five", "b", None)]
NEW_ROWS: list[Change] = [
    ("I", 1, (5, "five", "b", None), None),
    ("I", 2, (6, "six", "b", None), None),
]
STEPS = {
    "before PUT": ("^PUT", "before"),
    "after PUT": ("^PUT", "after"),
    "before COPY": ("^COPY", "before"),
    "after COPY": ("^COPY", "after"),
    "before MERGE": ("^MERGE.*__DTAAS_OP", "before"),
    "after MERGE": ("^MERGE.*__DTAAS_OP", "after"),
    "before the position": ('^INSERT INTO .*"POSITIONS"', "before"),
    "before COMMIT": ("^COMMIT", "before"),
    "after COMMIT, the reply lost": ("^COMMIT", "after"),
}
AGAIN = "before the session commits by itself again"
NEW_ROW_STEPS = {
    "after COPY": ("exit", "expire"),
    "before the position": ("error",),
    "before COMMIT": ("error",),
    "after COMMIT, the reply lost": ("exit", "expire"),
    AGAIN: ("error",),
}
"""Where windows of new rows are cut, and how; what they share with others is cut there."""
TURNS = int(os.environ.get("DTAAS_TEST_SNOWFLAKE_TURNS", "1"))
"""How often each cut is made: 50 for the long profile."""
KINDS = {"before": ("error", "exit"), "after": ("exit", "expire")}
"""What happens before a step; and after it ran, when its reply is what gets lost."""


async def inject(emulator: SnowflakeEmulator, step: str, kind: str) -> None:
    match, when = ("AUTOCOMMIT = TRUE", "before") if step == AGAIN else STEPS[step]
    await emulator.inject(Fault(match=match, when=when, kind=kind, code=604, message="injected"))


async def revived(emulator: SnowflakeEmulator, kind: str) -> None:
    if kind == "exit":
        await emulator.wait_dead()
        await emulator.start()


@pytest.mark.parametrize(
    ("step", "kind"), [(s, k) for s in STEPS for k in KINDS[STEPS[s][1]]] * TURNS
)
async def test_a_batch_cut_at_any_step_counts_once(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    step: str,
    kind: str,
) -> None:
    failed = await cut_and_redone(snowflake, config, lives, (step, kind), CHANGES)
    assert await rows_at(lives[-1]) == AFTER, (step, kind, failed)


@pytest.mark.parametrize(
    ("step", "kind"), [(s, k) for s, kinds in NEW_ROW_STEPS.items() for k in kinds] * TURNS
)
async def test_new_rows_cut_at_any_step_are_there_once(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    step: str,
    kind: str,
) -> None:
    failed = await cut_and_redone(snowflake, config, lives, (step, kind), NEW_ROWS)
    found = [row[0] for row in await rows_at(lives[-1])]
    assert found == [0, 1, 2, 5, 6], (step, kind, failed)


async def redo(
    lives: list[SnowflakeDestination],
    config: SnowflakeConfig,
    stream: TableStream,
    changes: list[Change],
) -> None:
    """Begin a new life, which goes on where the target stands."""
    lives.append(destination_of(config))
    held = await lives[-1].open_stream(stream)
    assert held in {None, place(0), place(3)}
    if held != place(3):
        await apply(lives[-1], stream, window(0, 3), changes)


async def cut_and_redone(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    cut: tuple[str, str],
    changes: list[Change],
) -> bool:
    """Apply a window that is cut at a step, then once more; return whether the first one failed."""
    step, kind = cut
    lives.append(destination_of(config))
    stream = await loaded(lives[0], range(3))
    await lives[0].open_stream(stream)
    await inject(snowflake, step, kind)
    failed = False
    async with anyio.create_task_group() as group:

        async def revive() -> None:
            await revived(snowflake, kind)

        group.start_soon(revive)
        try:
            await apply(lives[0], stream, window(0, 3), changes)
        except DtaasError:
            failed = True
    await redo(lives, config, stream, changes)
    return failed


LOAD_STEPS = {
    "after PUT": ("^PUT", "after"),
    "before COPY": ("^COPY", "before"),
    "after COPY": ("^COPY", "after"),
    "before SWAP": ("SWAP WITH", "before"),
    "after SWAP, the reply lost": ("SWAP WITH", "after"),
    "after DELETE": ("^DELETE FROM", "after"),
    "after INSERT": ("^INSERT INTO .*STAGED", "after"),
    "before the record": ('^INSERT INTO .*"LOADS"', "before"),
    "after the record, the reply lost": ('^INSERT INTO .*"LOADS"', "after"),
    "before COMMIT": ("^COMMIT", "before"),
    "after COMMIT, the reply lost": ("^COMMIT", "after"),
}
LOADS = {
    WriteMode.OVERWRITE: [
        *(s for s in LOAD_STEPS if "DELETE" not in s and "INSERT" not in s and "COMMIT" not in s)
    ],
    WriteMode.APPEND: ["after INSERT", *list(LOAD_STEPS)[-4:]],
    WriteMode.TRUNCATE_INSERT: ["after COPY", *list(LOAD_STEPS)[-6:]],
}
"""Where loads are cut: what a mode shares with another one before it is cut there once."""


@pytest.mark.parametrize(
    "cut",
    [(m, s, k) for m, steps in LOADS.items() for s in steps for k in KINDS[LOAD_STEPS[s][1]]],
)
async def test_a_load_cut_at_any_step_is_there_whole_and_once(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    cut: tuple[WriteMode, str, str],
) -> None:
    mode, step, kind = cut
    schema = schema_of()
    old, new = rows_of(schema, 0, 50), rows_of(schema, 100, 180)
    after = expected(schema, *([old, new] if mode is WriteMode.APPEND else [new]))
    lives.append(destination_of(config))
    before = load_of(lives[0], schema)
    await lives[0].claim(before.target, before.owner)
    await lives[0].begin(before)
    await lives[0].commit(before, [await write_chunk(lives[0], before, 0, old)])
    load = load_of(lives[0], schema, mode=mode)
    await lives[0].begin(load)
    match, when = LOAD_STEPS[step]
    await snowflake.inject(Fault(match=match, when=when, kind=kind, code=604, message="injected"))
    async with anyio.create_task_group() as group:

        async def revive() -> None:
            await revived(snowflake, kind)

        group.start_soon(revive)
        try:
            receipt = await write_chunk(lives[0], load, 0, new)
            await lives[0].commit(load, [receipt])
        except DtaasError:
            lives.append(destination_of(config))
            found = await fingerprint_of(lives[-1], load.target, schema)
            assert found in (expected(schema, old), after)
    lives.append(destination_of(config))
    await lives[-1].begin(load)
    receipt = await write_chunk(lives[-1], load, 0, new)
    result = await lives[-1].commit(load, [receipt])
    assert result.rows == 80
    assert await fingerprint_of(lives[-1], load.target, schema) == after


@pytest.mark.parametrize("mode", list(WriteMode))
async def test_readers_see_the_old_rows_or_the_new_ones(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    mode: WriteMode,
) -> None:
    schema = schema_of()
    old, new = rows_of(schema, 0, 50), rows_of(schema, 100, 180)
    after = expected(schema, *([old, new] if mode is WriteMode.APPEND else [new]))
    lives += [destination_of(config), destination_of(config)]
    await whole_load(lives[0], load_of(lives[0], schema), old)
    load = load_of(lives[0], schema, mode=mode)
    await lives[0].begin(load)
    receipt = await write_chunk(lives[0], load, 0, new)
    for match in ("^DELETE FROM", "^INSERT INTO .*STAGED", "SWAP WITH", "^COMMIT"):
        for when in ("before", "after"):
            await snowflake.inject(Fault(match=match, when=when, kind="delay", delay_s=0.3))
    seen: list[TableFingerprint] = []
    done = anyio.Event()

    async def read() -> None:
        while not done.is_set():
            seen.append(await fingerprint_of(lives[1], load.target, schema))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await lives[0].commit(load, [receipt])
        done.set()
    assert seen[0] == expected(schema, old)
    assert all(found in (expected(schema, old), after) for found in seen), seen
    assert await fingerprint_of(lives[1], load.target, schema) == after
