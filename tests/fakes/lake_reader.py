"""A reader of the lake that knows only what the README says: load, then changes in their order."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ORDER = ("_lsn", "_command_id", "_seqval", "_op")
METADATA = {*ORDER, "_commit_time", "_unchanged"}


class LakeTable:
    """One table below a folder."""

    def __init__(self, base: Path) -> None:
        self._folder = base

    def pointer(self) -> dict[str, Any] | None:
        return self._json("_dtaas/current.json")

    def head(self) -> dict[str, Any] | None:
        return self._json("_dtaas/stream.json")

    def load_rows(self) -> list[dict[str, Any]]:
        pointer = self.pointer()
        if pointer is None:
            return []
        manifest = json.loads((self._root / pointer["manifest"]).read_text())
        return [row for file in manifest["files"] for row in self._rows(file["key"])]

    def changes(self) -> list[dict[str, Any]]:
        """Return every change that counts, in order."""
        head = self.head()
        pointer = self.pointer()
        if head is None or (pointer is not None and pointer["load_id"] != head["generation"]):
            return []
        return [
            row
            for segment in self._segments(head)
            for file in segment["files"]
            for row in self._rows(file["key"])
        ]

    def state(self, key: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Return the rows by key as the changes left them."""
        rows = {tuple(row[k] for k in key): row for row in self.load_rows()}
        for change in sorted(self.changes(), key=lambda c: tuple(c[k] for k in ORDER)):
            place = tuple(change[k] for k in key)
            if change["_op"] == "D":
                rows.pop(place, None)
                continue
            kept = json.loads(change["_unchanged"] or "[]")
            row = {name: value for name, value in change.items() if name not in METADATA}
            old = rows.get(place, {})
            rows[place] = row | {name: old.get(name) for name in kept}
        return rows

    @property
    def _root(self) -> Path:
        return next(p for p in self._folder.parents if (p / "_root").exists())

    def _segments(self, head: dict[str, Any]) -> list[dict[str, Any]]:
        """Follow the segments from the last back to the first."""
        folder = self._folder / "_dtaas/changes" / head["generation"]
        found: list[dict[str, Any]] = []
        name, before = head["segment"], head["position"]
        while name is not None:
            segment = json.loads((folder / f"{name}.json").read_text())
            assert segment["to"] <= before, "windows overlap"
            found.append(segment)
            name, before = segment["previous"], segment["after"]
        assert before >= head["base"]
        return found[::-1]

    def _rows(self, key: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self._root / key).to_pylist()
        return rows

    def _json(self, name: str) -> dict[str, Any] | None:
        path = self._folder / name
        return json.loads(path.read_text()) if path.exists() else None
