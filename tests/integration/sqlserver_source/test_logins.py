"""Who gets in, and to whom we show what: the driver and the native client say the same."""

import json
import os
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.connectors import Encryption, Reader
from dtaas.model.errors import AuthenticationError, DriverMissingError
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import SqlType
from dtaas.sandbox.sqlserver.wire.certificate import Certificate, self_signed
from dtaas.sandbox.sqlserver.wire.routing import Route
from tests.fakes.certificates import Authority
from tests.fakes.scripted_server import PASSWORD, USER, ScriptedEngine, rows
from tests.integration.sqlserver_source import logging_in
from tests.integration.sqlserver_source.database import Database, load
from tests.integration.sqlserver_source.scripted import Reading, drain, wire_column

LOGIN = {"database": "testdb", "username": USER, "password": PASSWORD, "login_timeout_s": 10}
ID = wire_column("id", SqlType("int"), nullable=False)
AUTHORITY = Authority()
NOT_FOR_US = "certificate verify failed"


def told(name: str) -> dict[str, Any]:
    return {"host_name_in_certificate": name}


def issued(common_name: str, *names: str) -> Certificate:
    return AUTHORITY.issue(common_name, names)


BLINDLY = {"trust_server_certificate": True}
BY_ADDRESS = {"host": "127.0.0.1"}
CERTIFICATES: dict[str, tuple[Certificate, dict[str, Any], str]] = {
    "named": (issued("x", "LocalHost"), {}, ""),
    "by common name": (issued("localhost"), {}, ""),
    "common name beside others": (issued("localhost", "db.example"), {}, NOT_FOR_US),
    "common name beside an address": (issued("localhost", "127.0.0.1"), {}, NOT_FOR_US),
    "of another host": (issued("x", "db.example"), {}, NOT_FOR_US),
    "of the host it is told": (issued("x", "db.example"), told("db.example"), ""),
    "of neither host": (issued("x", "db.example"), told("dc.example"), NOT_FOR_US),
    "of the host that was dialled": (issued("x", "localhost"), told("db.example"), ""),
    "of a wildcard": (issued("x", "*.corp.example"), told("db.corp.example"), ""),
    "of a wildcard above": (issued("x", "*.example"), told("db.corp.example"), NOT_FOR_US),
    "of a wildcard inside": (issued("x", "d*.corp.example"), told("db.corp.example"), NOT_FOR_US),
    "of everything": (issued("x", "*"), {}, NOT_FOR_US),
    "told a wildcard": (issued("x", "db.corp.example"), told("*.corp.example"), NOT_FOR_US),
    "expired": (AUTHORITY.issue("localhost", ends_in=timedelta(hours=-1)), {}, NOT_FOR_US),
    "of nobody we trust": (self_signed(), {}, NOT_FOR_US),
    "of nobody, trusted blindly": (self_signed(), BLINDLY, ""),
    "of an address": (issued("x", "127.0.0.1"), BY_ADDRESS, NOT_FOR_US),
    "of an address as name": (issued("127.0.0.1"), BY_ADDRESS, ""),
}


def serving() -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.scripts[logging_in.QUERY] = rows([ID], *((n,) for n in range(logging_in.ROWS)))
    return engine


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    path.write_bytes(AUTHORITY.pem)
    return path


async def log_in(trusted: Path, *configs: dict[str, Any]) -> list[dict[str, str]]:
    """Return what the driver and the native client came to with each configuration."""
    with anyio.fail_after(55):
        done = await anyio.run_process(
            [sys.executable, "-m", "tests.integration.sqlserver_source.logging_in"],
            input=json.dumps([{**LOGIN, **c} for c in configs]).encode(),
            env={**os.environ, "SSL_CERT_FILE": str(trusted)},
            stderr=None,
        )
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("encrypt", ["yes", "strict"])
async def test_certificates_are_judged_as_the_driver_judges_them(
    encrypt: str, trusted: Path
) -> None:
    configs = []
    async with AsyncExitStack() as stack:
        for certificate, changes, _ in CERTIFICATES.values():
            listening = TdsServer.listen(serving(), certificate=certificate)
            server = await stack.enter_async_context(listening)
            here = {"host": "localhost", "port": server.port, "encrypt": encrypt}
            configs.append({**here, **changes})
        found = await log_in(trusted, *configs)
    for (case, (_, changes, expected)), seen in zip(CERTIFICATES.items(), found, strict=True):
        # TDS 8.0 has no blind trust
        refusal = NOT_FOR_US if encrypt == "strict" and changes == BLINDLY else expected
        for way, outcome in seen.items():
            assert bool(refusal) is bool(outcome), (case, way, outcome)
            assert refusal in outcome, (case, way)


