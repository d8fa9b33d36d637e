"""Tasks and connectors survive the way through a file exactly."""

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.connectors.registry import Registry
from dtaas.model.column_rules import TypeRule
from dtaas.model.connectors import (
    Connector,
    ConnectorRole,
    S3Config,
    S3Credentials,
    SqlServerConfig,
)
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import FileFormat, PartitionField, WriteMode
from dtaas.model.schedule import Blackout, Outcome, Schedule, ScheduleType, Weekday
from dtaas.model.schema import TableRef
from dtaas.model.table_rules import NewTables, TableRules
from dtaas.model.task import (
    DesiredState,
    TableMapping,
    Task,
    TaskMode,
    TaskOptions,
    TaskSpec,
    TaskStatus,
)
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    FilterRows,
    OnError,
    RenameColumn,
    ReplaceValue,
    TransformationRule,
)
from dtaas.services.taskfiles.describing import action_of
from dtaas.services.taskfiles.documents import CONNECTOR, TASK, placeholder
from dtaas.services.taskfiles.drafting import Drafted, Drafter
from dtaas.services.taskfiles.exporting import Exported, _export
from dtaas.services.taskfiles.reading import read_parts
from dtaas.services.taskfiles.references import References
from dtaas.services.taskfiles.shapes import FileAction, ImportRequest
from dtaas.services.taskfiles.stock import Stock

NOW = datetime(2026, 11, 27, tzinfo=UTC)
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
NAMES = WORDS.map(lambda text: text[:60])
TABLES = st.builds(TableRef, WORDS, WORDS)
COLUMNS = WORDS.map(lambda text: text[:60])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1e9, 1e9) | WORDS
STEPS = st.one_of(
    st.builds(AddColumn, column=COLUMNS, value=SCALARS),
    st.builds(RenameColumn, column=COLUMNS, to=COLUMNS),
    st.builds(FilterRows, condition=WORDS, on_error=st.sampled_from(OnError)),
    st.builds(ReplaceValue, column=COLUMNS, find=SCALARS, replacement=SCALARS),
    st.builds(ApplyFunction, column=COLUMNS, function=COLUMNS),
)
RULES = st.builds(
    TransformationRule,
    tables=st.lists(WORDS, min_size=1, max_size=2).map(tuple),
    steps=st.lists(STEPS, max_size=2).map(tuple),
    skip_missing=st.booleans(),
)


def is_a_name(text: str) -> bool:
    """Tell texts from addresses: those of metadata services, which Hypothesis knows, are refused."""
    try:
        ip_address(text)
    except ValueError:
        return True
    return False


HOSTS = WORDS.filter(is_a_name)
SECRETS = {"password": "s3cret", "secret_access_key": "s3cret"}


def stored(spec: TaskSpec, number: int) -> Task:
    return Task(
        id=TaskId(number),
        spec=spec,
        status=TaskStatus.IDLE,
        desired=DesiredState.STOPPED,
        current_progress_percent=0.0,
        created_at=NOW,
        updated_at=NOW,
    )


TYPE_RULES = st.builds(
    TypeRule,
    tables=st.lists(WORDS, min_size=1, max_size=2).map(tuple),
    columns=st.lists(WORDS, min_size=1, max_size=2).map(tuple),
    source_types=st.sampled_from([("*",), ("money", "decimal(19,4)")]),
    data_type=st.sampled_from(["double", "decimal(38,4)"]),
    on_error=st.sampled_from(OnError),
)


@st.composite
def specs(draw: st.DrawFn, name: str, awaited: int | None) -> TaskSpec:
    tables = draw(st.lists(TABLES, min_size=1, max_size=3, unique=True))
    patterns = st.lists(WORDS, max_size=2).map(tuple)
    rules = TableRules(
        include=draw(patterns),
        exclude=draw(patterns),
        new_tables=draw(st.sampled_from(NewTables)),
        target=draw(st.sampled_from(["", "raw/{schema}/{table:snake}"])),
        column_names=draw(st.sampled_from(["", "{column:snake}", "x_{column}"])),
        types=draw(st.lists(TYPE_RULES, max_size=2).map(tuple)),
    )
    return TaskSpec(
        name=name,
        description=draw(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
        ),
        source_connector_id=ConnectorId(1),
        destination_connector_id=ConnectorId(2),
        source_tables=() if rules.include else tuple(tables),
        table_rules=rules,
        table_mappings=tuple(
            TableMapping(
                source=table,
                target=draw(st.none() | st.lists(WORDS, min_size=1, max_size=2).map(tuple)),
                key=tuple(draw(st.lists(WORDS, max_size=2))),
                partition_by=tuple(
                    PartitionField(column=c, part="year") for c in draw(st.lists(WORDS, max_size=1))
                ),
            )
            for table in tables[:1]
        ),
        mode=draw(st.sampled_from(TaskMode)),
        batch_size_mb=draw(st.integers(1, 64)),
        schedule_type=draw(st.sampled_from(ScheduleType)),
        schedule_interval_seconds=draw(st.none() | st.integers(10, 10**6)),
        schedule=Schedule(
            cron=draw(st.none() | st.just("0 3 * * *")),
            timezone=draw(st.sampled_from(["UTC", "Europe/Berlin"])),
            after_task_id=None if awaited is None else TaskId(awaited),
            on=draw(st.sampled_from(Outcome)),
            blackout=draw(
                st.just(()) | st.just((Blackout(start="22:00", end="05:30", days=(Weekday.SAT,)),))
            ),
        ),
        s3_file_format=draw(st.sampled_from(FileFormat)),
        transformations=tuple(draw(st.lists(RULES, max_size=2))),
        is_active=draw(st.booleans()),
        options=TaskOptions(
            write_mode=draw(st.sampled_from(WriteMode)), concurrent_chunks=draw(st.integers(1, 64))
        ),
    )


