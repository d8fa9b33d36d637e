"""The metadata store: everything the daemon remembers, opened and closed as one."""

import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from sqlalchemy import text

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import PermissionDeniedError, SettingsError
from dtaas.model.ports import ConnectorRegistry
from dtaas.store.address import StoreAddress, parse_address
from dtaas.store.alert_events import AlertEventRepository
from dtaas.store.alert_facts import AlertFactsRepository
from dtaas.store.alert_past import AlertPastRepository
from dtaas.store.alert_rules import AlertChannelRepository, AlertRuleRepository
from dtaas.store.audit import AuditLog
from dtaas.store.bundle import BundleStore
from dtaas.store.charts import ChartRepository
from dtaas.store.checkpoints import Checkpoints
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.dashboard import DashboardRepository
from dtaas.store.database import Database
from dtaas.store.engine_store import EngineStore
from dtaas.store.errors import translated
from dtaas.store.exclusive import exclusive
from dtaas.store.execution_logs import ExecutionLogs
from dtaas.store.executions import ExecutionRepository
from dtaas.store.installation import identify
from dtaas.store.kept_items import KeptItems
from dtaas.store.key_place import KEY_FILE, KeyPlace
from dtaas.store.leases import Leases, SharedRight
from dtaas.store.loads import Loads
from dtaas.store.metrics import MetricsRepository
from dtaas.store.migrate import MIGRATIONS, migrate
from dtaas.store.position_reviews import Reviews
from dtaas.store.retention import Retention
from dtaas.store.schema_history import SchemaHistories
from dtaas.store.streams import Streams
from dtaas.store.tasks import TaskRepository
from dtaas.store.user_keys import SessionRepository, TokenRepository
from dtaas.store.users import UserRepository
from dtaas.store.verifications import Verifications


