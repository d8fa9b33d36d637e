"""`/api/settings` and `/api/backups`: what an admin looks after in the browser."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from msgspec import Struct

from dtaas.model.identity import Role
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
