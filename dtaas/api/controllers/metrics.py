"""`/metrics` for Prometheus."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from dtaas.model.errors import DtaasError
from dtaas.services.dashboard import DashboardService
from dtaas.services.instruments import CONTENT_TYPE, Instruments

_FRESH_S = 5.0


class MetricsController(Controller):
    """What a monitoring system scrapes."""

    path = "/metrics"
    tags = ("System",)

    @get("/", summary="Read the metrics", media_type="text/plain")
    async def page(
        self,
        instruments: NamedDependency[Instruments],
        dashboard: NamedDependency[DashboardService],
    ) -> Response[bytes]:
        """Prometheus' text format. Answered also while the metadata database does not."""
        try:
            counts = (await dashboard.metrics(max_age_s=_FRESH_S)).figures
        except DtaasError:  # told by dtaas_store_up
            counts = None
        return Response(instruments.page(counts), media_type=CONTENT_TYPE)
