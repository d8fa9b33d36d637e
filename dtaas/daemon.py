"""The composition root: builds everything, runs it in one task group, and owns the signals."""

import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from ipaddress import ip_address

import structlog
from anyio import create_task_group, open_signal_receiver
from anyio.abc import TaskGroup

from dtaas import __version__
from dtaas.allocator import spare_the_collector
from dtaas.api.app import create_app
from dtaas.api.server import serve_tcp, serve_unix
from dtaas.api.tls import Certificate, load_certificate
from dtaas.concurrency.blocking import Blocking
from dtaas.concurrency.bus import EventBus
from dtaas.connectors.places import PlaceGuard
from dtaas.connectors.registry import Registry, warm_up
from dtaas.connectors.secrets.resolver import SecretResolver
from dtaas.engine.execution import Workshop
from dtaas.engine.leasing import LeaseKeeper
from dtaas.engine.progress import utc_now
from dtaas.engine.scheduler import Scheduler
from dtaas.engine.supervisor import Supervisor
from dtaas.model.errors import SettingsError
from dtaas.services.alerting.dispatcher import Dispatcher
from dtaas.services.alerting.watcher import AlertWatcher
from dtaas.services.cleaner import Cleaner
from dtaas.services.doctor import Doctor
from dtaas.services.guards import Guards
from dtaas.services.heartbeat import Heartbeat
from dtaas.services.host_check import Places
from dtaas.services.machine import resources_percent
from dtaas.services.meterman import Meterman
from dtaas.services.reloading import LiveSettings
from dtaas.services.sampler import Sampler
from dtaas.services.services import Services, build_services
from dtaas.services.telemetry.build import build_exporters
from dtaas.services.upkeep import Upkeep
from dtaas.settings import Settings
from dtaas.store.key_place import key_place
from dtaas.store.leases import BEAT_S, TTL_S
from dtaas.store.store import Store, open_store

