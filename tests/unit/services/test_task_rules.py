import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.model.column_rules import TypeRule
from dtaas.model.errors import TargetCollisionError, ValidationFailedError
from dtaas.model.ids import ConnectorId
from dtaas.model.load import PartitionField, TargetTable, WriteMode
from dtaas.model.ports import Capabilities
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.table_rules import TableRules
from dtaas.model.task import TableMapping, TaskMode, TaskOptions, TaskSpec
from dtaas.model.watermark import Watermark
from dtaas.services.task_rules import (
    applies_at_once,
    changed_fields,
    check_spec,
    fields_for_rest,
)

ALL = Capabilities(full_load=True, overwrite=True, append=True, partitions=True)
A, B = TableRef("dbo", "a"), TableRef("dbo", "b")


def spec(**changed: object) -> TaskSpec:
    good = TaskSpec(
        name="t",
        source_connector_id=ConnectorId(1),
        destination_connector_id=ConnectorId(2),
        source_tables=(A, B),
    )
    return msgspec.structs.replace(good, **changed)


def mapping(*target: str, source: TableRef = A, by: tuple[PartitionField, ...] = ()) -> dict:
    return {"table_mappings": (TableMapping(source=source, target=target, partition_by=by),)}


def test_a_good_task_passes():
    check_spec(
        spec(
            **mapping("lake", "a b", "ü]'\"", by=(PartitionField(column="day", part="year"),)),
            schedule_type=ScheduleType.INTERVAL,
            schedule_interval_seconds=60,
            options=TaskOptions(write_mode=WriteMode.APPEND),
        ),
        ALL,
        ALL,
    )


@pytest.mark.parametrize(
    ("changed", "destination", "field"),
    [
        ({"mode": TaskMode.CDC}, ALL, "$.source_connector_id"),
        ({"mode": TaskMode.INCREMENTAL}, ALL, "$.source_connector_id"),
        (
            {"table_mappings": (TableMapping(source=A, watermark=Watermark(column="id")),)},
            ALL,
            "$.table_mappings[0].watermark",
        ),
        ({"mode": TaskMode.FULL_LOAD_THEN_CDC}, ALL, "$.source_connector_id"),
        ({}, Capabilities(), "$.destination_connector_id"),
        ({"source_tables": (A, B, A)}, ALL, "$.source_tables[2]"),
        (mapping("x", source=TableRef("dbo", "c")), ALL, "$.table_mappings[0].source"),
        (
            {"table_mappings": (TableMapping(source=A), TableMapping(source=A))},
            ALL,
            "$.table_mappings[1].source",
        ),
        (mapping("ok", ".."), ALL, "$.table_mappings[0].target[1]"),
        (mapping(" "), ALL, "$.table_mappings[0].target[0]"),
        (mapping("a\nb"), ALL, "$.table_mappings[0].target[0]"),
        (
            mapping("x", by=(PartitionField(column="day", part="week"),)),
            ALL,
            "$.table_mappings[0].partition_by[0]",
        ),
        (mapping("x", by=(PartitionField(column=""),)), ALL, "$.table_mappings[0].partition_by[0]"),
        (
            mapping("x", by=(PartitionField(column="day"), PartitionField(column="day"))),
            ALL,
            "$.table_mappings[0].partition_by[1]",
        ),
        (
            mapping("x", by=(PartitionField(column="day"),)),
            msgspec.structs.replace(ALL, partitions=False),
            "$.table_mappings[0].partition_by",
        ),
        (
            {"options": TaskOptions(write_mode=WriteMode.APPEND)},
            msgspec.structs.replace(ALL, append=False),
            "$.options.write_mode",
        ),
        (
            {"options": TaskOptions(write_mode=WriteMode.TRUNCATE_INSERT)},
            ALL,
            "$.options.write_mode",
        ),
        (
            {"table_mappings": (TableMapping(source=A, write_mode=WriteMode.TRUNCATE_INSERT),)},
            ALL,
            "$.table_mappings[0].write_mode",
        ),
        ({"options": TaskOptions(history=True)}, ALL, "$.options.history"),
        (
            {"table_mappings": (TableMapping(source=A), TableMapping(source=B, history=True))},
            ALL,
            "$.table_mappings[1].history",
        ),
        (
            {"options": TaskOptions(history=True, write_mode=WriteMode.APPEND)},
            msgspec.structs.replace(ALL, history=True),
            "$.options.history",
        ),
        (
            {
                "options": TaskOptions(write_mode=WriteMode.APPEND),
                "table_mappings": (TableMapping(source=A, history=True),),
            },
            msgspec.structs.replace(ALL, history=True),
            "$.table_mappings[0].history",
        ),
        (
            {"table_rules": TableRules(column_names="{colum}")},
            ALL,
            "$.table_rules.column_names",
        ),
        ({"table_rules": TableRules(column_names="x")}, ALL, "$.table_rules.column_names"),
        (
            {"table_rules": TableRules(types=(TypeRule(data_type="strin"),))},
            ALL,
            "$.table_rules.types[0].data_type",
        ),
        (
            {"table_mappings": (TableMapping(source=A, column_names="{column:x}"),)},
            ALL,
            "$.table_mappings[0].column_names",
        ),
        (
            {
                "table_mappings": (
                    TableMapping(source=A, types=(TypeRule(data_type="decimal(0)"),)),
                )
            },
            ALL,
            "$.table_mappings[0].types[0].data_type",
        ),
        (
            {"table_mappings": (TableMapping(source=A, write_mode=WriteMode.APPEND),)},
            msgspec.structs.replace(ALL, append=False),
            "$.table_mappings[0].write_mode",
        ),
        ({"schedule_type": ScheduleType.INTERVAL}, ALL, "$.schedule_interval_seconds"),
        ({"schedule_interval_seconds": 10**30}, ALL, "$.schedule_interval_seconds"),
    ],
)
def test_what_cannot_work_is_refused_with_its_path(changed, destination, field):
    with pytest.raises(ValidationFailedError) as caught:
        check_spec(spec(**changed), ALL, destination)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changed", "destination", "field"),
    [
        ({}, ALL, "$.destination_connector_id"),
        (
            {"options": TaskOptions(write_mode=WriteMode.APPEND)},
            msgspec.structs.replace(ALL, cdc=True),
            "$.options.write_mode",
        ),
    ],
)
def test_what_cannot_be_incremental_is_refused(changed, destination, field):
    source = msgspec.structs.replace(ALL, incremental=True)
    with pytest.raises(ValidationFailedError) as caught:
        check_spec(spec(mode=TaskMode.INCREMENTAL, **changed), source, destination)
    assert caught.value.field == field


