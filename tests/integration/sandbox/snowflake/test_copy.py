"""COPY INTO a table, as a loader needs it."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from snowflake.connector.errors import IntegrityError, ProgrammingError

from tests.integration.sandbox.snowflake.conftest import Connect, Run
from tests.integration.sandbox.snowflake.staged import BY_NAME, PARQUET, parquet, put


def _rows(*numbers: int, text: str = "x") -> bytes:
    return parquet(pa.table({"ID": pa.array(numbers, pa.int64()), "V": [text] * len(numbers)}))


@pytest.fixture
async def _target(run: Run) -> None:
    await run("CREATE TABLE T (ID NUMBER(38,0) NOT NULL, V VARCHAR(10))")
    await run("CREATE STAGE ST")


pytestmark = pytest.mark.usefixtures("_target")


async def test_the_result_counts_rows_by_file(connect: Connect, run: Run) -> None:
    await put(connect, _rows(1, 2, 3), "a.parquet", "@ST/p/")
    await put(connect, _rows(4), "b.parquet", "@ST/p/")
    await put(connect, _rows(9), "c.parquet", "@ST/p/")
    loaded = await run(f"COPY INTO T FROM @ST/p/ FILES = ('a.parquet', 'b.parquet') {BY_NAME}")
    assert [row[:6] for row in loaded] == [
        ("st/p/a.parquet", "LOADED", 3, 3, 1, 0),
        ("st/p/b.parquet", "LOADED", 1, 1, 1, 0),
    ]
    assert await run("SELECT ID FROM T ORDER BY ID") == [(1,), (2,), (3,), (4,)]


async def test_every_arrow_type_arrives(connect: Connect, run: Run) -> None:
    await run(
        "CREATE TABLE W (N NUMBER(38,10), I NUMBER(10,0), F FLOAT, B BOOLEAN, S VARCHAR, X BINARY, "
        "D DATE, TI TIME(7), NTZ TIMESTAMP_NTZ(7), NS TIMESTAMP_NTZ(9), TZ TIMESTAMP_TZ, J VARIANT)"
    )
    moment = datetime(1, 1, 1, 0, 0, 0, 1)
    table = pa.table(
        {
            "N": pa.array(
                [Decimal("-1234567890123456789012345678.0123456789")], pa.decimal128(38, 10)
            ),
            "I": pa.array([-5], pa.int32()),
            "F": pa.array([0.1], pa.float64()),
            "B": [False],
            "S": ["ä\u0000b"],
            "X": [b"\x00\xff"],
            "D": [date(9999, 12, 31)],
            "TI": pa.array([86_399_999_999_900], pa.time64("ns")),
            "NTZ": pa.array([moment], pa.timestamp("us")),
            "NS": pa.array([-1_234_567_890_123_456_789], pa.timestamp("ns")),
            "TZ": pa.array([datetime(2024, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "J": ['{"a": 1}'],
        }
    )
    await put(connect, parquet(table), "w.parquet", "@ST")
    await run(f"COPY INTO W FROM @ST {BY_NAME}")
    found = (await run("SELECT * FROM W"))[0]
    assert found[:9] == (
        Decimal("-1234567890123456789012345678.0123456789"),
        -5,
        0.1,
        False,
        "ä\u0000b",
        b"\x00\xff",
        date(9999, 12, 31),
        time(23, 59, 59, 999999),  # Python holds no more; the next test reads them all
        moment,
    )
    assert found[9] == datetime(1930, 11, 18, 0, 28, 29, 876543)
    assert found[10] == datetime(2024, 1, 2, tzinfo=UTC)
    assert found[11] == '"{\\"a\\": 1}"'  # a string: no PARSE_JSON happens by itself


async def test_a_time_keeps_its_seven_digits(connect: Connect, run: Run) -> None:
    await run("CREATE TABLE W (A TIME(7), B TIME(3), C TIME)")
    ticks = pa.array([86_399_999_999_900, None], pa.time64("ns"))
    table = pa.table({"A": ticks, "B": ticks, "C": ["01:02:03.1234567", None]})
    await put(connect, parquet(table), "w.parquet", "@ST")
    await run(f"COPY INTO W FROM @ST {BY_NAME}")
    await run("CREATE TABLE X AS SELECT A, B, '01:02:03.1234567'::TIME(7) AS C FROM W")
    for name in ("W", "X"):  # as text: the connector itself cuts times to microseconds
        found = await run(
            f"SELECT A::VARCHAR, B::VARCHAR, C::VARCHAR FROM {name} ORDER BY A NULLS LAST LIMIT 1"
        )
        assert found == [("23:59:59.9999999", "23:59:59.999999", "01:02:03.1234567")]


async def test_the_same_file_is_not_loaded_twice(connect: Connect, run: Run) -> None:
    await put(connect, _rows(1), "a.parquet", "@ST")
    copy = f"COPY INTO T FROM @ST {BY_NAME}"
    await run(copy)
    assert await run(copy) == [("Copy executed with 0 files processed.",)]
    skipped = await run(f"{copy} FILES = ('a.parquet')")
    assert skipped[0][1] == "LOAD_SKIPPED"
    assert await run("SELECT COUNT(*) FROM T") == [(1,)]

    await put(connect, _rows(1), "a.parquet", "@ST")  # the same bytes again
    assert (await run(f"{copy} FILES = ('a.parquet')"))[0][1] == "LOAD_SKIPPED"
    await put(connect, _rows(1, 2), "a.parquet", "@ST")
    assert (await run(copy))[0][3] == 2
    assert (await run(f"{copy} FORCE = TRUE"))[0][3] == 2
    assert await run("SELECT COUNT(*) FROM T") == [(5,)]
    history = await run(
        "SELECT FILE_NAME, ROW_COUNT, STATUS FROM INFORMATION_SCHEMA.LOAD_HISTORY "
        "WHERE TABLE_NAME = 'T' AND SCHEMA_NAME = CURRENT_SCHEMA()"
    )
    assert history == [("st/a.parquet", 2, "LOADED")]


@pytest.mark.parametrize(
    "forget", ["TRUNCATE TABLE T", "CREATE OR REPLACE TABLE T (ID INT, V VARCHAR)"]
)
async def test_a_table_made_anew_has_loaded_nothing(
    connect: Connect, run: Run, forget: str
) -> None:
    await put(connect, _rows(1), "a.parquet", "@ST")
    await run(f"COPY INTO T FROM @ST {BY_NAME}")
    await run(forget)
    assert (await run(f"COPY INTO T FROM @ST {BY_NAME}"))[0][1] == "LOADED"


async def test_a_rolled_back_load_may_be_loaded_again(connect: Connect, run: Run) -> None:
    await put(connect, _rows(1), "a.parquet", "@ST")
    await run("BEGIN")
    await run(f"COPY INTO T FROM @ST {BY_NAME}")
    assert await run("SELECT COUNT(*) FROM T") == [(1,)]
    await run("ROLLBACK")
    assert await run("SELECT COUNT(*) FROM T") == [(0,)]
    assert (await run(f"COPY INTO T FROM @ST {BY_NAME}"))[0][1] == "LOADED"


async def test_a_staging_table_takes_files_and_forgets_them_with_the_session(
    connect: Connect, run: Run, schema: str
) -> None:
    await put(connect, _rows(1, 2), "a.parquet", "@ST")
    cursor = (await connect()).cursor()
    await cursor.execute("CREATE TEMPORARY TABLE STG (ID INT, V VARCHAR)")
    await cursor.execute("BEGIN")
    await cursor.execute(f"COPY INTO TEST.{schema}.STG FROM @ST {BY_NAME}")
    await cursor.execute("INSERT INTO T SELECT ID, V FROM STG")
    await cursor.execute("COMMIT")
    await cursor.execute(f"COPY INTO STG FROM @ST FILES = ('a.parquet') {BY_NAME}")
    assert (await cursor.fetchall())[0][1] == "LOAD_SKIPPED"
    await cursor.execute("CREATE OR REPLACE TEMPORARY TABLE STG (ID INT, V VARCHAR)")
    await cursor.execute(f"COPY INTO STG FROM @ST {BY_NAME}")
    assert (await cursor.fetchall())[0][1] == "LOADED"
    assert await run("SELECT COUNT(*) FROM T") == [(2,)]


async def test_several_files_load_all_or_none(connect: Connect, run: Run) -> None:
    await put(connect, _rows(1), "a.parquet", "@ST")
    await put(connect, _rows(2, text="much too long"), "b.parquet", "@ST")
    with pytest.raises(ProgrammingError, match=r"length limit \(10\).* V") as refused:
        await run(f"COPY INTO T FROM @ST {BY_NAME}")
    assert refused.value.errno == 100074
    assert await run("SELECT COUNT(*) FROM T") == [(0,)]
    assert (await run(f"COPY INTO T FROM @ST FILES = ('a.parquet') {BY_NAME}"))[0][1] == "LOADED"


async def test_on_error_continue_loads_what_fits(connect: Connect, run: Run) -> None:
    table = pa.table({"ID": pa.array([1, None, 3, 4], pa.int64()), "V": ["a", "b", "x" * 11, None]})
    await put(connect, parquet(table), "a.parquet", "@ST")
    loaded = await run(f"COPY INTO T FROM @ST {BY_NAME} ON_ERROR = CONTINUE")
    assert loaded[0][:6] == ("st/a.parquet", "PARTIALLY_LOADED", 4, 2, 4, 2)
    assert loaded[0][9] == "ID"
    assert await run("SELECT ID FROM T ORDER BY 1") == [(1,), (4,)]


@pytest.mark.parametrize(
    ("option", "status", "loaded"),
    [
        ("SKIP_FILE", "LOAD_FAILED", 0),
        ("SKIP_FILE_2", "PARTIALLY_LOADED", 2),
        ("'SKIP_FILE_30%'", "LOAD_FAILED", 0),
        ("'SKIP_FILE_40%'", "PARTIALLY_LOADED", 2),
    ],
)
async def test_on_error_skip_file_counts_errors(
    connect: Connect, run: Run, option: str, status: str, loaded: int
) -> None:
    table = pa.table({"ID": pa.array([1, 2, 3], pa.int64()), "V": ["a", "b", "x" * 11]})
    await put(connect, parquet(table), "a.parquet", "@ST")
    await put(connect, _rows(7), "b.parquet", "@ST")
    result = await run(f"COPY INTO T FROM @ST {BY_NAME} ON_ERROR = {option}")
    assert [(row[1], row[3]) for row in result] == [(status, loaded), ("LOADED", 1)]


async def test_a_null_in_a_not_null_column_is_refused(connect: Connect, run: Run) -> None:
    table = pa.table({"ID": pa.array([None], pa.int64())})
    await put(connect, parquet(table), "a.parquet", "@ST")
    with pytest.raises(IntegrityError) as refused:
        await run(f"COPY INTO T FROM @ST {BY_NAME}")
    assert refused.value.errno == 100072


async def test_purge_removes_what_was_loaded(connect: Connect, run: Run) -> None:
    await put(connect, _rows(1), "a.parquet", "@ST")
    await run(f"COPY INTO T FROM @ST {BY_NAME} PURGE = FALSE")
    assert len(await run("LIST @ST")) == 1
    await put(connect, _rows(2), "b.parquet", "@ST")
    await run(f"COPY INTO T FROM @ST {BY_NAME} PURGE = TRUE")
    assert [row[0] for row in await run("LIST @ST")] == ["st/a.parquet"]


async def test_a_missing_file_is_named(run: Run) -> None:
    with pytest.raises(ProgrammingError, match=r"st/p/gone\.parquet") as refused:
        await run(f"COPY INTO T FROM @ST/p FILES = ('gone.parquet') {BY_NAME}")
    assert refused.value.errno == 91016


async def test_names_match_in_both_ways(connect: Connect, run: Run) -> None:
    await run('CREATE TABLE M ("id" INT, "Größe" VARCHAR, KEPT VARCHAR DEFAULT \'d\')')
    table = pa.table({"id": [1], "Größe": ["x"], "other": ["ignored"]})
    await put(connect, parquet(table), "a.parquet", "@ST")
    await run(f"COPY INTO M FROM @ST {BY_NAME}")
    assert await run("SELECT * FROM M") == [(1, "x", "d")]
    upper = pa.table({"ID": [2], "größe": ["y"], "kept": ["k"]})
    await put(connect, parquet(upper), "b.parquet", "@ST")
    await run(f"COPY INTO M FROM @ST {PARQUET} MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")
    assert await run('SELECT * FROM M WHERE "id" = 2') == [(2, "y", "k")]


async def test_parquet_needs_names_or_a_transformation(connect: Connect, run: Run) -> None:
    await put(connect, _rows(1), "a.parquet", "@ST")
    with pytest.raises(ProgrammingError, match="MATCH_BY_COLUMN_NAME"):
        await run(f"COPY INTO T FROM @ST {PARQUET}")
    await run(
        f"COPY INTO T (ID, V) FROM (SELECT $1:ID::INT + 10, METADATA$FILENAME FROM @ST) {PARQUET}"
        " TRUNCATECOLUMNS = TRUE"
    )
    assert await run("SELECT * FROM T") == [(11, "st/a.parquet")]


@pytest.mark.parametrize(
    ("kind", "option", "code"),
    [
        ("TIMESTAMP_NTZ", "USE_LOGICAL_TYPE = TRUE", 100071),
        ("BINARY", "BINARY_AS_TEXT = FALSE", 100145),
    ],
)
async def test_the_scanner_options_a_real_account_needs_are_needed(
    connect: Connect, run: Run, kind: str, option: str, code: int
) -> None:
    values = {
        "TIMESTAMP_NTZ": pa.array([datetime(2024, 1, 1)], pa.timestamp("us")),
        "BINARY": pa.array([b"\xff"]),
    }
    await run(f"CREATE TABLE R (C {kind})")
    await put(connect, parquet(pa.table({"C": values[kind]})), "a.parquet", "@ST")
    copy = "COPY INTO R FROM @ST MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
    with pytest.raises(ProgrammingError) as refused:
        await run(f"{copy} FILE_FORMAT = (TYPE = PARQUET)")
    assert refused.value.errno == code
    assert (await run(f"{copy} FILE_FORMAT = (TYPE = PARQUET {option})"))[0][3] == 1


async def test_a_named_format_and_a_pattern(connect: Connect, run: Run) -> None:
    await run("CREATE FILE FORMAT PQ TYPE = PARQUET USE_VECTORIZED_SCANNER = TRUE")
    await put(connect, _rows(1), "a.parquet", "@ST/x/")
    await put(connect, _rows(2), "b.parquet", "@ST/y/")
    await run(
        "COPY INTO T FROM @ST PATTERN = 'y/.*' FILE_FORMAT = (FORMAT_NAME = PQ) "
        "MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
    )
    assert await run("SELECT ID FROM T") == [(2,)]


async def test_csv_in_the_order_of_the_columns(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text('id;v\n1;"a;b"\n2;\\N\n')
    await run(f"PUT 'file://{file}' @ST")
    await run(
        "COPY INTO T FROM @ST FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ';' SKIP_HEADER = 1 "
        "FIELD_OPTIONALLY_ENCLOSED_BY = '\"')"
    )
    assert await run("SELECT * FROM T ORDER BY ID") == [(1, "a;b"), (2, None)]


async def test_an_unknown_option_is_refused(run: Run) -> None:
    with pytest.raises(ProgrammingError, match="MATCH_BY_NAME"):
        await run("COPY INTO T FROM @ST MATCH_BY_NAME = TRUE")
