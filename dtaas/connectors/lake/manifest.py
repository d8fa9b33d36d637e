"""The documents that say what a target holds: manifest, pointer and owner's marker."""

from datetime import datetime
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from dtaas.model.errors import DestinationConflictError
from dtaas.model.ids import LoadId
from dtaas.model.load import DataFile, FileFormat, Owner, PartitionField, WriteMode
from dtaas.model.schema import TableSchema

VERSION: Final = 1
D = TypeVar("D", bound=Struct)


class LoadFile(DataFile, frozen=True, kw_only=True):
    """A data file and the load that wrote it.

    `partition` holds directory values as they stand in the key, but '' for an empty text, which
    Hive writes like NULL.
    """

    load_id: LoadId


class Manifest(Struct, frozen=True, kw_only=True):
    """All that readers see after one load: for an append, what was there before as well.

    Attributes:
        previous: the load this one followed, None for the first.
        rows: of all files.
        load_rows: of the files this load wrote.
    """

    version: int = VERSION
    load_id: LoadId
    previous: LoadId | None
    task_id: int
    mode: WriteMode
    format: FileFormat
    partition_by: tuple[PartitionField, ...]
    table: TableSchema
    source_position: str
    rows: int
    bytes: int
    load_rows: int
    load_bytes: int
    files: tuple[LoadFile, ...]
    committed_at: datetime


class Pointer(Struct, frozen=True, kw_only=True):
    """Names the manifest readers shall use. `epoch` is that of the daemon that moved it last."""

    version: int = VERSION
    load_id: LoadId
    manifest: str
    epoch: int = 0


class OwnerMarker(Struct, frozen=True, kw_only=True):
    """Who writes the target; None after a release."""

    version: int = VERSION
    owner: Owner | None


def encode(document: Struct) -> bytes:
    """Return a document as indented JSON, for people and `jq` alike."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def decode(data: bytes, document_type: type[D], key: str) -> D:
    """Return the document `encode` wrote.

    Raises:
        DestinationConflictError: it is not such a document.
    """
    try:
        return msgspec.json.decode(data, type=document_type)
    except msgspec.DecodeError as error:
        raise DestinationConflictError(
            f"{key} is not a {document_type.__name__} of ours: {error}",
            hint="Somebody else wrote it. Choose another target, or remove the object.",
        ) from error
