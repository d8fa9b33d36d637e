"""`/api/admin/`: on the admin socket only."""

from typing import Any

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from dtaas.model.identity import Role
from dtaas.services.doctor import Report
from dtaas.services.upkeep import Upkeep
from dtaas.store.backup import Manifest


class BackupRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to write a backup, and whether the key of the secrets goes into it."""

    path: str = ""
    with_key: bool = False


class BackupDone(Struct, frozen=True, kw_only=True):
    """What was written."""

    path: str
    manifest: Manifest


class AdminController(Controller):
    """What only those at the machine may do."""

    path = "/api/admin"
    tags = ("Admin",)
    opt = {"least_role": Role.ADMIN}  # noqa: RUF012 - the framework's own way

    @post("/doctor", summary="Examine everything", status_code=200)
    async def doctor(self, upkeep: NamedDependency[Upkeep]) -> Report:
        """Machine, own state, connectors and tasks; a minute at most."""
        return await upkeep.examine()

    @post("/backup", summary="Write a backup", status_code=200)
    async def backup(
        self, upkeep: NamedDependency[Upkeep], data: JSONBody[BackupRequest]
    ) -> BackupDone:
        """While everything goes on."""
        path, manifest = await upkeep.backup(data.path, with_key=data.with_key)
        return BackupDone(path=str(path), manifest=manifest)

    @get("/config", summary="Read the settings in force", sync_to_thread=False)
    def config(self, upkeep: NamedDependency[Upkeep]) -> dict[str, Any]:
        """Without secrets."""
        return upkeep.settings()

    @post("/drain", summary="End the daemon gently", status_code=202, sync_to_thread=False)
    def drain(self, upkeep: NamedDependency[Upkeep]) -> None:
        """What was read is written; tasks go on at the next start."""
        upkeep.drain()
