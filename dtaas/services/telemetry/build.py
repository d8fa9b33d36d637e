"""Builds the exporters the settings ask for; their libraries are an extra."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from dtaas.concurrency.bus import EventBus
from dtaas.model.errors import SettingsError
from dtaas.services.instruments import Instruments
from dtaas.settings import TelemetrySettings
from dtaas.store.store import Store

Serve = Callable[[], Coroutine[Any, Any, None]]


def build_exporters(
    settings: TelemetrySettings, *, instruments: Instruments, bus: EventBus, store: Store
) -> Mapping[str, Serve]:
    """Return what to run, by its name.

    Raises:
        SettingsError: the libraries are missing.
    """
    found: dict[str, Serve] = {}
    try:
        if settings.otlp_endpoint:
            from dtaas.services.telemetry.otel import OpenTelemetry  # noqa: PLC0415 - an extra

            found["opentelemetry"] = OpenTelemetry(
                settings.otlp_endpoint, instruments=instruments, bus=bus, store=store
            ).serve
        if settings.openlineage_url:
            from dtaas.services.telemetry.lineage import Lineage  # noqa: PLC0415 - an extra

            found["openlineage"] = Lineage(
                settings.openlineage_url,
                token=settings.openlineage_token,
                namespace=settings.openlineage_namespace,
                bus=bus,
                store=store,
            ).serve
    except ImportError as exc:
        raise SettingsError(
            f"$.telemetry: the library {exc.name} is missing.",
            hint="Install it with: pip install 'dtaas[telemetry]'",
            field="$.telemetry",
        ) from exc
    return found
