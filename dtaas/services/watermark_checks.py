"""Which tables of an incremental task have no watermark that will do: asked of the source."""

from collections.abc import Sequence
from typing import Final

from anyio import CapacityLimiter, create_task_group, move_on_after

from dtaas.model.change_ports import ChangeRegistry, WatermarkSource
from dtaas.model.connectors import Connector
from dtaas.model.errors import DtaasError, WatermarkNeededError
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskSpec

_LIMIT_S: Final = 30.0
_CLOSE_LIMIT_S: Final = 10.0
_AT_ONCE: Final = 4


async def watermark_problems(
    registry: ChangeRegistry, connector: Connector, spec: TaskSpec, tables: Sequence[TableRef]
) -> list[DtaasError]:
    """Return what is wrong with the watermarks of tables that the source could describe."""
    problems: dict[TableRef, DtaasError] = {}
    places = CapacityLimiter(_AT_ONCE)
    marks = registry.watermark_source(connector)

    async def ask(table: TableRef) -> None:
        async with places:
            error = await _problem(marks, spec, table)
        if error is not None:
            problems[table] = error

    try:
        with move_on_after(_LIMIT_S):
            async with create_task_group() as group:
                for table in tables:
                    group.start_soon(ask, table)
    finally:
        with move_on_after(_CLOSE_LIMIT_S, shield=True):
            await marks.aclose()
    return [problems[table] for table in tables if table in problems]


async def _problem(marks: WatermarkSource, spec: TaskSpec, table: TableRef) -> DtaasError | None:
    """Return what is wrong with a table's watermark; a source that is down is told elsewhere."""
    mapping = spec.mapping(table)
    field = "$.table_mappings"
    if mapping in spec.table_mappings:
        field += f"[{spec.table_mappings.index(mapping)}].watermark"
    try:
        await marks.mark(table, key=mapping.key, watermark=mapping.watermark, field=field)
    except WatermarkNeededError as error:
        return error
    except DtaasError:
        return None
    return None
