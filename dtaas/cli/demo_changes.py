"""Changes for the demo to move: a burst as TPC-H refreshes, then small ones for ever."""

import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Final

import click
from anyio import sleep
from msgspec import Struct

from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import DtaasError
from dtaas.model.schema import TableRef
from dtaas.sandbox.access import SandboxAccess

CHANGED: Final = tuple(TableRef("dbo", name) for name in ("customer", "orders", "lineitem"))
_REFRESHES: Final = 9
_EVERY_S: Final = 0.3
_WHAT: Final = "Changing the demo's tables"
_REFRESH: Final = """
BEGIN TRANSACTION;
DECLARE @n int;
INSERT INTO dbo.orders
SELECT o_orderkey + {far}, o_custkey, 'O', o_totalprice, o_orderdate, o_orderpriority, o_clerk,
  o_shippriority, o_comment
FROM dbo.orders WHERE o_orderkey > {low} AND o_orderkey <= {low} + 1200;
SET @n = @@ROWCOUNT;
INSERT INTO dbo.lineitem
SELECT l_orderkey + {far}, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice,
  l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate,
  l_shipinstruct, l_shipmode, l_comment
FROM dbo.lineitem WHERE l_orderkey > {low} AND l_orderkey <= {low} + 1200;
SET @n = @n + @@ROWCOUNT;
DELETE FROM dbo.lineitem WHERE l_orderkey > {low} AND l_orderkey <= {low} + 200;
SET @n = @n + @@ROWCOUNT;
DELETE FROM dbo.orders WHERE o_orderkey > {low} AND o_orderkey <= {low} + 160;
SET @n = @n + @@ROWCOUNT;
UPDATE dbo.orders SET o_orderkey = -o_orderkey
WHERE o_orderkey > {low} + 160 AND o_orderkey <= {low} + 200;
SET @n = @n + 2 * @@ROWCOUNT;
UPDATE dbo.customer SET c_acctbal = c_acctbal - 1
WHERE c_custkey > {customer} AND c_custkey % {refreshes} = {number};
SET @n = @n + @@ROWCOUNT;
COMMIT;
SELECT @n;"""
"""New orders with their lines, old ones gone, a few with another key (a delete and an insert), and
customers who paid. Only rows of the upper half: the first rows are left for `--corrupt`."""

_SMALL: Final = (
    """
INSERT INTO dbo.orders
SELECT (SELECT MAX(o_orderkey) FROM dbo.orders) + ROW_NUMBER() OVER (ORDER BY o_orderkey),
  o_custkey, 'O', o_totalprice, CAST(GETDATE() AS date), o_orderpriority, o_clerk, o_shippriority,
  'placed while you watch'
FROM dbo.orders WHERE o_custkey = {customer}""",
    (
        "UPDATE dbo.customer SET c_acctbal = c_acctbal - 1 WHERE c_custkey BETWEEN {customer} AND"
        " {customer} + 9"
    ),
    (
        "UPDATE dbo.orders SET o_orderstatus = 'F' WHERE o_comment = 'placed while you watch'"
        " AND o_orderkey % 7 = {customer} % 7"
    ),
    (
        "DELETE FROM dbo.orders WHERE o_comment = 'placed while you watch'"
        " AND o_orderkey % 11 = {customer} % 11"
    ),
)


_NEW_COLUMN_AFTER: Final = 60
_NEW_COLUMN: Final = "ALTER TABLE dbo.customer ADD c_tier int NULL"
_NEW_VALUES: Final = (
    "UPDATE dbo.customer SET c_tier = c_custkey % 3 WHERE c_custkey BETWEEN {customer} AND"
    " {customer} + 9"
)


class Burst(Struct, frozen=True):
    """What was changed at the source, and when the first transaction began."""

    changes: int
    began: datetime


async def burst(access: SandboxAccess) -> Burst:
    """Change some 17,000 rows in a few transactions, and count them.

    Raises:
        DtaasError: the source refused.
    """
    began, changes = datetime.now(UTC), 0
    async with _connected(access) as pool:
        found = await pool.fetch(
            _WHAT,
            "SELECT (SELECT MAX(o_orderkey) FROM dbo.orders),"
            " (SELECT MAX(c_custkey) FROM dbo.customer)",
        )
        last_order, last_customer = (int(value) for value in found[0])
        for number in range(_REFRESHES):
            low = last_order // 2 + number * (last_order // 2 // _REFRESHES)
            rows = await pool.fetch(
                _WHAT,
                _REFRESH.format(
                    far=(number + 1) * 100_000_000,
                    low=low,
                    customer=last_customer // 2,
                    number=number,
                    refreshes=_REFRESHES,
                ),
            )
            changes += int(rows[0][0])
    return Burst(changes, began)


async def change_for_ever(access: SandboxAccess) -> None:
    """Place, pay and ship orders until cancelled; after a while customers get a new column."""
    dice = random.Random()  # noqa: S311 - which customers buy
    statements: tuple[str, ...] = _SMALL
    async with _connected(access) as pool:
        for number in count(1):
            statement = dice.choice(statements).format(customer=dice.randint(1, 1_000))
            if number == _NEW_COLUMN_AFTER:
                statement, statements = _NEW_COLUMN, (*_SMALL, _NEW_VALUES)
            try:
                await pool.fetch(_WHAT, statement)
            except DtaasError as error:  # the demo goes on without its changes
                click.secho(f"{error.code}: {error.detail}", fg="red", err=True)
                return
            await sleep(_EVERY_S)


@asynccontextmanager
async def _connected(access: SandboxAccess) -> AsyncIterator[ControlPool]:
    server = access.sqlserver
    config = SqlServerConfig(
        host=server.host,
        port=server.port,
        database=server.database,
        username=server.username,
        password=server.password,
        trust_server_certificate=True,
    )
    endpoint = Endpoint(config, driver=find_driver(), application="dtaas demo")
    async with aclosing(ControlPool(endpoint)) as pool:
        yield pool
