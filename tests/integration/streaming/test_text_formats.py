"""Streams of CSV and JSON lines, read back and compared with the source."""

from pathlib import Path

import pytest

from dtaas.model.load import FileFormat
from dtaas.model.schema import TableRef
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import Setting
from tests.integration.streaming.test_verification import proving, verified

T = TableRef("dbo", "t")
COLUMNS = (
    "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, body nvarchar(max) NULL,"
    " at datetime2(7) NULL, t time(7) NULL, d decimal(10, 3) NULL, b varbinary(20) NULL,"
    " f float NULL, o datetimeoffset(3) NULL"
)
ROW = (
    "N'Zoë, \"q\"', N'line' + NCHAR(10) + N'two', '2024-02-29 23:59:59.1234567', '01:02:03.1234567',"
    " -0.005, 0x00FF, 1e-300, '2024-01-01 00:00:00.123 +05:30'"
)
EMPTY = "N'', NULL, NULL, NULL, NULL, 0x, NULL, NULL"


@pytest.mark.parametrize("file_format", [FileFormat.CSV, FileFormat.JSON])
async def test_changes_as_text_are_proved(
    tmp_path: Path, database: Database, file_format: FileFormat
) -> None:
    setting = Setting(tmp_path, database)
    setting.file_format = file_format
    await database.create(T, COLUMNS, *(f"{i}, {ROW}" for i in range(20)))
    async with setting.life(T) as life, proving(life) as service:
        await life.start()
        await life.streaming()
        await database.run(
            f"INSERT INTO t VALUES (100, {ROW}), (101, {EMPTY})",
            "UPDATE t SET name = N'new' WHERE id < 5",
            "UPDATE t SET body = NULL WHERE id = 6",
            "DELETE FROM t WHERE id = 7",
        )
        await life.until(lambda _, p: p is not None and p.tables[0].changes == 9)
        assert (await verified(service, life)).proved
        await database.run("UPDATE t SET id = 200 WHERE id = 100")
        await life.until(lambda _, p: p is not None and p.tables[0].changes == 11)
        assert (await verified(service, life)).proved
