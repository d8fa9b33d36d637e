"""Six drivers of five authors against the same server: none can tell, and all agree."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import anyio
import pytest
from anyio import to_process

from dtaas.sandbox.sqlserver.results import (
    ErrorMessage,
    Item,
    OutputValue,
    Parameter,
    ResultColumn,
    ReturnStatus,
    SqlError,
)
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import MAX, SqlType
from tests.fakes.scripted_server import ScriptedEngine, items, rows
from tests.integration.tds_wire import foreign_clients as clients
from tests.integration.tds_wire.foreign_clients import Seen

LARGE_ROWS = 50_000
LEAP_DAY = 738_944
DAY = 864_000_000_000
GUID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")

VALUES: list[tuple[str, SqlType, Any, Any]] = [
    ("bit", SqlType("bit"), 1, True),
    ("tiny", SqlType("tinyint"), 255, 255),
    ("small", SqlType("smallint"), -(2**15), -(2**15)),
    ("int", SqlType("int"), 2**31 - 1, 2**31 - 1),
    ("big", SqlType("bigint"), -(2**63), -(2**63)),
    ("dec", SqlType("decimal", precision=38, scale=4), -(10**30 + 1), Decimal("-100000000000000000000000000.0001")),
    ("money", SqlType("money"), -(2**40) - 1, Decimal("-109951162.7777")),
    ("real", SqlType("real"), 1.5, 1.5),
    ("float", SqlType("float", precision=53), 1.1, 1.1),
    ("date", SqlType("date"), LEAP_DAY, date(2024, 2, 29)),
    ("dt2", SqlType("datetime2", scale=6), LEAP_DAY * DAY + 10, datetime(2024, 2, 29, 0, 0, 0, 1)),
    ("dt", SqlType("datetime"), 300, datetime(1900, 1, 1, 0, 0, 1)),
    ("sdt", SqlType("smalldatetime"), 61, datetime(1900, 1, 1, 1, 1)),
    ("vc", SqlType("varchar", 20), "é€", "é€"),
    ("cyr", SqlType("varchar", 20, collation="Cyrillic_General_CI_AS"), "Привет", "Привет"),
    ("utf8", SqlType("varchar", 40, collation="Latin1_General_100_CI_AS_SC_UTF8"), "日本😀", "日本😀"),
    ("nv", SqlType("nvarchar", 20), "日本é😀", "日本é😀"),
    ("nvmax", SqlType("nvarchar", MAX), "ß" * 3000, "ß" * 3000),
    ("vb", SqlType("varbinary", 20), b"\0\xff", b"\0\xff"),
    ("guid", SqlType("uniqueidentifier"), GUID.bytes_le, GUID),
]  # fmt: skip
# Types a driver lacks or is known to read wrongly, so that the server is not to blame.
LACKS = {
    "through_pytds": {"utf8"},  # takes every varchar for the code page of its LCID
    "through_connectorx": {"utf8", "money", "dec"},  # the same; both numbers become float64
}


@pytest.fixture
def answers(engine: ScriptedEngine, request: pytest.FixtureRequest) -> list[Any]:
    """Script the answers and return the row expected of `types`."""
    lacking = LACKS.get(request.node.callspec.params["client"].__name__, set())
    values = [v for v in VALUES if v[0] not in lacking]
    columns = [ResultColumn(name=name, type=sql) for name, sql, _, _ in values]
    number = ResultColumn(name="n", type=SqlType("int"), nullable=False)
    large = [
        number,
        ResultColumn(name="t", type=SqlType("varchar", 40), nullable=False),
        ResultColumn(name="d", type=SqlType("decimal", precision=15, scale=2)),
    ]
    script = {
        "types": rows(columns, [wire for _, _, wire, _ in values], [None] * len(values)),
        "fails": items(ErrorMessage(SqlError(208, "Invalid object name 'fails'."))),
        "large": rows(large, *([n, f"text {n}", n] for n in range(LARGE_ROWS))),
        "one": rows([number], [1]),
    }
    engine.scripts |= script | {f"SELECT {text}": answer for text, answer in script.items()}
    return [expected for _, _, _, expected in values]


def alike(value: Any) -> Any:
    """Bring what drivers return in several types to one."""
    match value:
        case UUID():
            return str(value)
        case str() if value.upper() == str(GUID).upper():
            return str(GUID)
        case datetime():
            return value.replace(tzinfo=None)
        case _:
            return value


@pytest.mark.parametrize("encrypt", ["yes", "no"])
@pytest.mark.parametrize(
    "client",
    [
        clients.through_mssql_python,
        clients.through_arrow_odbc,
        clients.through_pymssql,
        clients.through_pytds,
        clients.through_connectorx,
    ],
)
async def test_a_driver_reads_types_errors_and_large_results(
    client: Callable[[int, str, str], Seen],
    encrypt: str,
    answers: list[Any],
    server: TdsServer,
    driver: str,
) -> None:
    with anyio.fail_after(50):
        seen = await to_process.run_sync(client, server.port, encrypt, driver, cancellable=True)
    values, nulls = seen.rows
    assert list(map(alike, values)) == list(map(alike, answers))
    assert set(nulls) == {None}
    assert "Invalid object name 'fails'" in seen.error
    assert seen.large_rows == LARGE_ROWS
    assert seen.echoed is None or list(map(str, seen.echoed)) == ["5", "aé"]
    assert seen.after == 1


async def procedure(parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
    """`dbo.p @a int, @b int OUTPUT, @c nvarchar(20) OUTPUT`, returning 9."""
    yield ReturnStatus(9)
    yield OutputValue(ordinal=1, name=parameters[1].name, type=SqlType("int"), value=42)
    yield OutputValue(
        ordinal=2, name=parameters[2].name, type=SqlType("nvarchar", 20), value="aus é"
    )


@pytest.mark.parametrize("client", [clients.outputs_through_pytds, clients.outputs_through_pymssql])
async def test_output_parameters_and_return_codes(
    client: Callable[[int], Any], engine: ScriptedEngine, server: TdsServer
) -> None:
    engine.scripts["dbo.p"] = procedure
    with anyio.fail_after(50):
        found, status = await to_process.run_sync(client, server.port, cancellable=True)
    assert found == [1, 42, "aus é"]
    assert status == 9
    parameters = engine.sessions[0].calls[-1].parameters
    assert [p.output for p in parameters] == [False, True, True]


async def test_a_pooled_connection_is_reset_before_it_is_used_again(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    with anyio.fail_after(50):
        found = await to_process.run_sync(
            clients.twice_through_a_pool, server.port, cancellable=True
        )
    assert found == [1, 2]
    (session,) = engine.sessions
    methods = [call.method for call in session.calls]
    assert methods.index("reset") > methods.index("execute")
    assert methods.count("execute") == 2
