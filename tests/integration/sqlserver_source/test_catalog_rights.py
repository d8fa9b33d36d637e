"""Discovery by a login without VIEW DATABASE STATE: sizes are unknown, tables are not."""

from typing import Any

from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.results import Done, ErrorMessage, SqlError
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType
from tests.fakes.scripted_server import Script, ScriptedEngine, items, rows
from tests.integration.sqlserver_source.scripted import endpoint, wire_column

INT = SqlType("int")
TEXT = SqlType("nvarchar", length=128, collation=DEFAULT_COLLATION)


def answer(*values: tuple[Any, ...]) -> Script:
    kinds = [TEXT if isinstance(value, str | None) else INT for value in values[0]]
    return rows([wire_column(f"c{i}", kind) for i, kind in enumerate(kinds)], *values)


def scripts(**changes: Script) -> dict[str, Script]:
    denied = SqlError(
        262, "VIEW DATABASE STATE permission denied in database 'testdb'.", severity=14
    )
    answers = {
        "TABLES": answer((7, "dbo", "people", 0, 0, 0, 0)),
        "SIZES": items(ErrorMessage(denied), Done()),
        "ROW_COUNTS": answer((7, 12, 1)),
        "ALL_COLUMNS": answer(
            (7, "id", "int", "int", 0, 4, 10, 0, None, 0, 0, None),
            (7, "secret", "int", "int", 0, 4, 10, 0, None, 1, 1, None),
        ),
        "ALL_INDEXES": answer((7, 1, "pk", 1, 1, 1, 0, 0, 0, "id", 0)),
        "RIGHTS": answer((1, 0, 0)),
        **changes,
    }
    return {getattr(queries, name).strip(): script for name, script in answers.items()}


async def test_sizes_fall_back_to_row_counts() -> None:
    engine = ScriptedEngine()
    engine.scripts |= scripts()
    async with TdsServer.listen(engine) as server:
        pool = ControlPool(endpoint(server))
        (info,) = await Catalog(pool).tables()
        await pool.aclose()
    assert (info.table, info.row_count, info.data_bytes) == (TableRef("dbo", "people"), 12, None)
    assert info.key == ("id",)


async def test_masked_columns_are_refused_unless_they_are_seen() -> None:
    engine = ScriptedEngine()
    engine.scripts |= scripts()
    async with TdsServer.listen(engine) as server:
        pool = ControlPool(endpoint(server))
        (masked,) = await Catalog(pool).tables()
        engine.scripts |= scripts(RIGHTS=answer((1, 0, 1)))
        (seen,) = await Catalog(pool).tables()
        await pool.aclose()
    assert "GRANT UNMASK" in masked.unsupported[0]
    assert seen.unsupported == ()
