"""`/api/tasks/{id}/verify` and `/api/tasks/{id}/verifications/`: proof that the data arrived."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct, structs

from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.api.path_ids import task_id_of, verification_id_of
from dtaas.model.schema import TableRef
from dtaas.model.verification import Verification, VerificationId
from dtaas.services.verification import VerificationService
from dtaas.store.page import Window


class VerifyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tables to verify; all when empty."""

    tables: tuple[TableRef, ...] = ()


class VerificationView(Verification, frozen=True, kw_only=True):
    """A verification and its verdict.

    Attributes:
        verification_id: its id again, as the order answers it.
        verified: every table holds the same at both ends.
    """

    verification_id: VerificationId
    verified: bool


class VerificationList(Struct, frozen=True, kw_only=True):
    """A page of verifications."""

    items: tuple[VerificationView, ...]
    total: int
    limit: int
    offset: int


class VerificationController(Controller):
    """Source and destination read again and compared."""

    path = "/api/tasks"
    tags = ("Verification",)

    @post("/{task_id:int}/verify", summary="Verify a task", status_code=202, audit_body=True)
    async def order(
        self,
        verifications: NamedDependency[VerificationService],
        task_id: FromPath[int],
        data: JSONBody[VerifyRequest],
    ) -> VerificationView:
        """Both ends are read again in the background while transfers go on.

        Read the result under `verifications/{verification_id}`. 409 while one is under way.
        """
        return _view(await verifications.order(task_id_of(task_id), data.tables))

    @get("/{task_id:int}/verifications", summary="List the verifications of a task")
    async def list_all(
        self,
        *,
        verifications: NamedDependency[VerificationService],
        task_id: FromPath[int],
        sort: Sort = "-id",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> VerificationList:
        """Sort by id or created_at; the newest come first."""
        page = await verifications.list(
            task_id_of(task_id), Window(limit=limit, offset=offset, sort=sort)
        )
        return VerificationList(
            items=tuple(map(_view, page.items)),
            total=page.total,
            limit=page.limit,
            offset=page.offset,
        )

    @get("/{task_id:int}/verifications/{verification_id:int}", summary="Read a verification")
    async def read(
        self,
        verifications: NamedDependency[VerificationService],
        task_id: FromPath[int],
        verification_id: FromPath[int],
    ) -> VerificationView:
        """Its tables so far, and for those that differ the keys."""
        found = await verifications.get(task_id_of(task_id), verification_id_of(verification_id))
        return _view(found)

    @post(
        "/{task_id:int}/verifications/{verification_id:int}/repair",
        summary="Repair what a verification found",
        status_code=202,
    )
    async def repair(
        self,
        verifications: NamedDependency[VerificationService],
        task_id: FromPath[int],
        verification_id: FromPath[int],
    ) -> VerificationView:
        """Rows that differ are read again by key and written with the stream's next changes.

        Tables without a stream, or with more wrong rows than keys are told of, are loaded anew.
        Verify again afterwards.
        """
        found = await verifications.repair(task_id_of(task_id), verification_id_of(verification_id))
        return _view(found)


def _view(found: Verification) -> VerificationView:
    return VerificationView(
        **structs.asdict(found), verification_id=found.id, verified=found.proved
    )
