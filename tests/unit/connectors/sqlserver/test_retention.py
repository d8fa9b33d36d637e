"""How long changes are kept, by what the login may ask; asked rarely, and never in the way."""

from collections.abc import Sequence
from typing import Any

import pytest

from dtaas.connectors.sqlserver.capture.retention import Retention
from dtaas.model.errors import ConnectionLostError, PermissionDeniedError

JOBS = [
    ("id", "capture", "cdc.db_capture", 500, 10, True, 5, 0, 0),
    ("id", "cleanup", "cdc.db_cleanup", 0, 0, False, 0, 4320, 5000),
]
Rows = Sequence[Sequence[Any]]


class Pool:
    """Answers as a login with some rights is answered."""

    def __init__(self, rights: tuple[int | None, int | None], answer: Rows | Exception) -> None:
        self.asked: list[str] = []
        self._rights = rights
        self._answer = answer

    async def fetch(self, _what: str, sql: str) -> Rows:
        self.asked.append(sql)
        if "HAS_PERMS_BY_NAME" in sql:
            return [self._rights]
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def seconds(pool: Pool) -> float | None:
    return await Retention(pool).seconds()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rights", "answer", "expected"),
    [
        ((1, None), JOBS, 259_200.0),
        ((0, 1), [("capture", 0), ("cleanup", 60)], 3600.0),
        ((1, 1), JOBS[:1], None),  # nothing cleans
        ((0, None), [], None),
        ((1, 1), PermissionDeniedError("no"), None),
    ],
)
async def test_by_what_the_login_may_ask(
    rights: tuple[int | None, int | None], answer: Rows | Exception, expected: float | None
) -> None:
    assert await seconds(Pool(rights, answer)) == expected


async def test_it_is_asked_for_once_in_a_while() -> None:
    pool = Pool((1, None), JOBS)
    retention = Retention(pool)  # type: ignore[arg-type]
    assert await retention.seconds() == await retention.seconds() == 259_200.0
    assert len(pool.asked) == 2


async def test_a_server_that_is_away_is_said() -> None:
    with pytest.raises(ConnectionLostError):
        await seconds(Pool((1, None), ConnectionLostError("gone")))
