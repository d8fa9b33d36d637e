"""`POST /api/preview`."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from dtaas.api.trail import CHANGES_NOTHING
from dtaas.services.preview.service import PreviewService
from dtaas.services.preview.shapes import Preview, RowPreviewRequest


class PreviewController(Controller):
    """Rows through a task that is not stored."""

    path = "/api/preview"
    tags = ("Tasks",)

    @post("/", summary="See rows before and after", status_code=200, opt={CHANGES_NOTHING: True})
    async def preview(
        self, previews: NamedDependency[PreviewService], data: JSONBody[RowPreviewRequest]
    ) -> Preview:
        """Up to 100 rows of a table: the first, random ones, by key, or pasted JSON.

        The source is read once and its rows are kept for five minutes. Nothing is written. What is
        wrong with a step is told, and the rows as they are read.
        """
        return await previews.preview(data)