@pytest.mark.parametrize("encrypt", ["yes", "strict"])
async def test_the_server_one_is_sent_to_must_be_itself(encrypt: str, trusted: Path) -> None:
    first = issued("x", "localhost", "db.example")
    seconds = [
        (issued("127.0.0.1"), {}, ""),
        (issued("x", "localhost"), {}, NOT_FOR_US),
        (issued("x", "db.example"), told("db.example"), ""),
    ]
    configs = []
    async with AsyncExitStack() as stack:
        for certificate, changes, _ in seconds:
            replica, listener = [
                await stack.enter_async_context(TdsServer.listen(serving(), certificate=c))
                for c in (certificate, first)
            ]
            listener.routes.readers = Route("127.0.0.1", replica.port)
            here = {"host": "localhost", "port": listener.port, "encrypt": encrypt}
            configs.append({**here, **changes, "application_intent_read_only": True})
        found = await log_in(trusted, *configs)
    for (_, changes, refusal), seen in zip(seconds, found, strict=True):
        for way, outcome in seen.items():
            assert bool(refusal) is bool(outcome), (changes, way, outcome)
            assert refusal in outcome, (changes, way)


@pytest.mark.parametrize(("read_only", "everybody"), [(True, False), (False, True)])
async def test_a_listener_sends_readers_to_its_replica(
    read_only: bool, everybody: bool, reading: Reading
) -> None:
    replica = ScriptedEngine()
    replica.scripts["SELECT"] = rows([ID], *((n,) for n in range(100)))
    listener = ScriptedEngine()
    async with TdsServer.listen(replica) as there, TdsServer.listen(listener) as here:
        route = Route("127.0.0.1", there.port)
        here.routes.everybody, here.routes.readers = (route, None) if everybody else (None, route)
        async with reading(here, [ID], application_intent_read_only=read_only) as reader:
            assert (await drain(reader)).num_rows == 100
        assert all(call.method == "login" for s in listener.sessions for call in s.calls)


async def test_who_may_write_stays_at_the_listener(reading: Reading) -> None:
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = rows([ID], (1,))
    async with TdsServer.listen(engine) as server:
        server.routes.readers = Route("127.0.0.1", 1)
        async with reading(server, [ID]) as reader:
            assert (await drain(reader)).num_rows == 1


async def test_servers_that_send_one_in_circles_are_given_up(trusted: Path) -> None:
    async with TdsServer.listen(ScriptedEngine(), certificate=issued("127.0.0.1")) as server:
        server.routes.everybody = Route("127.0.0.1", server.port)
        here = {"host": "127.0.0.1", "port": server.port, "login_timeout_s": 3}
        (seen,) = await log_in(trusted, here)
    assert "redirected" in seen["native"]
    assert seen["odbc"]


class TestTokens:
    """Logins by an access token of Entra ID."""

    async def test_a_token_opens_a_table(self, database: Database, table: TableRef) -> None:
        await database.create(table, "a int PRIMARY KEY, b nvarchar(20)", "1, N'ä'", "2, NULL")
        source = SqlServerSource(self.config(database, "sa"))
        _, (found,) = await load(source, table)
        assert found.column("b").to_pylist() == ["ä", None]
        await source.aclose()

    async def test_the_user_has_only_the_rights_of_its_own(
        self, database: Database, table: TableRef
    ) -> None:
        await database.create(table, "a int PRIMARY KEY")
        engine = database.server.engine
        await engine.create_login("app@example", "never used")
        await engine.create_user("app@example", database.config.database)
        source = SqlServerSource(self.config(database, "app@example"))
        assert table not in [info.table for info in await source.discover()]
        await source.aclose()

    @pytest.mark.parametrize("kind", ["expired", "of another service", "of nobody", "none"])
    async def test_a_bad_token_is_refused_by_both(
        self, kind: str, database: Database, trusted: Path
    ) -> None:
        directory = database.server.tds.directory
        tokens = {
            "expired": directory.issue("sa", lifetime_s=-1),
            "of another service": directory.issue("sa", audience="https://storage.azure.com/"),
            "of nobody": directory.issue("nobody"),
            "none": "x",
        }
        config = self.config(database, "sa", access_token=tokens[kind])
        here = {"host": config.host, "port": config.port, "database": config.database}
        blindly = {"password": "", "access_token": tokens[kind], **BLINDLY}
        (seen,) = await log_in(trusted, {**here, **blindly})
        assert "Login failed" in seen["odbc"]
        assert "Login failed" in seen["native"]
        source = SqlServerSource(config)
        with pytest.raises(AuthenticationError) as refused:
            await source.discover()
        assert tokens[kind] not in str(refused.value) or kind == "none"
        await source.aclose()

    async def test_what_needs_odbc_says_so(self, database: Database, table: TableRef) -> None:
        await database.create(table, "a int PRIMARY KEY")
        config = self.config(database, "sa")
        source = SqlServerSource(config)
        source._why_odbc = "there is no C compiler"
        with pytest.raises(DriverMissingError, match="only the native reader can log in by"):
            await load(source, table)
        await source.aclose()

    @pytest.mark.parametrize(
        "wrong",
        [{"password": "too"}, {"encrypt": Encryption.NO}, {"reader": Reader.ODBC}],
        ids=str,
    )
    def test_a_configuration_that_would_give_the_token_away_is_refused(
        self, wrong: dict[str, Any], database: Database
    ) -> None:
        with pytest.raises(ValueError, match="access_token"):
            self.config(database, "sa", **wrong)

    @staticmethod
    def config(database: Database, user: str, **changes: Any) -> Any:
        token = database.server.tds.directory.issue(user)
        values = {"username": user, "password": "", "access_token": token, **changes}
        return replace(database.config, **values)