class Store(Struct, frozen=True, kw_only=True):
    """An open metadata store.

    Attributes:
        installation: identity of the store, 32 hex digits.
        label: the database's path, or its URL without password, for people.
        connectors, tasks, bundles, executions, metrics, charts, dashboard, execution_logs,
        verifications, schema_history: for the services.
        retention: forgets what is old.
        alert_rules, alert_channels, alert_events, alert_facts, alert_past: for the alerts.
        users, sessions, tokens, audit: who may come in, and what they did.
        signing_key, flow_key: for access tokens and for logins under way, 32 bytes each.
        engine, checkpoints, loads, streams: the ports `ExecutionStore`, `CheckpointStore`,
            `LoadLedger`, `StreamStore`.
        reviews: the port `PositionReviews`.
    """

    installation: str
    label: str
    connectors: ConnectorRepository
    tasks: TaskRepository
    bundles: BundleStore
    executions: ExecutionRepository
    metrics: MetricsRepository
    dashboard: DashboardRepository
    charts: ChartRepository
    execution_logs: ExecutionLogs
    retention: Retention
    alert_rules: AlertRuleRepository
    alert_channels: AlertChannelRepository
    alert_events: AlertEventRepository
    alert_facts: AlertFactsRepository
    alert_past: AlertPastRepository
    kept: KeptItems
    users: UserRepository
    sessions: SessionRepository
    tokens: TokenRepository
    audit: AuditLog
    signing_key: bytes
    flow_key: bytes
    engine: EngineStore
    checkpoints: Checkpoints
    loads: Loads
    streams: Streams
    verifications: Verifications
    reviews: Reviews
    schema_history: SchemaHistories
    database: Database
    leases: Leases | None = None

    async def integrity(self) -> list[str]:
        """Return what is wrong with the database file, nothing for PostgreSQL.

        Raises:
            StoreUnavailableError: it does not answer.
            StoreCorruptError: it cannot be read at all.
        """
        if self.database.place.file is None:
            await self.ping()
            return []
        found = await self.database.read(
            lambda c: [row[0] for row in c.execute(text("PRAGMA quick_check(5)"))]
        )
        return [] if found == ["ok"] else found

    async def ping(self) -> None:
        """Return when the database answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        await self.database.read(lambda c: c.execute(text("SELECT 1")).one())


def utc_now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_store(
    url: str,
    *,
    data_dir: Path,
    registry: ConnectorRegistry,
    key: KeyPlace | None = None,
    key_path: Path | None = None,
    now: Callable[[], datetime] = utc_now,
    migrations: Path = MIGRATIONS,
    shared: bool = False,
) -> AsyncIterator[Store]:
    """Open the store, brought to this version's schema; alone until closed.

    Args:
        url: empty for `dtaas.db` in the data folder, `sqlite:///file` or `postgresql://…`.
        data_dir: made with mode 0700 when it does not exist.
        shared: other daemons work on it, too; only PostgreSQL can.
        key: where the key of the secrets is;
        key_path: its file, by default `dtaas.key` in the data folder.

    Raises:
        SettingsError: the URL is wrong.
        StoreInUseError: another daemon has the database open.
        StoreVersionError: a newer version wrote it.
        StoreCorruptError: it is damaged, or the key file does not fit or is open to others.
        StoreFullError: no space left.
        StoreUnavailableError: it cannot be reached.
        AuthenticationError: wrong user or password.
        PermissionDeniedError: its files or tables may not be written.
        DatabaseNotFoundError: PostgreSQL has no such database.
        HostNotFoundError: the name of its host is unknown.
    """
    address = parse_address(url, data_dir)
    await Blocking(1)(_make_folders, data_dir, address)
    if shared and address.place.file is not None:
        raise SettingsError(
            "Several daemons need PostgreSQL for their metadata.",
            hint="Set [store] url to postgresql://…, or [daemon] high_availability to false.",
            field="$.daemon.high_availability",
        )
    common = SharedRight()
    async with nullcontext(common) if shared else exclusive(address) as right:
        database = Database(address, right)
        try:
            await migrate(database, now(), migrations)
            identity = await identify(
                database, key or KeyPlace(file=key_path or data_dir / KEY_FILE), now
            )
            connectors = ConnectorRepository(database, registry, identity.box, now)
            tasks = TaskRepository(database, now)
            yield Store(
                installation=identity.id,
                label=str(database.place),
                connectors=connectors,
                tasks=tasks,
                bundles=BundleStore(database, connectors, tasks),
                executions=ExecutionRepository(database),
                metrics=MetricsRepository(database),
                dashboard=DashboardRepository(database, now),
                charts=ChartRepository(database),
                kept=KeptItems(database, now),
                execution_logs=ExecutionLogs(database),
                retention=Retention(database),
                alert_rules=AlertRuleRepository(database, now),
                alert_channels=AlertChannelRepository(database, identity.box, now),
                alert_events=AlertEventRepository(database, now),
                alert_facts=AlertFactsRepository(database, now),
                alert_past=AlertPastRepository(database),
                users=UserRepository(database, now),
                sessions=SessionRepository(database, now),
                tokens=TokenRepository(database, now),
                audit=AuditLog(database, now),
                signing_key=identity.box.derived("access tokens"),
                flow_key=identity.box.derived("logins under way"),
                engine=EngineStore(database, connectors, identity.id, now),
                checkpoints=Checkpoints(database, now),
                loads=Loads(database, now),
                streams=Streams(database, now),
                verifications=Verifications(database, now),
                reviews=Reviews(database, now),
                schema_history=SchemaHistories(database, now),
                database=database,
                leases=Leases(database, common) if shared else None,
            )
        finally:
            await database.aclose()


def _make_folders(data_dir: Path, address: StoreAddress) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = address.place.file
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives the files beside it the mode of this one.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise translated(exc, address.place) or exc from exc
        raise PermissionDeniedError(
            f"The data folder {data_dir} cannot be used: {exc.strerror}.",
            hint="Give --data-dir a folder that the user of the daemon may write.",
        ) from exc