@st.composite
def stocks(draw: st.DrawFn) -> Stock:
    source, target, first, second = draw(st.lists(NAMES, min_size=4, max_size=4, unique=True))
    common: dict[str, Any] = {
        "is_active": draw(st.booleans()),
        "created_at": NOW,
        "updated_at": NOW,
    }
    connectors = [
        Connector(
            id=ConnectorId(1),
            name=source,
            description=draw(NAMES),
            role=ConnectorRole.SOURCE,
            kind="sqlserver",
            config=SqlServerConfig(
                host=draw(HOSTS),
                port=draw(st.integers(1, 65535)),
                database=draw(WORDS),
                username=draw(WORDS),
                password=draw(st.sampled_from(["", "s3cret", "${env:ELSEWHERE}", "$${literal"])),
                read_rate_limit_mb_s=draw(st.floats(0, 1e6)),
            ),
            **common,
        ),
        Connector(
            id=ConnectorId(2),
            name=target,
            description="",
            role=ConnectorRole.DESTINATION,
            kind="s3",
            config=S3Config(
                bucket="lake",
                credentials=draw(st.sampled_from(S3Credentials)),
                secret_access_key=draw(st.sampled_from(["", "s3cret"])),
            ),
            **common,
        ),
    ]
    tasks = [stored(draw(specs(first, None)), 1), stored(draw(specs(second, 1)), 2)]
    return Stock({c.name: c for c in connectors}, {t.spec.name: t for t in tasks})


def whole(stock: Stock) -> Exported:
    named = [(CONNECTOR, name) for name in stock.connectors]
    return _export(stock, [*named, *((TASK, name) for name in stock.tasks)])


def taken(text: str, stock: Stock, **given: Any) -> list[Drafted]:
    parts, problems = read_parts(text)
    drafter = Drafter(
        stock=stock,
        registry=Registry(memory=True),
        references=References({"ELSEWHERE": "x"}),
        request=ImportRequest(document=text, **given),
        now=NOW,
    )
    drafted = drafter.draft(parts)
    assert [*problems, *drafter.problems] == []
    return list(drafted)


@settings(max_examples=30, deadline=None)
@given(stocks())
def test_a_file_of_what_is_there_changes_nothing(stock: Stock):
    drafted = taken(whole(stock).text, stock)
    assert [action_of(one) for one in drafted] == [FileAction.UNCHANGED] * 4


@settings(max_examples=30, deadline=None)
@given(stocks())
def test_a_file_taken_elsewhere_and_exported_there_is_the_same_bytes(stock: Stock):
    text = whole(stock).text
    assert "s3cret" not in text
    names = {
        placeholder(one.name, secret)[len("${env:") : -1]: "other"
        for one in stock.connectors.values()
        for secret in SECRETS
    }
    drafted = taken(text, Stock({}, {}), secrets=names)
    there = Stock(
        {one.part.name: one.becomes for one in drafted if isinstance(one.becomes, Connector)},
        {
            one.part.name: stored(one.becomes, one.id)
            for one in drafted
            if isinstance(one.becomes, TaskSpec)
        },
    )
    assert whole(there).text == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Shop database", "${env:DTAAS_SECRET_SHOP_DATABASE_PASSWORD}"),
        ("  --x__y--", "${env:DTAAS_SECRET_X_Y_PASSWORD}"),
        ("倉庫", "${env:DTAAS_SECRET_CONNECTOR_PASSWORD}"),
    ],
)
def test_placeholders(name: str, expected: str):
    assert placeholder(name, "password") == expected
    environment = {expected[6:-1]: "v"}
    assert References(environment).stored(expected, {}) == expected
    assert References(environment).stored(expected, {expected[6:-1]: "given"}) == "given"
    assert References({}).stored(expected, {expected[6:-1]: "${x"}) == "$${x"
    assert References({}).stored(expected, {}) is None
    for other in ("plain", "${file:/run/secrets/x}", "${vault:a#b}"):
        assert References({}).stored(other, {}) == other


def test_references_do_not_lead_to_the_settings_of_the_daemon():
    environment = {"DTAAS_STORE__URL": "postgresql://u:p@h/d", "SHOP_PASSWORD": "x"}
    references = References(environment)
    assert references.stored("${env:DTAAS_STORE__URL}", {}) is None
    assert references.stored("${env:SHOP_PASSWORD}", {}) == "${env:SHOP_PASSWORD}"