log = structlog.get_logger()
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_daemon(
    settings: Settings, read_settings: Callable[[], Settings] | None = None
) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal cuts the drain short.

    Args:
        read_settings: reads them anew on SIGHUP.

    Raises:
        SettingsError: everybody on the network could do everything.
        AddressInUseError: the port or the admin socket is taken.
        DtaasError: the metadata store cannot be opened.
    """
    require_safe(settings)
    _warn_of_plain_http(settings)
    certificate = await Blocking(1)(load_certificate, settings.api)
    data_dir = settings.data_dir(os.environ)
    key = key_place(settings.store, data_dir, os.environ)
    registry = Registry(
        memory=settings.daemon.memory_connectors,
        secrets=SecretResolver(settings.secrets, os.environ, key_file=key.file),
        places=PlaceGuard(settings.connectors, (data_dir, key.file)),
    )
    # Both before anything starts: a signal that nobody receives ends the process.
    with (
        open_signal_receiver(*_STOP_SIGNALS) as signals,
        open_signal_receiver(signal.SIGHUP) as reloads,
    ):
        async with open_store(
            settings.store.url,
            data_dir=data_dir,
            registry=registry,
            key=key,
            shared=settings.daemon.high_availability,
        ) as store:
            live = LiveSettings(settings, read_settings)
            supervisor, services = _build(live, registry, store)
            async with create_task_group() as group:
                await _start(group, live, store, supervisor, services, certificate=certificate)
                group.start_soon(_reload_on_signal, reloads, live, certificate, name="reload")
                spare_the_collector()
                notify("READY=1")
                await anext(signals)
                notify("STOPPING=1")
                services.health.draining = True
                log.info("draining", grace_s=settings.daemon.shutdown_grace_s)
                await _drain(supervisor, signals)
                await services.logs.store_waiting()
                group.cancel_scope.cancel()
    log.info("stopped")


def _build(live: LiveSettings, registry: Registry, store: Store) -> tuple[Supervisor, Services]:
    settings = live.now
    bus = EventBus()
    workshop = Workshop(
        store=store.engine,
        ledger=store.loads,
        streams=store.streams,
        reviews=store.reviews,
        history=store.schema_history,
        bus=bus,
        uniform=random.SystemRandom().uniform,
        data_dir=settings.data_dir(os.environ),
    )
    supervisor = Supervisor(
        workshop, registry, shutdown_grace_s=settings.daemon.shutdown_grace_s, leases=store.leases
    )
    services = build_services(
        store=store,
        registry=registry,
        runner=supervisor,
        bus=bus,
        now=utc_now,
        auth=settings.auth,
        environment=os.environ,
        data_dir=settings.data_dir(os.environ),
        settings=lambda: live.now,
    )
    return supervisor, services


async def _start(
    group: TaskGroup,
    live: LiveSettings,
    store: Store,
    supervisor: Supervisor,
    services: Services,
    *,
    certificate: Certificate | None,
) -> None:
    """Start every part, each ready before the next."""
    settings = live.now
    await group.start(supervisor.serve, name="supervisor")
    group.start_soon(Blocking(1), warm_up, name="warm up")
    leads = None if store.leases is None else store.leases.leads
    scheduler = Scheduler(store.engine, services.control.start, leads=leads)
    group.start_soon(scheduler.serve, name="scheduler")
    if store.leases is not None:
        keeper = LeaseKeeper(store.leases, store.engine, supervisor, beat_s=BEAT_S, ttl_s=TTL_S)
        await group.start(keeper.serve, name="leases")
    group.start_soon(_verify, store, services, name="verifications")
    _start_watching(group, live, store, supervisor, services)
    await services.accounts.announce_setup()
    admin_socket = settings.admin_socket(os.environ)
    await group.start(
        serve_unix,
        create_app(services, settings.api, trusted=True, upkeep=_upkeep(live, store, services)),
        admin_socket,
        name="admin",
    )
    public = partial(serve_tcp, tls=certificate.context if certificate else None)
    url = await group.start(
        public, create_app(services, settings.api), settings.api.host, settings.api.port, name="api"
    )
    log.info(
        "started",
        version=__version__,
        pid=os.getpid(),
        url=url,
        admin_socket=str(admin_socket),
        store=store.label,
        installation=store.installation,
    )


async def _verify(store: Store, services: Services) -> None:
    """Make verifications; those of another daemon are given up only after a day."""
    shared = store.leases is not None
    await services.verifications.serve(leftovers_after=timedelta(days=1 if shared else 0))


def _start_watching(
    group: TaskGroup,
    live: LiveSettings,
    store: Store,
    supervisor: Supervisor,
    services: Services,
) -> None:
    """Start what measures, guards, keeps and forgets."""
    data_dir = live.now.data_dir(os.environ)
    heartbeat = Heartbeat(services.instruments, notify, os.environ)
    group.start_soon(heartbeat.serve, name="heartbeat")
    sampler = Sampler(
        store.metrics,
        supervisor,
        data_dir=data_dir,
        now=utc_now,
        take_lag_s=heartbeat.take_worst_s,
    )
    group.start_soon(sampler.serve, name="sampler")
    meterman = Meterman(services.instruments, services.bus, store.executions)
    group.start_soon(meterman.serve, name="meterman")
    group.start_soon(services.logs.serve, name="log keeper")
    watcher = AlertWatcher(store, services.bus, data_dir=data_dir, now=utc_now)
    group.start_soon(watcher.serve, name="alert watcher")
    dispatcher = Dispatcher(store.alert_events, store.alert_channels, services.sender)
    group.start_soon(dispatcher.serve, name="alert dispatcher")
    cleaner = Cleaner(
        metrics=store.metrics,
        retention=store.retention,
        alerts=store.alert_events,
        settings=lambda: live.now.retention,
        now=utc_now,
    )
    group.start_soon(cleaner.serve, name="cleaner")
    guards = Guards(
        control=services.control,
        tasks=services.tasks,
        measure=partial(resources_percent, data_dir),
        settings=lambda: live.now.guards,
    )
    group.start_soon(guards.serve, name="guards")
    exporters = build_exporters(
        live.now.telemetry, instruments=services.instruments, bus=services.bus, store=store
    )
    for name, serve in exporters.items():
        group.start_soon(serve, name=name)


def _upkeep(live: LiveSettings, store: Store, services: Services) -> Upkeep:
    """Return what the admin socket offers besides."""
    settings = live.now
    data_dir = settings.data_dir(os.environ)
    places = Places(
        data_dir=data_dir,
        database=store.database.place.file,
        key=key_place(settings.store, data_dir, os.environ),
        admin_socket=settings.admin_socket(os.environ),
    )
    doctor = Doctor(
        places=places,
        integrity=store.integrity,
        connectors=services.connectors,
        tasks=services.tasks,
    )
    return Upkeep(
        settings=lambda: live.now,
        backups=services.backups,
        places=places,
        doctor=doctor,
    )


async def _reload_on_signal(
    signals: AsyncIterator[signal.Signals], live: LiveSettings, certificate: Certificate | None
) -> None:
    async for _ in signals:
        notify("RELOADING=1")
        await live.reload()
        if certificate is not None:
            await _renew(certificate)
        notify("READY=1")


async def _renew(certificate: Certificate) -> None:
    try:
        await Blocking(1)(certificate.reload)
    except SettingsError as error:  # the old one goes on
        log.error("certificate_refused", code=error.code, error=error.detail, hint=error.hint)  # noqa: TRY400 - a mistake in a file has no traceback
    else:
        log.info("certificate_reloaded")


async def _drain(supervisor: Supervisor, signals: AsyncIterator[signal.Signals]) -> None:
    async with create_task_group() as group:

        async def cut() -> None:
            await anext(signals)
            log.warning("drain_cut_by_signal")
            group.cancel_scope.cancel()

        group.start_soon(cut)
        await supervisor.drain()
        group.cancel_scope.cancel()


def require_safe(settings: Settings) -> None:
    """Refuse to let everybody on the network in.

    Raises:
        SettingsError: users are not told apart and the address is not loopback.
    """
    host = settings.api.host
    if not _is_loopback(host) and not settings.auth.enabled:
        raise SettingsError(
            f"$.api.host: {host!r} is not a loopback address, and [auth] enabled is false.",
            hint="Use 127.0.0.1, or let users log in with [auth] enabled = true.",
            field="$.api.host",
        )


def _warn_of_plain_http(settings: Settings) -> None:
    if settings.api.tls_certificate or _is_loopback(settings.api.host):
        return
    log.warning(
        "http_without_tls",
        host=settings.api.host,
        hint="Passwords travel in the clear: set [api] tls_certificate and tls_key, or put a proxy"
        " with TLS before the daemon.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell systemd the daemon's state, as sd_notify(3) does; without systemd do nothing."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.sendto(state.encode(), address)
