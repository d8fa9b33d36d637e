"""The demo's files at the destination: copied out to look at, or altered to be found out."""

import io
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.folder import FolderStore
from dtaas.connectors.lake.objects import ObjectStore
from dtaas.connectors.lake.s3_store import S3Store
from dtaas.model.connectors import S3Config

_MARK = "~"
_SCHEMA = "dbo/"
"""The prefix template of the demo's connectors begins with the schema."""


async def export(request: dict[str, Any], folder: Path) -> None:
    """Copy every object of a destination into `folder`, under its key."""
    blocking = Blocking(2)
    async with opened_store(request) as store:
        for key in await store.list(_SCHEMA):
            target = folder / key
            await blocking(target.parent.mkdir, parents=True, exist_ok=True)
            async with store.fetch(key) as path:
                await blocking(shutil.copyfile, path, target)


async def corrupt_rows(request: dict[str, Any], rows: int) -> None:
    """Alter one value of `rows` rows, spread over the Parquet files of the destination's loads."""
    if rows == 0:
        return
    blocking = Blocking(1)
    async with opened_store(request) as store:
        found = sorted(await store.list(_SCHEMA))
        keys = [key for key in found if "/data/" in key and key.endswith(".parquet")]
        each = dict.fromkeys(keys, 0)
        for key in islice(cycle(keys), rows):
            each[key] += 1
        for key, count in each.items():
            if count:
                async with store.fetch(key) as path:
                    altered = await blocking(_altered, path, count)
                await store.put(key, altered)


@asynccontextmanager
async def opened_store(request: dict[str, Any]) -> AsyncIterator[ObjectStore]:
    """Open the object store that a request to the API described."""
    config = request["connection_config"]
    if request["destination_type"] == "s3":
        store: ObjectStore = S3Store(msgspec.convert(config, S3Config))
    else:
        store = FolderStore(Path(config["path"]))
    async with aclosing(store):
        yield store


def _altered(path: Path, rows: int) -> bytes:
    """Return the file with another text in the last column of its first `rows` rows."""
    table = pq.read_table(path)
    texts = table.column(-1).to_pylist()
    changed = [f"{text}{_MARK}" if row < rows else text for row, text in enumerate(texts)]
    column = pa.array(changed, table.schema.field(-1).type)
    sink = io.BytesIO()
    pq.write_table(table.set_column(table.num_columns - 1, table.schema.field(-1), column), sink)
    return sink.getvalue()
