"""What a plan says by what stands at the target and by what its destination would run."""

import pytest

from dtaas.model.ids import ConnectorId
from dtaas.model.load import TargetTable, WriteMode
from dtaas.model.plan import PlanStep, Standing, TargetDdl
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import TaskMode, TaskOptions, TaskSpec
from dtaas.model.types import Integer
from dtaas.services.planning.steps import steps_of

T = TableRef("dbo", "t")
SCHEMA = TableSchema(
    table=T, columns=(Column(name="id", type=Integer(64), nullable=False),), key=("id",)
)
OLD = Standing(location="DB.S.T", columns=(("ID", "NUMBER(10,0)"),), rows=5, owner="us")
WIDER = "ALTER TABLE T ALTER COLUMN ID SET DATA TYPE NUMBER(19,0)"
DDL = TargetDdl(
    columns=(("ID", "NUMBER(19,0)"),),
    create=("CREATE TABLE T (ID NUMBER(19,0))",),
    replace=("ALTER TABLE T SWAP WITH U",),
    evolve=(WIDER,),
)
CONFLICT = TargetDdl(columns=DDL.columns, replace=DDL.replace, conflict="Column ID is a DATE.")


def planned(
    standing: Standing | None,
    ddl: TargetDdl | None,
    *,
    mode: TaskMode = TaskMode.FULL_LOAD,
    write: WriteMode = WriteMode.OVERWRITE,
    streams: bool = False,
) -> tuple[PlanStep, ...]:
    spec = TaskSpec(
        name="t",
        source_connector_id=ConnectorId(1),
        destination_connector_id=ConnectorId(2),
        source_tables=(T,),
        mode=mode,
        options=TaskOptions(write_mode=write, enable_capture=False),
    )
    return steps_of(
        spec,
        SCHEMA,
        TargetTable(path=("S", "T")),
        info=None,
        standing=standing,
        ddl=ddl,
        unfinished=None,
        streams=streams,
        owner="us",
    )


def test_a_table_that_is_not_there_is_created_with_the_destinations_own_types() -> None:
    (step,) = planned(None, DDL)
    assert (step.kind, step.ddl, step.destructive) == ("create", DDL.create, False)
    assert "ID NUMBER(19,0)" in step.text


def test_a_load_replaces_what_stands_and_says_how_its_columns_change() -> None:
    columns, replace = planned(OLD, DDL)
    assert (columns.kind, columns.destructive) == ("columns", True)
    assert (replace.kind, replace.ddl, replace.destructive) == ("replace", DDL.replace, True)
    (alone,) = planned(Standing(location="DB.S.T", columns=DDL.columns, rows=0), DDL)
    assert (alone.kind, alone.destructive) == ("replace", False)


@pytest.mark.parametrize(
    ("write", "last"), [(WriteMode.APPEND, "append"), (WriteMode.TRUNCATE_INSERT, "replace")]
)
def test_a_table_that_stays_evolves(write: WriteMode, last: str) -> None:
    evolve, rows = planned(OLD, DDL, write=write)
    assert (evolve.kind, evolve.ddl, evolve.destructive) == ("evolve", (WIDER,), False)
    assert "make ID NUMBER(19,0) (was NUMBER(10,0))" in evolve.text
    assert rows.kind == last
    refused, _ = planned(OLD, CONFLICT, write=write)
    assert (refused.kind, refused.text) == ("refused", CONFLICT.conflict)


def test_a_stream_that_goes_on_evolves_its_table() -> None:
    mode = TaskMode.FULL_LOAD_THEN_CDC
    evolve, stream = planned(OLD, DDL, mode=mode, streams=True)
    assert (evolve.kind, evolve.ddl, stream.kind) == ("evolve", (WIDER,), "stream")
    still = Standing(location="DB.S.T", columns=DDL.columns)
    (alone,) = planned(still, TargetDdl(columns=DDL.columns), mode=mode, streams=True)
    assert alone.kind == "stream"


def test_a_history_goes_on() -> None:
    (step,) = planned(OLD, TargetDdl(columns=OLD.columns))
    assert (step.kind, step.destructive) == ("append", False)
    assert "history" in step.text
