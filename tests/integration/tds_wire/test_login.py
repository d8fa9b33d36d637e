"""Who gets in, and how: encryption, packet sizes, refusals."""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pyodbc
import pytest

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import SqlType
from tests.fakes.scripted_server import PASSWORD, ScriptedEngine, rows
from tests.integration.tds_wire.conftest import Odbc

TEXT = ResultColumn(name="t", type=SqlType("nvarchar", 4000))


@pytest.mark.parametrize("packet_bytes", [512, 4096, 8000, 16383])
@pytest.mark.parametrize("encrypt", ["yes", "no"])
async def test_every_packet_size_with_and_without_encryption(
    encrypt: str, packet_bytes: int, engine: ScriptedEngine, run: Any
) -> None:
    values = [["x" * n] for n in (0, 1, 247, 248, 249, 2040, 4000)]
    engine.scripts["select"] = rows([TEXT], *values)

    def client(connection: pyodbc.Connection) -> None:
        cursor = connection.cursor()
        assert [list(row) for row in cursor.execute("select").fetchall()] == values
        long = "ß" * 20_000
        assert cursor.execute("echo ?", long).fetchval() == long

    await run(client, Encrypt=encrypt, PacketSize=packet_bytes)


async def test_a_packet_larger_than_a_tls_record_is_not_agreed_to(run: Any) -> None:
    def client(connection: pyodbc.Connection) -> str:
        value: str = connection.execute("echo ?", "y" * 50_000).fetchval()
        return value

    assert await run(client, PacketSize=32767) == "y" * 50_000
    assert await run(client, PacketSize=32767, Encrypt="no") == "y" * 50_000


async def test_login_tells_the_engine_who_comes(engine: ScriptedEngine, run: Any) -> None:
    await run(lambda _: None, APP="dtaas/wire", WSID="station")
    (session,) = engine.sessions
    assert session.database == "testdb"
    assert (session.calls[0].text, session.calls[0].declarations) == ("dtaas/wire", "station")


@pytest.mark.parametrize(
    ("options", "number", "state"),
    [
        ({"PWD": "wrong"}, "(18456)", "28000"),
        ({"PWD": "{" + PASSWORD.lower().replace("}", "}}") + "}"}, "(18456)", "28000"),
        ({"UID": "nobody"}, "(18456)", "28000"),
        ({"Database": "nowhere"}, "(4060)", "42000"),
    ],
)
async def test_refused_logins(
    options: dict[str, str], number: str, state: str, engine: ScriptedEngine, run: Any
) -> None:
    with pytest.raises(pyodbc.Error) as refused:
        await run(lambda _: None, **options)
    assert refused.value.args[0] == state
    assert number in refused.value.args[1]
    assert engine.sessions == []


async def test_injected_login_error(server: TdsServer, run: Any) -> None:
    server.faults.login_error = SqlError(40613, "Database is not currently available.", severity=14)
    with pytest.raises(pyodbc.Error, match=r"\(40613\)"):
        await run(lambda _: None)
    server.faults.login_error = None
    await run(lambda _: None)


async def test_a_server_that_requires_encryption_gets_it(
    engine: ScriptedEngine, driver: str, blocking: Blocking
) -> None:
    async with TdsServer.listen(engine, require_encryption=True) as server:
        connection = await blocking(Odbc(driver, server.port).connect, Encrypt="no")
        assert await blocking(lambda: connection.execute("echo ?", "secret").fetchval()) == "secret"
        await blocking(connection.close)


CHECK = """
import pyodbc, sys
connection = pyodbc.connect(sys.argv[1], autocommit=True, timeout=10)
print(connection.execute("echo ?", "verified").fetchval())
"""


@pytest.mark.parametrize("encrypt", ["yes", "strict"])
async def test_clients_can_verify_the_certificate(
    encrypt: str, server: TdsServer, odbc: Odbc, tmp_path: Path
) -> None:
    """Strict is TDS 8.0: TLS before all else, and the certificate is always verified."""
    trusted = tmp_path / "server.pem"
    await anyio.Path(trusted).write_bytes(server.certificate_pem)
    text = odbc.text(
        Server=f"localhost,{server.port}", TrustServerCertificate="no", Encrypt=encrypt
    )
    with anyio.fail_after(30):
        verified = await anyio.run_process(
            [sys.executable, "-c", CHECK, text],
            env={**os.environ, "SSL_CERT_FILE": str(trusted)},
        )
        refused = await anyio.run_process([sys.executable, "-c", CHECK, text], check=False)
    assert verified.stdout.strip() == b"verified"
    assert b"certificate verify failed" in refused.stderr


async def test_only_loopback_addresses_are_listened_on(engine: ScriptedEngine) -> None:
    with pytest.raises(ValueError, match="no loopback"):
        async with TdsServer.listen(engine, host="0.0.0.0"):  # noqa: S104 - it must be refused
            pass


async def test_sessions_are_closed_with_their_connections(
    engine: ScriptedEngine, server: TdsServer, run: Any
) -> None:
    await run(lambda connection: connection.execute("echo ?", 1).fetchval())
    with anyio.fail_after(5):
        await server.wait_idle()
    assert engine.sessions[0].closed
