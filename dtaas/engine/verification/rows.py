"""The rows that differ, told by key and column."""

from collections import Counter
from collections.abc import Sequence
from threading import Lock

import numpy as np
import pyarrow as pa
from msgspec import Struct

from dtaas.engine.verification.digest import key_hashes
from dtaas.model.fingerprint import U64, hash_values
from dtaas.model.key_text import key_texts
from dtaas.model.verification import Difference, KeyDifference

Key = tuple[str | None, ...]


class FoundRows:
    """Rows of some keys at one side: the key as text, and a hash per column."""

    def __init__(self, key: Sequence[str], wanted: U64) -> None:
        """Begin.

        Args:
            wanted: key hashes, ascending.
        """
        self._key = list(key)
        self._wanted = wanted
        self._adding = Lock()
        self.rows: dict[Key, dict[str, int]] = {}
        self.counts: Counter[Key] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the rows of the keys wanted."""
        kept = np.isin(key_hashes(batch, self._key), self._wanted)
        if not kept.any():
            return
        some = batch.filter(pa.array(kept))
        keys = list(zip(*(key_texts(some.column(name)) for name in self._key), strict=True))
        hashes = [hash_values(column).tolist() for column in some.columns]
        names = some.schema.names
        with self._adding:
            for i, key in enumerate(keys):
                self.counts[key] += 1
                self.rows[key] = {n: h[i] for n, h in zip(names, hashes, strict=True)}


class Comparison(Struct, frozen=True):
    """Two sides' rows of the same keys."""

    source: FoundRows
    destination: FoundRows

    def differences(self, key: Sequence[str]) -> list[KeyDifference]:
        """Return each key that differs, in the order of their texts."""
        left, right = self.source, self.destination
        found = []
        for one in sorted(left.rows.keys() | right.rows.keys(), key=_order):
            names = dict(zip(key, one, strict=True))
            if one not in right.rows:
                found.append(KeyDifference(key=names, difference=Difference.MISSING))
            elif one not in left.rows:
                found.append(KeyDifference(key=names, difference=Difference.EXTRA))
            elif right.counts[one] > left.counts[one]:
                found.append(KeyDifference(key=names, difference=Difference.DOUBLED))
            else:
                a, b = left.rows[one], right.rows[one]
                columns = tuple(name for name in a if a[name] != b.get(name))
                if columns:
                    found.append(
                        KeyDifference(key=names, difference=Difference.CHANGED, columns=columns)
                    )
        return found


def _order(key: Key) -> tuple[tuple[bool, int, str], ...]:
    """Sort whole numbers by size; the order of others only has to be the same each time."""
    return tuple((text is None, len(text or ""), text or "") for text in key)
