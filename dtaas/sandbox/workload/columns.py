"""Columns a random table may have, the values they take, and how T-SQL writes those."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, TypeAlias
from uuid import UUID

from msgspec import Struct

Value: TypeAlias = bool | int | float | Decimal | str | bytes | date | None
"""As pyodbc returns it: uniqueidentifier as text in capitals."""

_PLAIN: Final = "abcdefghij KLMNOP0123456789'-_%[]"
_WIDE: Final = _PLAIN + "äßéЖ中\U0001f600\n"
_LONG_REPEATS: Final = (0, 1, 40, 400)
_EPOCH: Final = datetime(1995, 1, 1)  # noqa: DTZ001 - datetime2 has no zone
_DAYS: Final = 20_000
_EIGHTHS: Final = 1 << 40
"""Floats are eighths, so that their decimal text is exact."""
_NULL_SHARE: Final = 0.15


class Column(Struct, frozen=True):
    """A column: its type as declared, and what makes a value for it.

    Attributes:
        is_long: of a type whose unchanged values change data capture leaves out.
    """

    name: str
    declaration: str
    make: Callable[[Random], Value]
    is_nullable: bool = True
    is_long: bool = False

    @property
    def sql(self) -> str:
        """Return the column as CREATE TABLE writes it."""
        return f"{self.name} {self.declaration} {'NULL' if self.is_nullable else 'NOT NULL'}"

    def value(self, rng: Random) -> Value:
        """Return a random value, NULL at times where that is allowed."""
        if self.is_nullable and rng.random() < _NULL_SHARE:
            return None
        return self.make(rng)


def _text(alphabet: str, most: int) -> Callable[[Random], str]:
    # No space at the end: comparisons ignore it, and nobody else's rules are under test here.
    return lambda rng: "".join(rng.choices(alphabet, k=rng.randint(0, most))).rstrip()


def _long(rng: Random) -> str:
    return "".join(rng.choices(_WIDE, k=25)).strip() * rng.choice(_LONG_REPEATS)


def _moment(rng: Random) -> datetime:
    day = _EPOCH + timedelta(days=rng.randrange(_DAYS))
    return day + timedelta(milliseconds=rng.randrange(86_400_000))


_KINDS: Final[tuple[tuple[str, Callable[[Random], Value]], ...]] = (
    ("int", lambda rng: rng.randint(-(2**31), 2**31 - 1)),
    ("bigint", lambda rng: rng.randint(-(2**63), 2**63 - 1)),
    ("bit", lambda rng: rng.random() < 1 / 2),
    ("decimal(18,4)", lambda rng: Decimal(rng.randint(-(10**18) + 1, 10**18 - 1)).scaleb(-4)),
    ("float", lambda rng: rng.randint(-_EIGHTHS, _EIGHTHS) / 8),
    ("varchar(40)", _text(_PLAIN, 40)),
    ("nvarchar(80)", _text(_WIDE, 40)),
    ("date", lambda rng: _moment(rng).date()),
    ("datetime2(3)", _moment),
    ("varbinary(16)", lambda rng: rng.randbytes(rng.randint(0, 16))),
    ("uniqueidentifier", lambda rng: str(UUID(bytes=rng.randbytes(16))).upper()),
    ("nvarchar(max)", _long),
)


def random_column(rng: Random, name: str, *, is_nullable: bool | None = None) -> Column:
    """Return a column of a random kind; whether it may be NULL is random too, unless given."""
    declaration, make = rng.choice(_KINDS)
    return Column(
        name=name,
        declaration=declaration,
        make=make,
        is_nullable=rng.random() < 2 / 3 if is_nullable is None else is_nullable,
        is_long="max" in declaration,
    )


def literal(value: Value) -> str:
    """Return a value as T-SQL writes it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(int(value))
        case float():
            return f"{value:.3f}E0"
        case int() | Decimal():
            return str(value)
        case bytes():
            return f"0x{value.hex()}"
        case datetime():
            return f"'{value.isoformat(timespec='milliseconds')}'"
        case date():
            return f"'{value.isoformat()}'"
        case str():
            escaped = value.replace("'", "''")
            return f"N'{escaped}'"
