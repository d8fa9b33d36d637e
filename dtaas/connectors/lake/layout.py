"""Where the objects of one target lie.

    <target>/data/<load_id>/[column=value/…]part-<chunk>-<n>.<extension>
    <target>/_dtaas/manifests/<load_id>.json      immutable once pointed at
    <target>/_dtaas/current.json                  the pointer: one conditional put publishes a load
    <target>/_dtaas/owner.json                    the task that writes here
    <target>/_dtaas/stream.json                   what counts of the changes since; see changes.py
    <target>/_symlink_format_manifest/…/manifest  file lists for Hive, Athena, Presto and Trino
    <target>/_SUCCESS                             written last

Keys hold the load's id, so a key is never used for two contents.
"""

from dtaas.model.ids import LoadId
from dtaas.model.load import FileFormat, TargetTable

EXTENSIONS = {FileFormat.PARQUET: "parquet", FileFormat.CSV: "csv", FileFormat.JSON: "jsonl"}


class Layout:
    """Keys of one target."""

    def __init__(self, target: TargetTable) -> None:
        self.base = "/".join(target.path)

    @property
    def data(self) -> str:
        """Prefix of the data of all loads."""
        return f"{self.base}/data/"

    def load(self, load_id: LoadId) -> str:
        """Prefix of one load's data."""
        return f"{self.data}{load_id}/"

    def part(
        self, load_id: LoadId, folder: str, chunk: int, number: int, file_format: FileFormat
    ) -> str:
        """Key of one data file; `folder` is its partition, ending in `/`, or empty."""
        name = f"part-{chunk:05d}-{number:05d}.{EXTENSIONS[file_format]}"
        return f"{self.load(load_id)}{folder}{name}"

    def manifest(self, load_id: LoadId) -> str:
        """Key of one load's manifest."""
        return f"{self.base}/_dtaas/manifests/{load_id}.json"

    def changes(self, generation: str) -> str:
        """Prefix of the change files of one generation."""
        return f"{self.base}/cdc/{generation}/"

    def segment(self, generation: str, to: str) -> str:
        """Key of the list of one window's files."""
        return f"{self.base}/_dtaas/changes/{generation}/{to}.json"

    @property
    def stream(self) -> str:
        """Key of the head of the stream of changes."""
        return f"{self.base}/_dtaas/stream.json"

    @property
    def pointer(self) -> str:
        """Key of the pointer to the current load."""
        return f"{self.base}/_dtaas/current.json"

    @property
    def owner(self) -> str:
        """Key of the owner's marker."""
        return f"{self.base}/_dtaas/owner.json"

    @property
    def symlinks(self) -> str:
        """Prefix of the file lists for Hive-like readers."""
        return f"{self.base}/_symlink_format_manifest/"

    @property
    def success(self) -> str:
        """Key of the marker that a publication went to its end."""
        return f"{self.base}/_SUCCESS"
