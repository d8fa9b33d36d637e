"""Health and version."""

import platform

from litestar import Controller, get
from litestar.di import NamedDependency

from dtaas import __version__
from dtaas.api.views import Health, Version
from dtaas.model.identity import Role
from dtaas.services.health import HealthService


class SystemController(Controller):
    """The daemon itself."""

    path = "/api"
    tags = ("System",)

    @get(
        "/health/live",
        summary="Whether the daemon answers",
        sync_to_thread=False,
        least_role=Role.PUBLIC,
    )
    def live(self) -> Health:
        """Answered without asking anything else."""
        return Health(status="live")

    @get("/health/ready", summary="Whether the daemon can work", least_role=Role.PUBLIC)
    async def ready(self, health: NamedDependency[HealthService]) -> Health:
        """503 while the metadata database does not answer or the daemon stops."""
        await health.check_ready()
        return Health(status="ready")

    @get("/version", summary="What runs here", sync_to_thread=False)
    def version(self) -> Version:
        """Version of DTaaS and of its Python."""
        return Version(name="dtaas", version=__version__, python=platform.python_version())
