"""The table of the bench: ten columns of the types an order has, and a block of its rows."""

import uuid
from typing import Any

import numpy as np

from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

SCHEMA_NAME = "dbo"
TABLE_NAME = "orders"
BLOCK_ROWS = 65_536
_DAYS_2020 = 737_424  # days from 0001-01-01 to 2020-01-01
_TICKS_A_DAY = 864_000_000_000
_WORDS = ("express", "économique", "standard", "overnight", "pick-up", "freight")


def _column(name: str, kind: SqlType, *, nullable: bool = False) -> ResultColumn:
    return ResultColumn(name=name, type=kind, nullable=nullable)


COLUMNS = (
    _column("id", SqlType("bigint")),
    _column("customer", SqlType("int")),
    _column("amount", SqlType("decimal", precision=18, scale=4)),
    _column("weight", SqlType("float", precision=53), nullable=True),
    _column("paid", SqlType("bit")),
    _column("ordered", SqlType("date")),
    _column("changed", SqlType("datetime2", scale=3)),
    _column("name", SqlType("nvarchar", 50, collation=DEFAULT_COLLATION), nullable=True),
    _column("note", SqlType("varchar", 100, collation=DEFAULT_COLLATION)),
    _column("ref", SqlType("uniqueidentifier")),
)


def block() -> list[tuple[Any, ...]]:
    """Return `BLOCK_ROWS` rows in wire form, the same in every run."""
    random = np.random.default_rng(7)
    n = BLOCK_ROWS
    customers = random.integers(1, 20_000, n).tolist()
    amounts = random.integers(100, 10**9, n).tolist()
    weights = np.round(random.random(n) * 100, 3).tolist()
    paid = random.integers(0, 2, n).tolist()
    days = (random.integers(0, 1500, n) + _DAYS_2020).tolist()
    ticks = (random.integers(0, 86_400_000, n) * 10_000).tolist()
    words = random.integers(0, len(_WORDS), n).tolist()
    refs = random.bytes(16 * n)
    return [
        (
            i + 1,
            customers[i],
            amounts[i],
            None if i % 17 == 0 else weights[i],
            paid[i],
            days[i],
            days[i] * _TICKS_A_DAY + ticks[i],
            None if i % 23 == 0 else f"Customer {customers[i]} {_WORDS[words[i]]}",
            f"{_WORDS[words[i]]} delivery, order {i} of the block",
            uuid.UUID(bytes=refs[16 * i : 16 * i + 16]).bytes_le,
        )
        for i in range(n)
    ]
