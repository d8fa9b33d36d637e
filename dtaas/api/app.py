"""The application: routes, their dependencies, and what holds for all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Controller, Litestar
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig

from dtaas import __version__
from dtaas.api.access import Gate
from dtaas.api.controllers.admin import AdminController
from dtaas.api.controllers.alerts import AlertController
from dtaas.api.controllers.audit import AuditController
from dtaas.api.controllers.auth import AuthController
from dtaas.api.controllers.bulk import BulkController
from dtaas.api.controllers.captures import CaptureController
from dtaas.api.controllers.connectors import ConnectorController
from dtaas.api.controllers.dashboard import DashboardController
from dtaas.api.controllers.dead_letters import DeadLetterController
from dtaas.api.controllers.executions import ExecutionController
from dtaas.api.controllers.files import ConnectorFileController, TaskFileController
from dtaas.api.controllers.kept import DraftController, ViewController
from dtaas.api.controllers.logs import LogController
from dtaas.api.controllers.maintenance import MaintenanceController
from dtaas.api.controllers.metrics import MetricsController
from dtaas.api.controllers.oidc import OidcController
from dtaas.api.controllers.plans import PlanController
from dtaas.api.controllers.positions import PositionController
from dtaas.api.controllers.previews import PreviewController
from dtaas.api.controllers.schedules import ScheduleController
from dtaas.api.controllers.schema_changes import SchemaChangeController
from dtaas.api.controllers.system import SystemController
from dtaas.api.controllers.tasks import TaskController
from dtaas.api.controllers.tokens import TokenController
from dtaas.api.controllers.transformations import TransformationController
from dtaas.api.controllers.trials import NOT_COMPRESSED, TrialController
from dtaas.api.controllers.users import UserController
from dtaas.api.controllers.verifications import VerificationController
from dtaas.api.doorway import Doorway, rules
from dtaas.api.litestar_app import Application
from dtaas.api.live_gate import LiveGate
from dtaas.api.openapi import DocumentPlugin
from dtaas.api.page import Page, read_page
from dtaas.api.problems import answer_error
from dtaas.api.request import ApiRequest, refuse_unknown_parameters
from dtaas.api.trail import Trail
from dtaas.api.websocket import live
from dtaas.services.services import Services
from dtaas.services.upkeep import Upkeep
from dtaas.settings import ApiSettings

_MB = 1_000_000


def create_app(
    services: Services,
    settings: ApiSettings,
    *,
    trusted: bool = False,
    upkeep: Upkeep | None = None,
) -> Litestar:
    """Return the application.

    Args:
        trusted: for the admin socket: any Host and Origin will do, and the kernel says who calls.
        upkeep: adds what only those at the machine may do.
    """
    given = {name: getattr(services, name) for name in services.__struct_fields__}
    admin = () if upkeep is None else (AdminController,)
    gate = Gate(services.authenticator, trusted=trusted)
    app = application(given | ({"upkeep": upkeep} if upkeep else {}), settings, gate, more=admin)
    gate.trail = Trail(app.asgi_handler, services.audit)
    app.asgi_handler = LiveGate(gate.trail, gate)
    entrance = None if trusted else rules(settings.allowed_hosts, settings.cors_origins)
    inside = app.asgi_handler if trusted else Page(app.asgi_handler, read_page())
    app.asgi_handler = Doorway(inside, entrance, services.instruments)
    return app


def application(
    given: Mapping[str, object],
    settings: ApiSettings,
    gate: Gate | None = None,
    *,
    more: Sequence[type[Controller]] = (),
) -> Litestar:
    """Return the routes without the doorway.

    Args:
        given: the services by the name handlers take them by.
        gate: None when nobody is to be served, for the document.
        more: controllers that are not in the OpenAPI document of the product.
    """
    return Application(
        route_handlers=[
            ConnectorController,
            CaptureController,
            TrialController,
            TaskController,
            BulkController,
            TaskFileController,
            PlanController,
            PreviewController,
            ConnectorFileController,
            DraftController,
            ViewController,
            ScheduleController,
            ExecutionController,
            TransformationController,
            DeadLetterController,
            VerificationController,
            PositionController,
            SchemaChangeController,
            AlertController,
            DashboardController,
            LogController,
            MaintenanceController,
            MetricsController,
            SystemController,
            AuthController,
            OidcController,
            UserController,
            TokenController,
            AuditController,
            live,
            *more,
        ],
        dependencies={
            name: Provide(_giver(service), sync_to_thread=False) for name, service in given.items()
        },
        request_class=ApiRequest,
        guards=[] if gate is None else [gate.guard],
        before_request=refuse_unknown_parameters,
        exception_handlers={Exception: answer_error},
        request_max_body_size=settings.max_body_mb * _MB,
        cors_config=_cors(settings),
        # On the event loop: the figures of a day take 58 ms at level 6, and 4 ms for a tenth more.
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=1, exclude_opt_key=NOT_COMPRESSED
        ),
        openapi_config=OpenAPIConfig(
            title="DTaaS",
            version=__version__,
            description="Moves tables from SQL Server to S3, exactly once, and shows it happen.",
            path="/api/openapi.json",
            render_plugins=[DocumentPlugin(path="/")],
            use_handler_docstrings=True,
        ),
        logging_config=None,
        debug=False,
    )


def _cors(settings: ApiSettings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=[origin.rstrip("/") for origin in settings.cors_origins],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["authorization", "content-type", "if-match", "x-request-id"],
        expose_headers=["etag", "location", "x-request-id"],
        max_age=600,
    )


def _giver(service: object) -> Any:
    def give() -> Any:
        return service

    return give