def test_two_tables_with_one_target_are_refused():
    both = spec(**mapping("dbo", "b"))
    with pytest.raises(TargetCollisionError) as caught:
        both.places(lambda table, path: TargetTable(path=path or (table.schema, table.name)))
    assert str(A) in caught.value.detail
    assert str(B) in caught.value.detail


def test_a_source_that_cannot_load_is_refused():
    with pytest.raises(ValidationFailedError) as caught:
        check_spec(spec(), Capabilities(), ALL)
    assert caught.value.field == "$.source_connector_id"


TUNED = ("batch_rows", 200), ("options", TaskOptions(concurrent_tables=9))
FREE = ("description", "new"), ("is_active", False), ("schedule_interval_seconds", 50)
BOUND = (
    ("name", "new"),
    ("source_tables", (A,)),
    ("mode", TaskMode.CDC),
    ("options", TaskOptions(write_mode=WriteMode.APPEND)),
    ("destination_connector_id", ConnectorId(3)),
)


@given(st.lists(st.sampled_from(TUNED + FREE + BOUND), unique_by=lambda change: change[0]))
def test_changes_are_sorted_into_now_next_start_and_only_at_rest(changes):
    """Whatever comes together: one bound field binds, and one tuned field waits."""
    old, new = spec(), spec(**dict(changes))
    names = {name for name, _ in changes}
    assert {name.partition(".")[0] for name in changed_fields(old, new)} == names
    assert bool(fields_for_rest(old, new)) == any(change in BOUND for change in changes)
    assert applies_at_once(old, new) == all(change in FREE for change in changes)


def test_changes_need_both_sides_and_a_load_that_replaces() -> None:
    both = msgspec.structs.replace(ALL, cdc=True)
    streaming = spec(mode=TaskMode.FULL_LOAD_THEN_CDC)
    check_spec(streaming, both, both)
    with pytest.raises(ValidationFailedError, match="destination has no change data capture"):
        check_spec(streaming, both, ALL)
    appending = spec(
        mode=TaskMode.FULL_LOAD_THEN_CDC, options=TaskOptions(write_mode=WriteMode.APPEND)
    )
    with pytest.raises(ValidationFailedError) as caught:
        check_spec(appending, both, both)
    assert caught.value.field == "$.options.write_mode"


def test_tables_come_and_go_while_a_task_streams_but_do_not_move() -> None:
    old = spec(source_tables=(A, B))
    fewer = spec(source_tables=(A,))
    assert fields_for_rest(old, fewer) == ("source_tables",)
    assert fields_for_rest(old, fewer, streaming=True) == ()
    assert applies_at_once(old, fewer, streaming=True)
    moved = spec(
        source_tables=(A,),
        table_mappings=(TableMapping(source=A, target=("elsewhere",)),),
    )
    assert fields_for_rest(old, moved, streaming=True) == ("source_tables", "table_mappings")


def test_a_history_is_kept_by_table_and_not_of_increments():
    able = msgspec.structs.replace(ALL, history=True, incremental=True, cdc=True)
    one = spec(
        options=TaskOptions(history=True),
        table_mappings=(TableMapping(source=B, history=False, write_mode=WriteMode.APPEND),),
    )
    check_spec(one, able, able)
    assert (one.keeps_history(A), one.keeps_history(B)) == (True, False)
    with pytest.raises(ValidationFailedError, match="increment") as refused:
        check_spec(spec(mode=TaskMode.INCREMENTAL, options=TaskOptions(history=True)), able, able)
    assert refused.value.field == "$.options.history"
