"""Writes checkpoints and receipts as fast as it can and says what was acknowledged; is killed.

Run as `python -m tests.integration.store.writer URL DATA_DIR TASK_ID`.
"""

import sys
from pathlib import Path

import anyio

from dtaas.connectors.registry import Registry
from dtaas.model.ids import TaskId
from dtaas.store.store import open_store
from tests.contract.store_samples import TABLE, load_id, receipt, table_load


async def write(url: str, data_dir: Path, task_id: TaskId) -> None:
    async with open_store(url, data_dir=data_dir, registry=Registry(memory=True)) as store:
        if await store.loads.open_load(task_id, TABLE) is None:
            await store.loads.save_load(table_load(task_id, 1))
        stored = await store.checkpoints.load(task_id, TABLE)
        number = int.from_bytes(stored or b"", "big")
        while True:
            number += 1
            await store.checkpoints.advance(task_id, TABLE, number.to_bytes(10, "big"))
            await store.loads.save_receipt(load_id(1), receipt(number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(write, sys.argv[1], Path(sys.argv[2]), TaskId(int(sys.argv[3])))
