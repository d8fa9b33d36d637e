"""The test of a connector: what works, what does not, why, and the statement that mends it."""

from datetime import UTC, datetime
from functools import partial
from typing import assert_never

import anyio

from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.capture_check import capture_works, keeps_enough
from dtaas.connectors.sqlserver.control import ControlPool, Row
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.isolation import Isolation, choose_isolation
from dtaas.connectors.sqlserver.quoting import identifier
from dtaas.connectors.sqlserver.step import Checker, Finding
from dtaas.model.check import CheckReport, OnStep, StepStatus
from dtaas.model.clock_skew import MOST_SKEW_S, SET_THIS_CLOCK, proven_skew_s, skew_in_words
from dtaas.model.connectors import Encryption
from dtaas.model.errors import (
    AuthenticationError,
    DatabaseNotFoundError,
    DtaasError,
    PermissionDeniedError,
)

_OLDEST_MAJOR = 13
"""SQL Server 2016: the first with STRING_ESCAPE and every catalog column we read."""
_AZURE_EDITIONS = (5, 6, 8, 11)
"""EngineEdition of Azure SQL, whose ProductVersion says nothing."""
_EXPRESS = 4


async def check_source(endpoint: Endpoint, pool: ControlPool, on_step: OnStep) -> CheckReport:
    """Test name, network, encryption, login, database, version, clock, rights, isolation, CDC."""
    checker = Checker(on_step)
    config = endpoint.config
    database = identifier(config.database)
    await checker.step("resolve", lambda: _resolve(endpoint))
    await checker.step("tcp", lambda: _tcp(endpoint))
    await _log_in(checker, endpoint, pool)
    await checker.step("version", lambda: _version(pool))
    await checker.step("clock", lambda: _clock(pool))
    await checker.step("rights", lambda: _rights(pool))
    await checker.step("isolation", lambda: _isolation(pool, database))
    captures = False

    async def cdc() -> Finding:
        nonlocal captures
        _, captures, _, _ = await _one(pool, queries.DATABASE)
        return await _cdc(pool, database, captures=captures)

    await checker.step("cdc", cdc)
    if captures and not config.application_intent_read_only:  # a secondary has no jobs
        await checker.step("capture", lambda: capture_works(pool))
        await checker.step("retention", lambda: keeps_enough(pool))
    return checker.report()


async def _resolve(endpoint: Endpoint) -> Finding:
    config = endpoint.config
    found = await endpoint.resolve()
    return Finding(detail=f"{config.host} is {', '.join(found)}.")


async def _tcp(endpoint: Endpoint) -> Finding:
    await endpoint.reach()
    return Finding(detail=f"{endpoint.config.host}:{endpoint.config.port} answers.")


async def _log_in(checker: Checker, endpoint: Endpoint, pool: ControlPool) -> None:
    """Log in once and say which of encryption, login and database it got through."""
    began_s = anyio.current_time()
    failed_at, error = "", None
    try:
        if not checker.failed:
            await pool.fetch("Logging in", "SELECT 1 AS one")
    except DtaasError as exc:
        failed_at, error = _stage(exc), exc
    took_s = anyio.current_time() - began_s
    config = endpoint.config
    for name, detail in (
        ("tls", _encryption(config.encrypt)),
        ("login", f"{config.username} is logged in."),
        ("database", f"{config.database} is open."),
    ):
        if error is not None and name == failed_at:
            checker.fail(name, error, took_s=took_s)
        else:
            await checker.step(name, partial(_passed, detail))


def _stage(error: DtaasError) -> str:
    """Return the step of the login that an error belongs to."""
    match error:
        case AuthenticationError():
            return "login"
        case DatabaseNotFoundError() | PermissionDeniedError():
            return "database"
        case _:  # TCP answered and no login was judged: the handshake between them
            return "tls"


def _encryption(encrypt: Encryption) -> str:
    match encrypt:
        case Encryption.NO:
            return "Only the login is encrypted; rows travel in the clear."
        case Encryption.YES:
            return "All traffic is encrypted."
        case Encryption.STRICT:
            return "All traffic is encrypted, TDS 8.0."
        case _:
            assert_never(encrypt)


