"""The test of a Snowflake connector: log in, look around, and try everything a task needs."""

from collections.abc import Awaitable, Callable
from time import perf_counter

from dtaas.connectors.snowflake import statements
from dtaas.connectors.snowflake.layout import Places
from dtaas.connectors.snowflake.sessions import SessionPool
from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.errors import DtaasError

_TAG = "dtaas/test"


async def check_snowflake(pool: SessionPool, places: Places, on_step: OnStep) -> CheckReport:
    """Run the steps in order, up to the first that fails."""

    async def login() -> str:
        found = await pool.run(
            _TAG, "Logging in", "SELECT CURRENT_VERSION(), CURRENT_ROLE(), CURRENT_WAREHOUSE()"
        )
        version, role, warehouse = found[0]
        return f"Snowflake {version}, role {role}, warehouse {warehouse or 'none'}"

    async def records() -> str:
        for sql in statements.make_records(places):
            await pool.run(_TAG, "Making the schema of our own records", sql)
        return f"{places.meta_schema} can be written"

    async def stage() -> str:
        async with pool.session(_TAG) as session:
            await session.put(
                "Writing into the stage", b"check", "check", f"@{places.stage}/check/"
            )
            await session.run("Removing from the stage", f"REMOVE @{places.stage}/check/")
        return f"files can be staged in {places.stage}"

    steps: list[CheckStep] = []
    todo: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("login", login),
        ("rights", records),
        ("stage", stage),
    )
    for name, probe in todo:
        steps.append(await _probed(name, probe))
        on_step(steps[-1])
        if steps[-1].status is StepStatus.FAILED:
            break
    return CheckReport(ok=steps[-1].status is StepStatus.OK, steps=tuple(steps))


async def _probed(name: str, probe: Callable[[], Awaitable[str]]) -> CheckStep:
    started = perf_counter()
    status, fix, code = StepStatus.OK, "", None
    try:
        detail = await probe()
    except DtaasError as error:
        status, detail, fix, code = StepStatus.FAILED, error.detail, error.hint, error.code
    took_s = perf_counter() - started
    return CheckStep(name=name, status=status, detail=detail, fix=fix, code=code, took_s=took_s)
