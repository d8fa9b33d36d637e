"""Credits as Snowflake bills them: by the second, a minute at least, and the idle time behind."""

import pytest

from dtaas.connectors.snowflake.spending import (
    SpendingMeter,
    Warehouse,
    needs_warehouse,
    now,
    warehouse_of,
)
from dtaas.model.connectors import SnowflakeSize


def warehouse(size: str = "X-Small", auto_suspend_s: float | None = 60) -> Warehouse:
    made = Warehouse()
    made.describe(size, auto_suspend_s)
    return made


def test_one_statement_pays_for_itself_and_the_idle_time_behind_it() -> None:
    assert warehouse().charge(1000, 1030) == 90
    assert warehouse(auto_suspend_s=600).charge(1000, 1001) == 601


def test_no_resumption_costs_less_than_a_minute() -> None:
    assert warehouse(auto_suspend_s=5).charge(0, 1) == 60
    assert warehouse(auto_suspend_s=None).charge(0, 1) == 60


def test_a_statement_while_it_is_awake_pays_for_what_it_adds() -> None:
    found = warehouse()
    assert found.charge(0, 10) == 70
    assert found.charge(40, 45) == 35  # awake until 105 instead of 70
    assert found.charge(300, 301) == 61  # it slept in between


def test_windows_are_counted_by_their_way_into_the_table() -> None:
    meter = SpendingMeter(Warehouse())
    for appended in (True, False, True):
        meter.applied("a", appended=appended)
    meter.applied("b", appended=False)
    assert (meter.spent("a").appended_windows, meter.spent("a").merged_windows) == (2, 1)
    assert (meter.spent("b").appended_windows, meter.spent("b").merged_windows) == (0, 1)


def test_statements_side_by_side_pay_once_for_the_time_they_share() -> None:
    found = warehouse()
    short = found.charge(50, 60)
    long = found.charge(0, 100)
    assert short + long == 160


def test_any_order_of_ends_adds_up_to_the_time_awake() -> None:
    spans = [(0, 5), (2, 50), (20, 30), (28, 29), (45, 80), (79, 200)]
    found = warehouse()
    total = sum(found.charge(*span) for span in sorted(spans, key=lambda s: s[1]))
    assert total == 260


@pytest.mark.parametrize("size", SnowflakeSize)
def test_every_size_costs_twice_the_one_before(size: SnowflakeSize) -> None:
    assert warehouse(size).credits_an_hour == 2 ** list(SnowflakeSize).index(size)


def test_what_snowflake_calls_the_sizes_is_known() -> None:
    assert warehouse("2X-Large").credits_an_hour == 32
    assert warehouse("Gen2 special").credits_an_hour is None


def test_only_work_on_rows_wakes_it() -> None:
    assert all(map(needs_warehouse, ("COPY INTO t", " merge into t", "SELECT 1", "DELETE FROM t")))
    idle = ("PUT 'file'", "BEGIN", "COMMIT", "CREATE TABLE t", "REMOVE @s", "SHOW TABLES", "DROP")
    assert not any(map(needs_warehouse, (*idle, "SELECT CURRENT_TRANSACTION()")))


def test_a_meter_counts_by_tag_and_knows_no_price_of_an_unknown_size() -> None:
    found = warehouse()
    meter = SpendingMeter(found)
    meter.ran("a", "BEGIN", now())
    meter.ran("a", "MERGE INTO t", now())
    meter.ran("b", "PUT", now())
    spent = meter.spent("a")
    assert (spent.queries, round(spent.billed_s)) == (2, 60)
    assert spent.credits == pytest.approx(60 / 3600, rel=0.01)
    assert (meter.spent("b").queries, meter.spent("b").credits) == (1, 0.0)
    assert meter.spent("c").queries == 0
    assert (meter.spent("c").appended_windows, meter.spent("c").merged_windows) == (0, 0)
    assert SpendingMeter(Warehouse()).spent("a").credits is None


def test_tasks_share_the_awake_time_of_a_warehouse() -> None:
    assert warehouse_of("acc", "", "wh") is warehouse_of("ACC", "", "WH")
    assert warehouse_of("acc", "", "wh") is not warehouse_of("acc", "", "other")