async def _passed(detail: str) -> Finding:
    return Finding(detail=detail)


async def _version(pool: ControlPool) -> Finding:
    version, edition, engine, updateability, _ = await _one(pool, queries.SERVER)
    detail = f"{edition}, version {version}, {(updateability or '').lower().replace('_', ' ')}."
    old = engine not in _AZURE_EDITIONS and int(version.split(".")[0]) < _OLDEST_MAJOR
    if old:
        return Finding(
            detail=detail,
            status=StepStatus.WARNING,
            fix="Use SQL Server 2016 or newer: older versions are not tested.",
        )
    return Finding(detail=detail)


async def _clock(pool: ControlPool) -> Finding:
    await pool.fetch("Testing the connection", queries.CLOCK)  # logged in and compiled by now
    asked = datetime.now(UTC)
    (theirs,) = await _one(pool, queries.CLOCK)
    ahead_s = proven_skew_s(theirs.replace(tzinfo=UTC), asked=asked, answered=datetime.now(UTC))
    detail = skew_in_words("SQL Server", ahead_s)
    if abs(ahead_s) <= MOST_SKEW_S:
        return Finding(detail=detail)
    return Finding(
        detail=f"{detail} Lag and positions go by SQL Server's, but its commit times and this"
        " machine's logs do not fit each other, and access tokens may be refused.",
        status=StepStatus.WARNING,
        fix=f"{SET_THIS_CLOCK}; on SQL Server's host: w32tm /resync, on Linux chronyc makestep",
    )


async def _rights(pool: ControlPool) -> Finding:
    can_select, can_view_state, can_unmask = await _one(pool, queries.RIGHTS)
    (tables,) = await _one(pool, queries.TABLE_COUNT)
    seen = f"The login sees {tables} tables"
    missing = []
    if not can_select:
        missing.append("GRANT SELECT TO [the_user];")
    if not can_view_state:
        missing.append("GRANT VIEW DATABASE STATE TO [the_user];")
    if not missing:
        unmasked = "" if can_unmask else ", masked columns only masked"
        return Finding(detail=f"{seen} and may read them{unmasked}.")
    return Finding(
        detail=f"{seen}; some rights are missing, which matters unless given table by table.",
        status=StepStatus.WARNING,
        fix=" ".join(missing),
    )


async def _isolation(pool: ControlPool, database: str) -> Finding:
    _, _, snapshot_state, rcsi = await _one(pool, queries.DATABASE)
    match choose_isolation(rcsi=bool(rcsi), snapshot_state=snapshot_state):
        case Isolation.ROW_VERSIONS:
            return Finding(detail="Reads use row versions and take no locks.")
        case Isolation.SNAPSHOT:
            return Finding(detail="Reads use SNAPSHOT isolation and take no locks.")
        case Isolation.LOCKING:
            return Finding(
                detail="Reads take short locks, so they can wait for writers.",
                status=StepStatus.WARNING,
                fix=f"ALTER DATABASE {database} SET ALLOW_SNAPSHOT_ISOLATION ON;",
            )


async def _cdc(pool: ControlPool, database: str, *, captures: bool) -> Finding:
    if captures:
        return Finding(detail="Change data capture is on.")
    engine = (await _one(pool, queries.SERVER))[2]
    if engine == _EXPRESS:
        return Finding(
            detail="This edition has no change data capture; full loads work.",
            status=StepStatus.WARNING,
        )
    return Finding(
        detail="Change data capture is off; full loads work.",
        status=StepStatus.WARNING,
        fix=f"USE {database}; EXEC sys.sp_cdc_enable_db;",
    )


async def _one(pool: ControlPool, sql: str) -> Row:
    rows = await pool.fetch("Testing the connection", sql)
    if not rows:
        raise PermissionDeniedError(
            "The catalog views show the login nothing about its database.",
            hint="GRANT VIEW DEFINITION TO [the_user];",
        )
    return rows[0]
