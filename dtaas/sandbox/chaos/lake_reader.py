"""A reader of the lake that knows only what the README says: load, then changes in their order."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

Fetch = Callable[[str], bytes | None]
"""Gives what lies under a key, None when nothing does."""

ORDER: Final = ("_lsn", "_command_id", "_seqval", "_op")
METADATA: Final = frozenset({*ORDER, "_commit_time", "_unchanged"})
READ_AGAIN: Final = 2_147_483_647
"""`_command_id` of rows that came again because the table got columns."""


class BrokenLakeError(Exception):
    """What is published contradicts itself."""


class LakeReader:
    """Reads one table. What pointers count on never changes, so it is fetched once."""

    def __init__(self, fetch: Fetch, base: str) -> None:
        """Read through `fetch` the table below the key `base`, which ends without a slash."""
        self._fetch = fetch
        self._base = base
        self._kept: dict[str, list[dict[str, Any]]] = {}

    def pointer(self) -> dict[str, Any] | None:
        """Return which load counts, None before the first."""
        return self._json(f"{self._base}/_dtaas/current.json")

    def head(self) -> dict[str, Any] | None:
        """Return what counts of the stream, None before its first life."""
        return self._json(f"{self._base}/_dtaas/stream.json")

    def load_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the load that counts."""
        return self._load_rows(self.pointer())

    def changes(self) -> list[dict[str, Any]]:
        """Return every change that counts, in order."""
        head = self.head()
        return self._changes(head, self.pointer())

    def state(self, key: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Return the rows by key as the changes left them."""
        head, pointer = self.head(), self.pointer()
        rows = {tuple(row[k] for k in key): row for row in self._load_rows(pointer)}
        for change in sorted(self._changes(head, pointer), key=_place):
            place = tuple(change[k] for k in key)
            if change["_op"] == "D":
                rows.pop(place, None)
                continue
            kept = json.loads(change["_unchanged"] or "[]")
            row = {name: value for name, value in change.items() if name not in METADATA}
            old = rows.get(place, {})
            rows[place] = row | {name: old.get(name) for name in kept}
        return rows

    def _load_rows(self, pointer: dict[str, Any] | None) -> list[dict[str, Any]]:
        if pointer is None:
            return []
        manifest = self._required(pointer["manifest"])
        return [row for file in manifest["files"] for row in self._rows(file["key"])]

    def _changes(
        self, head: dict[str, Any] | None, pointer: dict[str, Any] | None
    ) -> list[dict[str, Any]]:
        if head is None or (pointer is not None and pointer["load_id"] != head["generation"]):
            return []
        return [
            row
            for segment in self._segments(head)
            for file in segment["files"]
            for row in self._rows(file["key"])
        ]

    def _segments(self, head: dict[str, Any]) -> list[dict[str, Any]]:
        """Follow the segments from the last back to the first."""
        folder = f"{self._base}/_dtaas/changes/{head['generation']}"
        found: list[dict[str, Any]] = []
        name, before = head["segment"], head["position"]
        while name is not None:
            segment = self._required(f"{folder}/{name}.json")
            if segment["to"] > before:
                raise BrokenLakeError(f"{self._base}: windows overlap at {segment['to']}")
            found.append(segment)
            name, before = segment["previous"], segment["after"]
        if before < head["base"]:
            raise BrokenLakeError(f"{self._base}: {before} lies before the load")
        return found[::-1]

    def _rows(self, key: str) -> list[dict[str, Any]]:
        if key not in self._kept:
            data = self._fetch(key)
            if data is None:
                raise BrokenLakeError(f"{key} is missing")
            self._kept[key] = pq.read_table(io.BytesIO(data)).to_pylist()
        return self._kept[key]

    def _required(self, key: str) -> dict[str, Any]:
        found = self._json(key)
        if found is None:
            raise BrokenLakeError(f"{key} is missing")
        return found

    def _json(self, key: str) -> dict[str, Any] | None:
        data = self._fetch(key)
        return None if data is None else json.loads(data)


def folder(root: Path) -> Fetch:
    """Return what fetches from below a folder."""

    def fetch(key: str) -> bytes | None:
        path = root / key
        return path.read_bytes() if path.exists() else None

    return fetch


def _place(change: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(change[name] for name in ORDER)
