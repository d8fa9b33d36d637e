"""Truth: one conversation, recorded once, and six libraries that must agree with it."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from dtaas.concurrency.blocking import Blocking
from tests.integration.sqlserver.clients import CLIENTS
from tests.integration.sqlserver.odbc_session import Connector

SETUP = """
CREATE TABLE talk (id int PRIMARY KEY, b bit, t tinyint, s smallint, big bigint,
  dec decimal(18, 4), cash money, f float, r real, d date, dt datetime, dt2 datetime2(6),
  v varchar(20), n nvarchar(20), bin varbinary(8), g uniqueidentifier)
GO
INSERT INTO talk VALUES
  (1, 1, 255, -32768, 9223372036854775807, -1234.5678, 12.3400, 0.1, 0.5, '2024-02-29',
   '2024-02-29T12:34:56.790', '2024-02-29T12:34:56.123456', 'plain', N'ünïcode', 0x00FF,
   '00112233-4455-6677-8899-AABBCCDDEEFF'),
  (2, 0, 0, 32767, -9223372036854775808, 0, -0.0001, -1.5E300, -2.25, '0001-01-01',
   '1753-01-01', '9999-12-31T23:59:59.999999', '', N'日本😀', 0x, '6F9619FF-8B86-D011-B42D-00C04FC964FF')
"""

CONVERSATION: list[tuple[str, list[tuple[Any, ...]]]] = [
    (
        "SELECT id, b, t, s, big FROM talk ORDER BY id",
        [(1, True, 255, -32768, 2**63 - 1), (2, False, 0, 32767, -(2**63))],
    ),
    (
        "SELECT dec FROM talk ORDER BY id",
        [(Decimal("-1234.5678"),), (Decimal("0.0000"),)],
    ),
    ("SELECT f, r FROM talk ORDER BY id", [(0.1, 0.5), (-1.5e300, -2.25)]),
    ("SELECT d FROM talk ORDER BY id", [(dt.date(2024, 2, 29),), (dt.date(1, 1, 1),)]),
    (
        "SELECT v, n FROM talk ORDER BY id DESC",
        [("", "日本😀"), ("plain", "ünïcode")],
    ),
    ("SELECT bin FROM talk ORDER BY id", [(b"\x00\xff",), (b"",)]),
    (
        "SELECT g FROM talk ORDER BY g",
        [
            ("6F9619FF-8B86-D011-B42D-00C04FC964FF",),
            ("00112233-4455-6677-8899-AABBCCDDEEFF",),
        ],
    ),
    (
        "SELECT dt2 FROM talk WHERE id = 1",
        [(dt.datetime(2024, 2, 29, 12, 34, 56, 123456),)],
    ),
    (
        "SELECT COUNT(*) AS n, SUM(CAST(t AS bigint)) AS total, MIN(v) AS low FROM talk",
        [(2, 255, "")],
    ),
    (
        (
            "SELECT a.id AS one, b.id AS other FROM talk AS a LEFT JOIN talk AS b ON b.id = a.id + 1"
            " ORDER BY a.id"
        ),
        [(1, 2), (2, None)],
    ),
]
MONEY = {"connectorx": [(12.34,), (-0.0001,)]}
MONEY_ROWS = [(Decimal("12.3400"),), (Decimal("-0.0001"),)]


@pytest.fixture(scope="module", autouse=True)
async def talk(connector: Connector) -> None:
    await connector.server.run_script(SETUP, database=connector.database)


@pytest.mark.parametrize("name", CLIENTS)
async def test_the_conversation(connector: Connector, name: str) -> None:
    blocking = Blocking(1)
    heard = [(sql, await blocking(CLIENTS[name], connector, sql)) for sql, _ in CONVERSATION]
    assert heard == CONVERSATION


@pytest.mark.parametrize("name", CLIENTS)
async def test_money(connector: Connector, name: str) -> None:
    rows = await Blocking(1)(CLIENTS[name], connector, "SELECT cash FROM talk ORDER BY id")
    assert rows == MONEY.get(name, MONEY_ROWS)


@pytest.mark.parametrize("name", CLIENTS)
async def test_an_error_reaches_the_caller(connector: Connector, name: str) -> None:
    with pytest.raises(Exception, match="Invalid object name 'nobody'"):
        await Blocking(1)(CLIENTS[name], connector, "SELECT * FROM nobody")
