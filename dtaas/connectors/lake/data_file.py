"""One data file on its way: rows go in at one end, a durable object comes out at the other."""

import pyarrow as pa

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.encode import Encoder, encoder
from dtaas.connectors.lake.objects import Upload
from dtaas.connectors.lake.partitions import PartitionValues
from dtaas.model.load import DataFile, FileFormat


class OpenDataFile:
    """A data file being written. Its rows are encoded in threads of `blocking`.

    Attributes:
        rows: those written so far.
    """

    def __init__(
        self,
        key: str,
        upload: Upload,
        *,
        file_format: FileFormat,
        schema: pa.Schema,
        blocking: Blocking,
    ) -> None:
        self.rows = 0
        self._key = key
        self._upload = upload
        self._blocking = blocking
        self._encoder: Encoder = encoder(file_format, upload.sink, schema)

    @property
    def size_bytes(self) -> int:
        """Encoded bytes so far."""
        return self._upload.sink.size_bytes

    @property
    def unsent_bytes(self) -> int:
        """Encoded bytes that wait in memory until they fill a part."""
        return self._upload.sink.unsent_bytes

    async def write(self, table: pa.Table) -> None:
        """Encode the rows of `table`; returns when there is room for more."""
        await self._blocking.droppable(self._encoder.write, table)
        self.rows += table.num_rows
        await self._upload.drain()

    async def finish(self, partition: PartitionValues = ()) -> DataFile:
        """Make the file durable and visible, and return what it is."""
        await self._blocking.droppable(self._encoder.close)
        etag = await self._upload.finish()
        sink = self._upload.sink
        return DataFile(
            key=self._key,
            rows=self.rows,
            bytes=sink.size_bytes,
            etag=etag,
            sha256=sink.sha256,
            partition=partition,
        )
