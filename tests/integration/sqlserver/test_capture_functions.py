"""fn_cdc_get_all_changes_… and fn_cdc_get_net_changes_…, through Microsoft's driver."""

from typing import Any

import pytest

from tests.integration.sqlserver.captured import Captured
from tests.integration.sqlserver.odbc_session import Connector

WINDOW = """
DECLARE @low binary(10) = sys.fn_cdc_get_min_lsn('{0}'), @high binary(10) = sys.fn_cdc_get_max_lsn();
SELECT {1} FROM cdc.fn_cdc_get_{2}_changes_{0}(@low, @high, N'{3}') ORDER BY __$start_lsn, {1}
"""


async def window(
    captured: Captured, name: str, columns: str, kind: str = "all", option: str = "all"
) -> list[tuple[Any, ...]]:
    await captured.catch_up()
    return await captured.sql.rows(WINDOW.format(name, columns, kind, option))


async def test_all_changes_have_the_documented_columns(captured: Captured) -> None:
    await captured.table("shape", "id int NOT NULL PRIMARY KEY, name nvarchar(9)")
    await captured.sql.run("INSERT INTO shape VALUES (1, N'a')")
    await captured.catch_up()
    result = (
        await captured.sql.run(
            "SELECT * FROM cdc.fn_cdc_get_all_changes_shape(sys.fn_cdc_get_min_lsn('shape'),"
            " sys.fn_cdc_get_max_lsn(), 'all')"
        )
    )[-1]
    assert result.columns == (
        "__$start_lsn",
        "__$seqval",
        "__$operation",
        "__$update_mask",
        "id",
        "name",
    )
    assert [row[2:] for row in result.rows] == [(2, b"\x03", 1, "a")]


async def test_row_filters_of_all_changes(captured: Captured) -> None:
    await captured.table("filtered", "id int NOT NULL PRIMARY KEY, n int")
    for statement in (
        "INSERT INTO filtered VALUES (1, 1)",
        "UPDATE filtered SET n = 2",
        "DELETE FROM filtered",
    ):
        await captured.sql.run(statement)
    columns = "__$operation, id, n"
    assert await window(captured, "filtered", columns) == [(2, 1, 1), (4, 1, 2), (1, 1, 2)]
    assert await window(captured, "filtered", columns, option=" ALL update OLD ") == [
        (2, 1, 1),
        (3, 1, 1),
        (4, 1, 2),
        (1, 1, 2),
    ]


async def test_bounds_are_inclusive(captured: Captured) -> None:
    await captured.table("bounds", "id int NOT NULL PRIMARY KEY")
    for id_ in (1, 2, 3):
        await captured.sql.run("INSERT INTO bounds VALUES (?)", id_)
    lsns = [lsn for _, lsn in await captured.changes("bounds", "__$start_lsn")]
    found = await captured.sql.rows(
        "SELECT id FROM cdc.fn_cdc_get_all_changes_bounds(?, ?, 'all') AS c ORDER BY c.id",
        lsns[1],
        lsns[2],
    )
    assert found == [(2,), (3,)]


@pytest.mark.parametrize(
    "arguments",
    [
        "NULL, @high, 'all'",
        "@low, NULL, 'all'",
        "@low, @high, NULL",
        "@low, @high, 'everything'",
        "sys.fn_cdc_decrement_lsn(@low), @high, 'all'",
        "@low, sys.fn_cdc_increment_lsn(@high), 'all'",
        "@high, @low, 'all'",
    ],
)
@pytest.mark.parametrize("kind", ["all", "net"])
async def test_a_window_outside_of_what_is_there(
    captured: Captured, kind: str, arguments: str
) -> None:
    if await captured.sql.value("SELECT OBJECT_ID('dbo.outside')") is None:
        await captured.table("outside", "id int NOT NULL PRIMARY KEY")
        await captured.sql.run("INSERT INTO outside VALUES (1)")
        await captured.catch_up()
    number, text = await captured.sql.fails(
        "DECLARE @low binary(10) = sys.fn_cdc_get_min_lsn('outside'),"
        " @high binary(10) = sys.fn_cdc_get_max_lsn();"
        f"SELECT * FROM cdc.fn_cdc_get_{kind}_changes_outside({arguments})"
    )
    assert number == 313
    assert text == (
        "An insufficient number of arguments were supplied for the procedure or function"
        f" cdc.fn_cdc_get_{kind}_changes_ ... ."
    )


