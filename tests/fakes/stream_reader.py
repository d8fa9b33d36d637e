"""Reads change files back from any object store, by the README's rule: head, segments, files."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dtaas.connectors.lake.objects import ObjectStore
from dtaas.model.changes import TableStream


async def rows_of(store: ObjectStore, stream: TableStream) -> list[dict[str, Any]]:
    """Return every change that counts, in order; text formats give numbers as text."""
    base = "/".join(stream.target.path)
    head = await _document(store, f"{base}/_dtaas/stream.json")
    if head is None or head["generation"] != stream.generation:
        return []
    rows: list[list[dict[str, Any]]] = []
    name, before = head["segment"], head["position"]
    while name is not None:
        segment = await _document(store, f"{base}/_dtaas/changes/{head['generation']}/{name}.json")
        assert segment is not None
        assert segment["to"] <= before, "windows overlap"
        for file in reversed(segment["files"]):
            async with store.fetch(file["key"]) as path:
                read = _read(path, file["key"])
            assert len(read) == file["rows"]
            rows.append(read)
        name, before = segment["previous"], segment["after"]
    assert before >= head["base"]
    return [row for part in reversed(rows) for row in part]


async def _document(store: ObjectStore, key: str) -> dict[str, Any] | None:
    found = await store.get(key)
    return None if found is None else json.loads(found.data)


def _read(path: Path, key: str) -> list[dict[str, Any]]:
    if key.endswith(".parquet"):
        with path.open("rb") as file:
            rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows
    if key.endswith(".csv"):
        with path.open(newline="") as text:
            return list(csv.DictReader(text))
    return [json.loads(line) for line in path.read_text().splitlines()]
