"""The reader of the lake, of a table below a folder."""

from pathlib import Path

from dtaas.sandbox.chaos.lake_reader import METADATA, ORDER, LakeReader, folder

__all__ = ["METADATA", "ORDER", "LakeTable"]


class LakeTable(LakeReader):
    """One table below the folder that holds a file `_root`."""

    def __init__(self, base: Path) -> None:
        root = next(p for p in base.parents if (p / "_root").exists())
        super().__init__(folder(root), base.relative_to(root).as_posix())
