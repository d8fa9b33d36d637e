"""Tasks and connectors as files."""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from dtaas.api.path_ids import connector_id_of, task_id_of
from dtaas.api.trail import AUDIT_DETAIL, CHANGES_NOTHING
from dtaas.services.taskfiles.exporting import Exported, ExportService
from dtaas.services.taskfiles.importing import ImportService
from dtaas.services.taskfiles.shapes import ImportRequest, ImportResult

_YAML: Final = "application/yaml"
Ids: TypeAlias = Annotated[
    list[int] | None, QueryParameter(description="Ids, the parameter once for each; all without")
]
WithConnectors: TypeAlias = Annotated[
    bool, QueryParameter(description="Put the connectors they use before them")
]


class TaskFileController(Controller):
    """Tasks as files."""

    path = "/api/tasks"
    tags = ("Tasks",)

    @get("/export", summary="Export tasks", media_type=_YAML)
    async def export_tasks(
        self,
        *,
        exports: NamedDependency[ExportService],
        ids: Ids = None,
        with_connectors: WithConnectors = False,
    ) -> Response[str]:
        """YAML, one document a task; connectors by name, secrets as references, no ids.

        The ETag is good as If-Match of an import of the same things.
        """
        chosen = [task_id_of(one) for one in ids or ()]
        return _file(await exports.tasks(chosen, with_connectors=with_connectors), "tasks.yaml")

    @get("/{task_id:int}/export", summary="Export a task", media_type=_YAML)
    async def export_task(
        self,
        *,
        exports: NamedDependency[ExportService],
        task_id: FromPath[int],
        with_connectors: WithConnectors = False,
    ) -> Response[str]:
        """As a list of one is exported; without connectors the ETag is that of the task."""
        chosen = [task_id_of(task_id)]
        name = f"task-{task_id}.yaml"
        return _file(await exports.tasks(chosen, with_connectors=with_connectors), name)

    @post("/import", summary="Import tasks and connectors", status_code=200)
    async def import_file(
        self,
        *,
        imports: NamedDependency[ImportService],
        request: Request[Any, Any, Any],
        data: JSONBody[ImportRequest],
        if_match: Annotated[
            str | None,
            HeaderParameter(name="If-Match", description="The revision that was compared with"),
        ] = None,
    ) -> ImportResult:
        """Create and change what a file names; all of it or, with 422 `import_refused`, nothing.

        Whatever the file leaves out gets its default. A dry run only says what would happen. With
        If-Match it is refused with 412 when something it names changed since that revision.
        """
        revision = None if if_match in {None, "*"} else str(if_match).strip(' "')
        result = await imports.take(data, revision=revision)
        request.scope["state"][CHANGES_NOTHING] = data.dry_run
        # the body is no good for the trail: it may hold secrets
        request.scope["state"][AUDIT_DETAIL] = msgspec.json.encode(result.changes).decode()
        return result


class ConnectorFileController(Controller):
    """Connectors as files."""

    path = "/api/connectors"
    tags = ("Connectors",)

    @get("/export", summary="Export connectors", media_type=_YAML)
    async def export_connectors(
        self, exports: NamedDependency[ExportService], ids: Ids = None
    ) -> Response[str]:
        """YAML, one document a connector; secrets as references. `/api/tasks/import` takes it."""
        chosen = [connector_id_of(one) for one in ids or ()]
        return _file(await exports.connectors(chosen), "connectors.yaml")


def _file(exported: Exported, name: str) -> Response[str]:
    return Response(
        exported.text,
        media_type=_YAML,
        headers={
            "etag": f'"{exported.revision}"',
            "content-disposition": f'attachment; filename="{name}"',
        },
    )
