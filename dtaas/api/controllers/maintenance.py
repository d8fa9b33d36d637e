"""`/api/settings` and `/api/backups`: what an admin looks after in the browser."""

from http import HTTPStatus

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct

from dtaas.api.controllers.trials import NOT_COMPRESSED
from dtaas.api.request import ApiRequest
from dtaas.api.trail import entry_of_get
from dtaas.model.identity import Caller, Role
from dtaas.services.audit import AuditService
from dtaas.services.backups import BackupFile, Backups
from dtaas.services.in_force import SettingsInForce, SettingsReader


class BackupList(Struct, frozen=True, kw_only=True):
    """The backups in the data folder, the newest first.

    Attributes:
        possible: false where the metadata is in PostgreSQL, which has tools of its own.
    """

    items: tuple[BackupFile, ...]
    possible: bool


class MaintenanceController(Controller):
    """The daemon's own state."""

    path = "/api"
    tags = ("Maintenance",)
    opt = {"least_role": Role.ADMIN}  # noqa: RUF012 - the framework's own way

    @get("/settings", summary="Read limits and retention", sync_to_thread=False)
    def settings(self, in_force: NamedDependency[SettingsReader]) -> SettingsInForce:
        """As they are in force now. They are changed in the daemon's configuration file."""
        return in_force.read()

    @get("/backups", summary="List backups")
    async def backups(self, backups: NamedDependency[Backups]) -> BackupList:
        """Of the metadata, in the data folder; `dtaas restore` puts one back."""
        return BackupList(items=tuple(await backups.list()), possible=backups.possible)

    @post("/backups", summary="Make a backup")
    async def back_up(self, backups: NamedDependency[Backups]) -> BackupFile:
        """Of the metadata, while everything goes on, into the data folder.

        The key of the secrets does not go into it: only `dtaas backup --with-key` at the machine
        puts it there.
        """
        return await backups.make()

    @get("/backups/{name:str}", summary="Download a backup", opt={NOT_COMPRESSED: True})
    async def download(
        self,
        request: ApiRequest,
        *,
        backups: NamedDependency[Backups],
        audit: NamedDependency[AuditService],
        name: FromPath[str],
    ) -> Stream:
        """As it lies in the data folder, and the audit log tells who took it.

        Whoever has it can read all metadata, hashes of passwords too, but no secret of a
        connector. A backup that holds the key of the secrets is refused.
        """
        found, parts = await backups.read(name)
        caller: Caller = request.scope["state"]["caller"]
        await audit.record(
            entry_of_get(
                request,
                f"/api/backups/{found.name}",
                actor=caller.username,
                auth=caller.auth.value,
                action="backups.download",
                status=HTTPStatus.OK.value,
            )
        )
        return Stream(
            parts,
            media_type="application/gzip",
            headers={
                "content-disposition": f'attachment; filename="{found.name}"',
                "content-length": str(found.bytes),
            },
        )
