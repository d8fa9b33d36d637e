"""The eight tables of TPC-H: their T-SQL and their rows, made by `tpchgen-cli`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dtaas.model.schema import TableRef

ROWS_AT_SCALE_TENTH = 866_602
_GENERATE_LIMIT_S = 3600

DDL = (
    """CREATE TABLE dbo.region (
        r_regionkey int NOT NULL CONSTRAINT pk_region PRIMARY KEY,
        r_name char(25) NOT NULL,
        r_comment varchar(152) NOT NULL)""",
    """CREATE TABLE dbo.nation (
        n_nationkey int NOT NULL CONSTRAINT pk_nation PRIMARY KEY,
        n_name char(25) NOT NULL,
        n_regionkey int NOT NULL CONSTRAINT fk_nation_region REFERENCES dbo.region (r_regionkey),
        n_comment varchar(152) NOT NULL)""",
    """CREATE TABLE dbo.supplier (
        s_suppkey int NOT NULL CONSTRAINT pk_supplier PRIMARY KEY,
        s_name char(25) NOT NULL,
        s_address varchar(40) NOT NULL,
        s_nationkey int NOT NULL CONSTRAINT fk_supplier_nation REFERENCES dbo.nation (n_nationkey),
        s_phone char(15) NOT NULL,
        s_acctbal decimal(15, 2) NOT NULL,
        s_comment varchar(101) NOT NULL)""",
    """CREATE TABLE dbo.customer (
        c_custkey int NOT NULL CONSTRAINT pk_customer PRIMARY KEY,
        c_name varchar(25) NOT NULL,
        c_address varchar(40) NOT NULL,
        c_nationkey int NOT NULL CONSTRAINT fk_customer_nation REFERENCES dbo.nation (n_nationkey),
        c_phone char(15) NOT NULL,
        c_acctbal decimal(15, 2) NOT NULL,
        c_mktsegment char(10) NOT NULL,
        c_comment varchar(117) NOT NULL)""",
    """CREATE TABLE dbo.part (
        p_partkey int NOT NULL CONSTRAINT pk_part PRIMARY KEY,
        p_name varchar(55) NOT NULL,
        p_mfgr char(25) NOT NULL,
        p_brand char(10) NOT NULL,
        p_type varchar(25) NOT NULL,
        p_size int NOT NULL,
        p_container char(10) NOT NULL,
        p_retailprice decimal(15, 2) NOT NULL,
        p_comment varchar(23) NOT NULL)""",
    """CREATE TABLE dbo.partsupp (
        ps_partkey int NOT NULL CONSTRAINT fk_partsupp_part REFERENCES dbo.part (p_partkey),
        ps_suppkey int NOT NULL CONSTRAINT fk_partsupp_supplier REFERENCES dbo.supplier (s_suppkey),
        ps_availqty int NOT NULL,
        ps_supplycost decimal(15, 2) NOT NULL,
        ps_comment varchar(199) NOT NULL,
        CONSTRAINT pk_partsupp PRIMARY KEY (ps_partkey, ps_suppkey))""",
    """CREATE TABLE dbo.orders (
        o_orderkey bigint NOT NULL CONSTRAINT pk_orders PRIMARY KEY,
        o_custkey int NOT NULL CONSTRAINT fk_orders_customer REFERENCES dbo.customer (c_custkey),
        o_orderstatus char(1) NOT NULL,
        o_totalprice decimal(15, 2) NOT NULL,
        o_orderdate date NOT NULL,
        o_orderpriority char(15) NOT NULL,
        o_clerk char(15) NOT NULL,
        o_shippriority int NOT NULL,
        o_comment varchar(79) NOT NULL)""",
    """CREATE TABLE dbo.lineitem (
        l_orderkey bigint NOT NULL CONSTRAINT fk_lineitem_orders REFERENCES dbo.orders (o_orderkey),
        l_partkey int NOT NULL,
        l_suppkey int NOT NULL,
        l_linenumber int NOT NULL,
        l_quantity decimal(15, 2) NOT NULL,
        l_extendedprice decimal(15, 2) NOT NULL,
        l_discount decimal(15, 2) NOT NULL,
        l_tax decimal(15, 2) NOT NULL,
        l_returnflag char(1) NOT NULL,
        l_linestatus char(1) NOT NULL,
        l_shipdate date NOT NULL,
        l_commitdate date NOT NULL,
        l_receiptdate date NOT NULL,
        l_shipinstruct char(25) NOT NULL,
        l_shipmode char(10) NOT NULL,
        l_comment varchar(44) NOT NULL,
        CONSTRAINT pk_lineitem PRIMARY KEY (l_orderkey, l_linenumber),
        CONSTRAINT fk_lineitem_partsupp FOREIGN KEY (l_partkey, l_suppkey)
            REFERENCES dbo.partsupp (ps_partkey, ps_suppkey))""",
)
"""CREATE TABLE statements, a table after those it refers to."""

TABLES = tuple(
    TableRef("dbo", name)
    for name in (
        "region",
        "nation",
        "supplier",
        "customer",
        "part",
        "partsupp",
        "orders",
        "lineitem",
    )
)
"""The tables in the order of `DDL`, so that filling in this order keeps the foreign keys."""


def generate(folder: Path, scale: float) -> None:
    """Write the tables as Parquet files into `folder`, made if need be. Blocking, for seconds.

    Raises:
        subprocess.CalledProcessError: the generator failed; its text is in `stderr`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run(  # noqa: S603 - our own arguments
        [generator, "parquet", "-s", str(scale), "--output-dir", str(folder)],
        check=True,
        capture_output=True,
        timeout=_GENERATE_LIMIT_S,
    )


def batches(folder: Path, table: TableRef) -> Iterator[pa.RecordBatch]:
    """Return the rows of one table, 64 Ki at a time, with plain strings."""
    with pq.ParquetFile(folder / f"{table.name}.parquet") as file:
        for batch in file.iter_batches(batch_size=65_536):
            yield pa.RecordBatch.from_arrays(
                [c.cast(pa.string()) if c.type == pa.string_view() else c for c in batch.columns],
                names=batch.schema.names,
            )
