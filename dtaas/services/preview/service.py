"""Previews: rows of a source through a task that is not stored. Nothing is written."""

from typing import Final
from weakref import WeakValueDictionary

from anyio import Lock, fail_after, move_on_after
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.model.connectors import Connector, ConnectorRole
from dtaas.model.errors import TimedOutError
from dtaas.model.ids import ConnectorId
from dtaas.model.ports import ConnectorRegistry
from dtaas.model.schema import TableSchema
from dtaas.model.table_rules import with_columns
from dtaas.model.task import TaskMode, TaskSpec
from dtaas.services.preview.kept import KeptSamples, Sampled
from dtaas.services.preview.sampling import pasted, picked
from dtaas.services.preview.shapes import Pick, Preview, RowPreviewRequest
from dtaas.services.preview.showing import shown
from dtaas.services.task_checks import connector_of
from dtaas.services.world import World
from dtaas.transforms.compile import Compilation, compile_steps

_LIMIT_S: Final = 30.0
_CLOSE_LIMIT_S: Final = 10.0
_THREADS: Final = 2


class PreviewService:
    """Reads a few rows once and shows what a task makes of them."""

    def __init__(self, world: World, registry: ConnectorRegistry) -> None:
        self._world = world
        self._registry = registry
        self._kept = KeptSamples()
        self._reading: WeakValueDictionary[ConnectorId, Lock] = WeakValueDictionary()
        self._blocking = Blocking(_THREADS)

    async def preview(self, request: RowPreviewRequest) -> Preview:
        """Return rows before and after.

        Raises:
            ValidationFailedError: there is no such connector or column, or data of another shape.
            TimedOutError: the source does not answer in time.
            DtaasError: whatever the source says.
        """
        spec = request.task
        connector = await connector_of(self._world, ConnectorRole.SOURCE, spec.source_connector_id)
        sample, cached = await self._sample(connector, request)
        mapping = spec.mapping(request.table)
        schema = with_columns(sample.schema, mapping.include_columns, mapping.exclude_columns)
        batch = sample.batch
        if request.pick is Pick.JSON:
            batch = pasted(sample.schema, request.data)
        compilation = await self._blocking(compiled, spec, schema)
        batch = batch.select([column.name for column in schema.columns])
        preview = await self._blocking(shown, schema, batch, compilation)
        return replace(preview, cached=cached)

    async def _sample(
        self, connector: Connector, request: RowPreviewRequest
    ) -> tuple[Sampled, bool]:
        """Return rows of the whole table, so that other columns of the task read nothing anew."""
        lock = self._reading.setdefault(connector.id, Lock())
        columns = request.task.mapping(request.table).key if request.pick is Pick.KEYS else ()
        key = (
            connector.id,
            connector.updated_at,
            request.table,
            request.rows,
            request.pick,
            request.keys,
            columns,
            request.seed,
        )
        async with lock:
            kept = None if request.refresh else self._kept.get(key)
            if kept is not None:
                return kept, True
            source = self._registry.source(await self._registry.resolved(connector))
            try:
                with fail_after(_LIMIT_S):
                    schema = await source.describe(request.table)
                    rows = 1 if request.pick is Pick.JSON else request.rows
                    batch = await picked(source, schema, replace(request, rows=rows))
            except TimeoutError as exc:
                raise TimedOutError(
                    f"Reading {request.table} took over {_LIMIT_S:g} s.",
                    hint="Look for blocking at the source.",
                ) from exc
            finally:
                with move_on_after(_CLOSE_LIMIT_S, shield=True):
                    await source.aclose()
            return self._kept.put(key, schema, batch), False


def compiled(spec: TaskSpec, schema: TableSchema) -> Compilation:
    """Return what a task makes of a table, as its loads see it."""
    by_key = spec.mode is not TaskMode.FULL_LOAD
    return compile_steps(
        spec.steps(schema.table), schema, streaming=by_key, whole_rows=not spec.mode.streams
    )
