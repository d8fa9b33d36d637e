"""What the demo goes on with: a task that streams, and small transactions to be seen in it."""

import random
from contextlib import aclosing
from typing import Final

import click
from anyio import sleep

from dtaas.cli.demo_task import DemoApi
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import DtaasError
from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import SandboxAccess

LIVE_TASK: Final = "TPC-H, live"
TABLES: Final = (TableRef("dbo", "customer"), TableRef("dbo", "orders"))
_EVERY_S: Final = 0.3
_NEW_ORDERS: Final = """
INSERT INTO dbo.orders
SELECT (SELECT MAX(o_orderkey) FROM dbo.orders) + ROW_NUMBER() OVER (ORDER BY o_orderkey),
  o_custkey, 'O', o_totalprice, CAST(GETDATE() AS date), o_orderpriority, o_clerk, o_shippriority,
  'placed while you watch'
FROM dbo.orders WHERE o_custkey = {customer}"""
_CHANGES: Final = (
    _NEW_ORDERS,
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


async def show_live_changes(api: DemoApi, access: SandboxAccess, task_id: int) -> None:
    """Stream two tables into targets of their own, and change them until cancelled.

    Args:
        task_id: the demo's task, whose connectors are used.
    """
    await api.stream(task_id, LIVE_TASK, TABLES)
    click.echo(
        f"Task '{LIVE_TASK}' now streams {' and '.join(t.name for t in TABLES)} by change data "
        "capture, while orders are placed and shipped: watch it in the page."
    )
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
    dice = random.Random()  # noqa: S311 - which customers buy
    async with aclosing(ControlPool(endpoint)) as pool:
        while True:
            statement = dice.choice(_CHANGES).format(customer=dice.randint(1, 1_000))
            try:
                await pool.fetch("Changing the demo's tables", statement)
            except DtaasError as error:  # the demo goes on without its changes
                click.secho(f"{error.code}: {error.detail}", fg="red", err=True)
                return
            await sleep(_EVERY_S)
