"""`/api/audit/`, for admins."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream
from msgspec import Struct

from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.model.errors import ValidationFailedError
from dtaas.model.identity import AuditEntry, Role
from dtaas.services.audit import AuditService
from dtaas.store.audit import AuditFilter, ChainCheck
from dtaas.store.page import Window

Text: TypeAlias = Annotated[str, QueryParameter(max_length=300)]
_CSV_DANGER: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """`json` is one entry a line."""

    JSON = "json"
    CSV = "csv"


class AuditList(Struct, frozen=True, kw_only=True):
    """A part of the entries."""

    items: tuple[AuditEntry, ...]
    total: int
    limit: int
    offset: int


class AuditController(Controller):
    """Who did what."""

    path = "/api/audit"
    tags = ("Audit",)
    opt = {"least_role": Role.ADMIN}  # noqa: RUF012 - the framework's own way

    @get("/", summary="List entries")
    async def list_all(
        self,
        *,
        audit: NamedDependency[AuditService],
        actor: Text = "",
        action: Text = "",
        object: Text = "",  # noqa: A002 - the name of the field
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        sort: Sort = "-number",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> AuditList:
        """`object` is the beginning of a path. Sort by number or at."""
        page = await audit.list(
            _filter(actor, action, object, since, until),
            Window(limit=limit, offset=offset, sort=sort),
        )
        return AuditList(items=page.items, total=page.total, limit=page.limit, offset=page.offset)

    @get("/export", summary="Export entries", sync_to_thread=False)
    def export(
        self,
        *,
        audit: NamedDependency[AuditService],
        actor: Text = "",
        action: Text = "",
        object: Text = "",  # noqa: A002 - the name of the field
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        format: FromQuery[ExportFormat] = ExportFormat.JSON,  # noqa: A002 - its name
    ) -> Stream:
        """All of them, the oldest first: a JSON object a line, or CSV."""
        entries = audit.export(_filter(actor, action, object, since, until))
        write, media_type = _WRITERS[format]
        return Stream(
            _written(entries, write, format),
            media_type=media_type,
            headers={"content-disposition": f'attachment; filename="audit.{format}"'},
        )

    @get("/verify", summary="Check the chain of hashes")
    async def verify(self, audit: NamedDependency[AuditService]) -> ChainCheck:
        """Whether an entry was altered or removed. Keep `head` elsewhere to see a cut-off end."""
        return await audit.verify()


def _filter(
    actor: str, action: str, path: str, since: datetime | None, until: datetime | None
) -> AuditFilter:
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise ValidationFailedError(
                f"{name} has no zone.", hint="Write it as 2026-01-31T12:00:00Z.", field=f"$.{name}"
            )
    return AuditFilter(actor=actor, action=action, object=path, since=since, until=until)


async def _written(
    entries: AsyncIterator[AuditEntry], write: Callable[[AuditEntry], bytes], form: ExportFormat
) -> AsyncIterator[bytes]:
    if form is ExportFormat.CSV:
        yield _row(AuditEntry.__struct_fields__)
    async for entry in entries:
        yield write(entry)


def _json_line(entry: AuditEntry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def _csv_line(entry: AuditEntry) -> bytes:
    plain = msgspec.to_builtins(entry)
    return _row(tuple(_harmless(plain[name]) for name in AuditEntry.__struct_fields__))


def _harmless(value: object) -> object:
    """Return a cell no spreadsheet takes for a formula."""
    risky = isinstance(value, str) and value.startswith(_CSV_DANGER)
    return f"'{value}" if risky else value


def _row(cells: tuple[object, ...]) -> bytes:
    sink = io.StringIO()
    csv.writer(sink).writerow(cells)
    return sink.getvalue().encode()


_WRITERS: Final = {
    ExportFormat.JSON: (_json_line, "application/x-ndjson"),
    ExportFormat.CSV: (_csv_line, "text/csv; charset=utf-8"),
}
