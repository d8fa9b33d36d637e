"""All use cases, built over one store, one registry and one engine."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypedDict

from anyio import Lock
from msgspec import Struct

from dtaas.concurrency.bus import EventBus
from dtaas.concurrency.logbook import LOGBOOK
from dtaas.model.change_ports import ChangeRegistry
from dtaas.services.alerting.channels import Sender
from dtaas.services.alerting.rehearsing import RehearsalService
from dtaas.services.alerting.service import AlertService
from dtaas.services.audit import AuditService
from dtaas.services.backups import Backups
from dtaas.services.bulk import BulkService
from dtaas.services.captures import CaptureService
from dtaas.services.charts import ChartService
from dtaas.services.connectors import ConnectorService
from dtaas.services.control import TaskControl
from dtaas.services.dashboard import DashboardService
from dtaas.services.dead_letter_edits import DeadLetterEdits
from dtaas.services.dead_letter_replay import DeadLetterReplay
from dtaas.services.dead_letters import DeadLetterService
from dtaas.services.drift import DriftService
from dtaas.services.health import HealthService
from dtaas.services.history import HistoryService
from dtaas.services.identity.access_tokens import AccessTokens
from dtaas.services.identity.accounts import AccountService
from dtaas.services.identity.authenticator import Authenticator
from dtaas.services.identity.oidc import OidcService
from dtaas.services.identity.tokens import TokenService
from dtaas.services.identity.users import UserService
from dtaas.services.in_force import SettingsReader
from dtaas.services.instruments import Instruments
from dtaas.services.log_keeper import LogService
from dtaas.services.machine import resources_percent
from dtaas.services.planning.service import PlanService
from dtaas.services.ports import TaskRunner
from dtaas.services.positions import PositionService
from dtaas.services.preview.service import PreviewService
from dtaas.services.samples import SampleService
from dtaas.services.schedules import ScheduleService
from dtaas.services.table_steering import TableSteering
from dtaas.services.targets import TargetKeeper
from dtaas.services.task_change import TaskChanges
from dtaas.services.task_checks import TaskChecks
from dtaas.services.taskfiles.checking import FileChecks
from dtaas.services.taskfiles.exporting import ExportService
from dtaas.services.taskfiles.importing import ImportService
from dtaas.services.taskfiles.references import References
from dtaas.services.tasks import TaskService
from dtaas.services.trials import ConnectorTrials
from dtaas.services.troubles import TroubleFinder
from dtaas.services.validation import ValidationService
from dtaas.services.verification import VerificationService
from dtaas.services.world import StoredWorld
from dtaas.settings import AuthSettings, Settings
from dtaas.store.kept_items import KeptItems
from dtaas.store.secrets import SecretBox
from dtaas.store.store import Store


class Services(Struct, frozen=True, kw_only=True):
    """What the API and the admin socket offer."""

    connectors: ConnectorService
    captures: CaptureService
    trials: ConnectorTrials
    samples: SampleService
    tasks: TaskService
    exports: ExportService
    imports: ImportService
    validations: ValidationService
    plans: PlanService
    previews: PreviewService
    bulk: BulkService
    control: TaskControl
    table_steering: TableSteering
    verifications: VerificationService
    positions: PositionService
    schema_drift: DriftService
    dead_letters: DeadLetterService
    dead_letter_replay: DeadLetterReplay
    dead_letter_edits: DeadLetterEdits
    kept: KeptItems
    schedules: ScheduleService
    dashboard: DashboardService
    backups: Backups
    in_force: SettingsReader
    history: HistoryService
    charts: ChartService
    alerts: AlertService
    rehearsals: RehearsalService
    sender: Sender
    health: HealthService
    logs: LogService
    instruments: Instruments
    authenticator: Authenticator
    accounts: AccountService
    oidc: OidcService
    users: UserService
    tokens: TokenService
    audit: AuditService
    bus: EventBus


def build_services(
    *,
    store: Store,
    registry: ChangeRegistry,
    runner: TaskRunner,
    bus: EventBus,
    now: Callable[[], datetime],
    auth: AuthSettings | None = None,
    environment: Mapping[str, str] | None = None,
    data_dir: Path = Path(".dtaas"),
    settings: Callable[[], Settings] | None = None,
    measure: Callable[[], Mapping[str, float]] | None = None,
) -> Services:
    """Return the use cases.

    Args:
        auth: who may use them; by default nobody who is not logged in.
        environment: where `${env:NAME}` of files leads.
        data_dir: where the engine keeps rejected rows.
        settings: those in force, to be shown; by default what an empty file means.
        measure: how full the machine is, in percent by name; by default this one.
    """
    sender = Sender(registry.opened)
    changing, changing_connectors = Lock(), Lock()
    identity = _build_identity(store, auth or AuthSettings(), now)
    dead_letters = DeadLetterService(data_dir, store.engine)
    replay = DeadLetterReplay(
        letters=dead_letters, states=store.engine, registry=registry, runner=runner
    )
    keeper = TargetKeeper(registry, store.loads, store.installation)
    checks = TaskChecks(registry, keeper)
    changes = TaskChanges(keeper=keeper, states=store.engine, runner=runner, bus=bus, now=now)
    tasks = TaskService(
        tasks=store.tasks,
        connectors=store.connectors,
        executions=store.executions,
        checks=checks,
        changes=changes,
        keeper=keeper,
        dead_letters=dead_letters,
        runner=runner,
        bus=bus,
        now=now,
        changing=changing,
    )
    control = TaskControl(
        store=store.engine,
        runner=runner,
        bus=bus,
        now=now,
        changing=changing,
        reviews=store.reviews,
    )
    connectors = ConnectorService(
        connectors=store.connectors,
        tasks=store.tasks,
        registry=registry,
        keeper=keeper,
        bus=bus,
        now=now,
        changing=changing_connectors,
    )
    return Services(
        connectors=connectors,
        captures=CaptureService(store.connectors, store.streams, registry),
        trials=ConnectorTrials(store.connectors, registry),
        samples=SampleService(store.connectors, registry),
        tasks=tasks,
        exports=ExportService(store.connectors, store.tasks),
        imports=ImportService(
            store=store,
            registry=registry,
            references=References(environment or {}),
            connectors=connectors,
            checks=FileChecks(connectors, checks),
            changes=changes,
            locks=(changing_connectors, changing),
            now=now,
        ),
        validations=ValidationService(StoredWorld(store.connectors, store.tasks), registry, keeper),
        previews=PreviewService(StoredWorld(store.connectors, store.tasks), registry),
        plans=PlanService(
            tasks=store.tasks,
            connectors=store.connectors,
            executions=store.executions,
            ledger=store.loads,
            streams=store.streams,
            registry=registry,
            installation=store.installation,
        ),
        bulk=BulkService(tasks, control),
        control=control,
        table_steering=TableSteering(
            states=store.engine,
            runner=runner,
            changing=changing,
            host_of=store.leases.host_of if store.leases else None,
        ),
        verifications=VerificationService(
            verifications=store.verifications,
            states=store.engine,
            streams=store.streams,
            registry=registry,
            control=control,
            runner=runner,
            now=now,
        ),
        positions=PositionService(
            states=store.engine,
            ledger=store.loads,
            streams=store.streams,
            reviews=store.reviews,
            registry=registry,
            bus=bus,
            now=now,
            changing=changing,
        ),
        schema_drift=DriftService(
            history=store.schema_history,
            states=store.engine,
            control=control,
            runner=runner,
            bus=bus,
            now=now,
        ),
        dead_letters=dead_letters,
        dead_letter_replay=replay,
        dead_letter_edits=DeadLetterEdits(
            letters=dead_letters, states=store.engine, turn=replay.turn
        ),
        kept=store.kept,
        schedules=ScheduleService(store.engine, now),
        dashboard=DashboardService(
            dashboard=store.dashboard,
            tasks=store.tasks,
            executions=store.executions,
            runner=runner,
            troubles=TroubleFinder(
                tasks=store.tasks,
                connectors=store.connectors,
                drift=store.schema_history,
                runner=runner,
                measure=measure or partial(resources_percent, data_dir),
                now=now,
            ),
            now=now,
        ),
        alerts=AlertService(
            rules=store.alert_rules,
            channels=store.alert_channels,
            events=store.alert_events,
            sender=sender,
            now=now,
        ),
        rehearsals=RehearsalService(
            tasks=store.tasks, past=store.alert_past, metrics=store.metrics, now=now
        ),
        sender=sender,
        backups=Backups(store.database.place, data_dir, now),
        in_force=SettingsReader(settings or Settings),
        history=HistoryService(store.metrics, now),
        charts=ChartService(store.charts, store.metrics, now),
        health=HealthService(store.ping),
        logs=LogService(LOGBOOK, store.execution_logs),
        instruments=Instruments(runner),
        **identity,
        bus=bus,
    )


class _Identity(TypedDict):
    authenticator: Authenticator
    accounts: AccountService
    oidc: OidcService
    users: UserService
    tokens: TokenService
    audit: AuditService


def _build_identity(store: Store, settings: AuthSettings, now: Callable[[], datetime]) -> _Identity:
    lasts = timedelta(minutes=settings.access_token_minutes)
    access = AccessTokens(store.signing_key, store.installation, lasts, now)
    authenticator = Authenticator(store.sessions, store.tokens, access, settings, now)
    accounts = AccountService(
        users=store.users,
        sessions=store.sessions,
        authenticator=authenticator,
        settings=settings,
        now=now,
    )
    return _Identity(
        authenticator=authenticator,
        accounts=accounts,
        oidc=OidcService(accounts, store.users, SecretBox(store.flow_key, store.installation), now),
        users=UserService(store.users, accounts.passwords, authenticator),
        tokens=TokenService(store.tokens, access, authenticator, now),
        audit=AuditService(store.audit),
    )
