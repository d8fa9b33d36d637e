"""Sessions with Snowflake: a few, kept while they work, each used by one batch at a time."""

import io
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import structlog
from anyio import CancelScope, CapacityLimiter, fail_after, move_on_after

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.snowflake.errors import to_dtaas_error
from dtaas.connectors.snowflake.names import text
from dtaas.connectors.snowflake.spending import SpendingMeter, now, warehouse_of
from dtaas.model.connectors import SnowflakeAuthentication, SnowflakeConfig
from dtaas.model.errors import AuthenticationError, DtaasError, TimedOutError
from dtaas.model.ids import ExecutionId

if TYPE_CHECKING:
    from snowflake.connector.aio import SnowflakeConnection

log = structlog.get_logger()
_SESSIONS: Final = 4
_CLOSE_LIMIT_S: Final = 5.0
_GRACE_S: Final = 10.0
_LOCK_TIMEOUT_S: Final = 300
Row = Sequence[Any]


class Session:
    """One session. Any trouble ends it: it is never used after an error.

    Attributes:
        tag: what the cost of its statements is counted under.
        label: their QUERY_TAG: the tag, and the execution they are for.
    """

    def __init__(
        self, connection: "SnowflakeConnection", meter: SpendingMeter, limit_s: float
    ) -> None:
        self._connection = connection
        self._meter = meter
        self._limit_s = limit_s
        self.tag = ""
        self.label = ""

    async def run(self, what: str, sql: str) -> list[Row]:
        """Run one statement and return its rows.

        Args:
            what: start of an error's sentence.

        Raises:
            DtaasError: Snowflake refused, or did not answer.
        """
        _, rows = await self._answer(what, sql)
        return rows

    async def run_named(self, what: str, sql: str) -> list[dict[str, Any]]:
        """Run one statement and return its rows, with the names of their columns."""
        names, rows = await self._answer(what, sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def _answer(self, what: str, sql: str) -> tuple[list[str], list[Row]]:
        with _translated(what), self._metered(sql):
            with fail_after(self._limit_s):
                cursor = self._connection.cursor()
                await cursor.execute(sql, _statement_params={"QUERY_TAG": self.label})
                rows: list[Row] = list(await cursor.fetchall())
                names = [column.name for column in cursor.description or ()]
                cursor.close()
                return names, rows

    @contextmanager
    def _metered(self, sql: str) -> Iterator[None]:
        began = now()
        try:
            yield
        finally:
            self._meter.ran(self.tag, sql, began)

    async def put(self, what: str, data: bytes, name: str, folder: str) -> None:
        """Upload a file into a stage, in place of one of its name.

        Args:
            folder: stage and path, such as `@"DB"."S"."STAGE"/load/`.
        """
        with _translated(what), self._metered("PUT"):
            with fail_after(self._limit_s):
                cursor = self._connection.cursor()
                await cursor.execute(
                    f"PUT 'file:///{name}' {folder} AUTO_COMPRESS=FALSE OVERWRITE=TRUE",
                    file_stream=io.BytesIO(data),
                    _statement_params={"QUERY_TAG": self.label},
                )
                cursor.close()

    async def visit(self, what: str, sql: str, visit: Callable[[pa.Table], None]) -> None:
        """Run a SELECT and hand its rows on in Arrow, piece by piece."""
        blocking = Blocking(1)
        with _translated(what), self._metered(sql):
            cursor = self._connection.cursor()
            with fail_after(self._limit_s):
                await cursor.execute(sql, _statement_params={"QUERY_TAG": self.label})
            async for table in cursor.fetch_arrow_batches():
                await blocking(visit, table)
            cursor.close()

    async def aclose(self) -> None:
        """Log out. Takes at most a few seconds; idempotent."""
        with CancelScope(shield=True), move_on_after(_CLOSE_LIMIT_S):
            try:
                await self._connection.close()
            except Exception as exc:  # noqa: BLE001 - the link is gone, and the session with it
                log.debug("session_close_failed", error=str(exc))


class SessionPool:
    """Opens sessions when needed and keeps them while they work."""

    def __init__(self, config: SnowflakeConfig, *, application: str = "dtaas") -> None:
        self._config = config
        self._application = application
        self._idle: list[Session] = []
        self._turns = CapacityLimiter(_SESSIONS)
        self._learned = False
        self._suffix = ""
        warehouse = warehouse_of(config.account, config.host, config.warehouse)
        if config.warehouse_size is not None:
            warehouse.describe(config.warehouse_size, config.warehouse_auto_suspend_s)
        self.meter = SpendingMeter(warehouse)

    def works_for(self, execution: ExecutionId) -> None:
        """Name an execution in the QUERY_TAG of all statements from now on."""
        self._suffix = f"/execution {execution}"

    @asynccontextmanager
    async def session(self, tag: str) -> AsyncIterator[Session]:
        """Lend a session. After an error, and when cancelled, it is closed.

        Args:
            tag: of its statements, without the execution.
        """
        async with self._turns:
            session = self._idle.pop() if self._idle else await self._open()
            session.tag, session.label = tag, tag + self._suffix
            try:
                yield session
            except BaseException:
                await session.aclose()
                raise
            self._idle.append(session)

    async def run(self, tag: str, what: str, sql: str) -> list[Row]:
        """Run one statement, which may be repeated, in any session.

        A kept session may have ended while it was idle, so a lost one is replaced once.
        """
        kept = bool(self._idle)
        try:
            async with self.session(tag) as session:
                return await session.run(what, sql)
        except DtaasError as error:
            if not kept or error.code != "destination_unavailable":
                raise
        await self.drop_idle()
        async with self.session(tag) as session:
            return await session.run(what, sql)

    async def learn_warehouse(self, tag: str) -> None:
        """Ask once what the warehouse costs, where neither the connector nor anybody said it.

        Costs are an estimate: a role that may not see the warehouse just has none.
        """
        warehouse = self.meter.warehouse
        if self._learned or warehouse.is_known:
            return
        self._learned = True
        what = "Looking at the warehouse"
        try:
            async with self.session(tag) as session:
                name = self._config.warehouse
                if not name:
                    name = (await session.run(what, "SELECT CURRENT_WAREHOUSE()"))[0][0] or ""
                like = f"SHOW WAREHOUSES LIKE {text(name)}"
                found = await session.run_named(what, like) if name else []
        except DtaasError as error:
            log.info("warehouse_unknown", code=error.code, error=error.detail)
            return
        for row in found:
            if row["name"].upper() == name.upper():
                warehouse.describe(str(row["size"]), float(row["auto_suspend"] or 0))
                return
        log.info("warehouse_unknown", warehouse=name)

    async def drop_idle(self) -> None:
        """Close the sessions nobody uses."""
        while self._idle:
            await self._idle.pop().aclose()

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        await self.drop_idle()

    async def _open(self) -> Session:
        config = self._config
        connect = await Blocking(1)(_connect)
        with _translated(f"Logging in to Snowflake account {config.account}"):
            with fail_after(config.login_timeout_s + _GRACE_S):
                connection = await connect(**_parameters(config, self._application))
        return Session(connection, self.meter, config.statement_timeout_s + _GRACE_S)


def _connect() -> Any:
    """Import the connector, which takes half a second, in a thread."""
    from snowflake.connector import aio  # noqa: PLC0415

    return aio.connect


def _parameters(config: SnowflakeConfig, application: str) -> dict[str, Any]:
    """Return what the connector is called with; see snowflake.md 5 for the session's parameters."""
    found: dict[str, Any] = {
        "account": config.account,
        "user": config.user,
        "application": application,
        "database": config.database,
        "port": config.port,
        "protocol": config.protocol,
        "login_timeout": config.login_timeout_s,
        "query_timeout": config.statement_timeout_s,
        "request_timeout": config.statement_timeout_s,
        "enable_server_session_keep_alive_auto_detection": False,
        "session_parameters": {
            "TIMEZONE": "UTC",
            "ABORT_DETACHED_QUERY": True,
            "LOCK_TIMEOUT": _LOCK_TIMEOUT_S,
            "STATEMENT_TIMEOUT_IN_SECONDS": config.statement_timeout_s,
            "TRANSACTION_ABORT_ON_ERROR": True,
        },
    }
    optional = {"host": config.host, "role": config.role, "warehouse": config.warehouse}
    given = {name: value for name, value in optional.items() if value}
    return found | given | _credentials(config)


def _credentials(config: SnowflakeConfig) -> dict[str, Any]:
    match config.authentication:
        case SnowflakeAuthentication.PASSWORD:
            return {"password": config.password}
        case SnowflakeAuthentication.KEY_PAIR:
            return {"authenticator": "SNOWFLAKE_JWT", "private_key": _private_key(config)}
        case SnowflakeAuthentication.OAUTH:
            return {"authenticator": "OAUTH", "token": config.token}
        case SnowflakeAuthentication.PAT:
            return {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": config.token}


def _private_key(config: SnowflakeConfig) -> bytes:
    """Return the key as DER (PKCS 8).

    Raises:
        AuthenticationError: it is no PEM, or the passphrase does not open it.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    passphrase = config.private_key_passphrase.encode() or None
    try:
        key = serialization.load_pem_private_key(config.private_key.encode(), passphrase)
    except (ValueError, TypeError) as exc:
        raise AuthenticationError(
            "The private key of the connector cannot be read.",
            hint="Give it as PEM (PKCS 8), with its passphrase when it has one.",
            field="$.connection_config.private_key",
        ) from exc
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class _translated:  # noqa: N801 - reads as a statement
    """Turns what the connector raises into our errors."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        """Raise the translation of an error."""
        if exc is None or isinstance(exc, DtaasError) or not isinstance(exc, Exception):
            return
        if isinstance(exc, TimeoutError):
            raise TimedOutError(
                f"{self._what} got no answer from Snowflake in time.", hint="It is tried again."
            ) from exc
        raise to_dtaas_error(exc, self._what) from exc
