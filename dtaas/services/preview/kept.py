"""Rows that were read for a preview, kept for a while: typing reads no source."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

import pyarrow as pa
from anyio import current_time
from msgspec import Struct

from dtaas.model.schema import TableSchema

KEPT_S: Final = 300.0
MOST: Final = 64
MOST_BYTES: Final = 32_000_000


class Sampled(Struct, frozen=True):
    """Rows, the table as it is read, and when that was."""

    schema: TableSchema
    batch: pa.RecordBatch
    at: float


class KeptSamples:
    """Keeps the samples that were used last, within bounds of number, bytes and time."""

    def __init__(self) -> None:
        self._samples: OrderedDict[Hashable, Sampled] = OrderedDict()

    def get(self, key: Hashable) -> Sampled | None:
        """Return a sample that is not too old."""
        found = self._samples.get(key)
        if found is None or current_time() - found.at > KEPT_S:
            self._samples.pop(key, None)
            return None
        self._samples.move_to_end(key)
        return found

    def put(self, key: Hashable, schema: TableSchema, batch: pa.RecordBatch) -> Sampled:
        """Keep a sample; those not used for longest go."""
        made = self._samples[key] = Sampled(schema, batch, current_time())
        self._samples.move_to_end(key)
        while len(self._samples) > MOST or self._bytes() > MOST_BYTES:
            self._samples.popitem(last=False)
        return made

    def _bytes(self) -> int:
        return sum(sample.batch.nbytes for sample in self._samples.values())