async def test_functions_that_do_not_exist(captured: Captured, connector: Connector) -> None:
    await captured.table("keyless", "id int")
    await captured.catch_up()
    arguments = "(sys.fn_cdc_get_min_lsn('keyless'), sys.fn_cdc_get_max_lsn(), 'all')"
    for name in (
        "cdc.fn_cdc_get_all_changes_nothing",
        f"{connector.database}.cdc.fn_cdc_get_all_changes_nothing",
        "cdc.fn_cdc_get_net_changes_keyless",
        "dbo.fn_cdc_get_all_changes_keyless",
    ):
        assert await captured.sql.fails(f"SELECT * FROM {name}{arguments}") == (
            208,
            f"Invalid object name '{name}'.",
        )
    few = "SELECT * FROM cdc.fn_cdc_get_all_changes_keyless(NULL, NULL)"
    many = "SELECT * FROM cdc.fn_cdc_get_all_changes_keyless(NULL, NULL, 'all', 1)"
    assert (await captured.sql.fails(few))[0] == 313
    assert (await captured.sql.fails(many))[0] == 8144


async def test_net_changes_are_one_row_a_key(captured: Captured) -> None:
    await captured.table("net", "id int NOT NULL PRIMARY KEY, a int, b int")
    await captured.sql.run("INSERT INTO net VALUES (1, 0, 0), (2, 0, 0), (3, 0, 0), (5, 0, 0)")
    await captured.catch_up()
    low = await captured.sql.value("SELECT sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())")
    for statement in (
        "UPDATE net SET a = 1 WHERE id = 1",
        "UPDATE net SET b = 2 WHERE id = 1",
        "UPDATE net SET a = 1 WHERE id = 2; DELETE FROM net WHERE id = 2",
        "DELETE FROM net WHERE id = 3; INSERT INTO net VALUES (3, 7, 7)",
        "INSERT INTO net VALUES (4, 0, 0); UPDATE net SET a = 9 WHERE id = 4",
        "INSERT INTO net VALUES (6, 0, 0); DELETE FROM net WHERE id = 6",
        "UPDATE net SET id = 50 WHERE id = 5",
    ):
        await captured.sql.run(statement)
    await captured.catch_up()
    text = (
        "SELECT __$operation, __$update_mask, id, a, b FROM"
        " cdc.fn_cdc_get_net_changes_net(?, sys.fn_cdc_get_max_lsn(), ?) ORDER BY id"
    )
    rows = [(4, 1, 1, 2), (1, 2, 1, 0), (4, 3, 7, 7), (2, 4, 9, 0), (1, 5, 0, 0), (2, 50, 0, 0)]
    assert await captured.sql.rows(text, low, "all") == [(r[0], None, *r[1:]) for r in rows]
    masks = [mask for _, mask, *_ in await captured.sql.rows(text, low, "all with mask")]
    assert masks == [b"\x06", None, b"\x07", None, None, None]
    merged = [row[0] for row in await captured.sql.rows(text, low, "all with merge")]
    assert merged == [5, 1, 5, 5, 1, 5]


async def test_functions_join_and_apply(captured: Captured) -> None:
    await captured.table("joined", "id int NOT NULL PRIMARY KEY, name varchar(9)")
    await captured.sql.run("INSERT INTO joined VALUES (1, 'a'), (2, 'b')")
    await captured.catch_up()
    found = await captured.sql.rows(
        "SELECT j.name, f.op FROM (SELECT sys.fn_cdc_get_min_lsn('joined') AS low) AS m"
        " CROSS APPLY cdc.fn_cdc_get_all_changes_joined(m.low, sys.fn_cdc_get_max_lsn(), 'all')"
        "  AS f (lsn, seq, op, mask, id, name)"
        " JOIN joined AS j ON j.id = f.id ORDER BY j.name"
    )
    assert found == [("a", 2), ("b", 2)]
    wrong = "SELECT * FROM cdc.fn_cdc_get_all_changes_joined(NULL, NULL, 'all') AS f (lsn, seq)"
    assert (await captured.sql.fails(wrong))[0] == 8158


async def test_who_may_ask_for_changes(captured: Captured, connector: Connector) -> None:
    await captured.table("guarded", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("INSERT INTO guarded VALUES (1)")
    await captured.catch_up()
    low, high = (
        await captured.sql.rows(
            "SELECT sys.fn_cdc_get_min_lsn('guarded'), sys.fn_cdc_get_max_lsn()"
        )
    )[0]
    await connector.server.engine.create_login("capture_reader", "Reader-1")
    await connector.server.engine.create_user("capture_reader", connector.database)
    text = "SELECT id FROM cdc.fn_cdc_get_all_changes_guarded(?, ?, 'all')"
    async with connector.session(UID="capture_reader", PWD="Reader-1") as reader:
        number, message = await reader.fails(text, low, high)
        assert number == 229
        assert message == (
            "The SELECT permission was denied on the object 'fn_cdc_get_all_changes_...',"
            f" database '{connector.database}', schema 'cdc'."
        )
        await captured.sql.run("GRANT SELECT ON dbo.guarded TO capture_reader")
        assert await reader.rows(text, low, high) == [(1,)]
