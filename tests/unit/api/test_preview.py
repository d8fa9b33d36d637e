from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest

from dtaas.model.schema import TableRef
from dtaas.services.preview.kept import MOST, KeptSamples
from dtaas.services.preview.sampling import pasted
from tests.fakes.services_at_work import ORDERS, AtWork, table_schema

STEPS = [
    {"type": "filter_rows", "condition": "id <> 2"},
    {"type": "cast_type", "column": "name", "data_type": "int", "on_error": "reject"},
    {"type": "add_column", "column": "twice", "expression": "id * 2"},
]


async def body(work: AtWork, steps: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
    spec = msgspec.to_builtins(await work.task_spec(ORDERS))
    spec["transformations"] = [{"tables": ["dbo.orders"], "steps": steps}]
    return {"task": spec, "table": {"schema": "dbo", "name": "orders"}, **changed}


async def seen(http: httpx.AsyncClient, asked: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = await http.post("/api/preview/", json=asked)
    assert answer.status_code == status, answer.text
    return answer.json()


def fill(work: AtWork, *names: str | None) -> None:
    ids = list(range(1, len(names) + 1))
    work.source.add(table_schema(ORDERS), pa.table({"id": ids, "name": list(names)}))


async def test_rows_before_and_after_with_what_became_of_each(
    http: httpx.AsyncClient, work: AtWork
):
    fill(work, "10", "20", "thirty", None)
    told = await seen(http, await body(work, STEPS))
    assert [row["state"] for row in told["rows"]] == ["kept", "filtered", "rejected", "kept"]
    first, second, third, _ = told["rows"]
    assert (first["before"], first["after"]) == (["1", "10"], ["1", "10", "2"])
    assert (second["after"], third["after"]) == (None, None)
    [error] = third["errors"]
    assert (error["step"], error["column"]) == (1, "name")
    assert error["reason"]
    assert [c["name"] for c in told["after"]] == ["id", "name", "twice"]
    assert told["after"][1]["type"] == "int32"
    assert (told["kept"], told["filtered"], told["rejected"]) == (2, 1, 1)
    assert [s["kind"] for s in told["steps"]] == ["filter_rows", "cast_type", "add_column"]
    assert all(s["rows_s"] > 0 for s in told["steps"])
    assert (await http.get("/api/tasks/")).json()["total"] == 0
    assert work.target.targets == {}


async def test_the_source_is_read_once_until_it_is_asked_to_be_read_anew(
    http: httpx.AsyncClient, work: AtWork
):
    reads = []

    async def count(step: str, table: TableRef) -> None:
        reads.append((step, table))

    asked = await body(work, STEPS[:1])
    work.source.hook = count
    assert not (await seen(http, asked))["cached"]
    once = len(reads)
    assert once
    asked["task"]["transformations"] = []
    asked["task"]["table_mappings"] = [{"source": asked["table"], "exclude_columns": ["name"]}]
    told = await seen(http, asked)
    assert told["cached"]
    assert [c["name"] for c in told["before"]] == ["id"]
    assert len(reads) == once
    assert not (await seen(http, asked | {"refresh": True}))["cached"]
    assert len(reads) > once


async def test_what_is_wrong_with_the_steps_is_told_with_the_rows(
    http: httpx.AsyncClient, work: AtWork
):
    wrong = [
        {"type": "drop_column", "columns": ["colour"]},
        {"type": "filter_rows", "condition": "id >"},
    ]
    told = await seen(http, await body(work, wrong))
    assert [p["field"] for p in told["problems"]] == [
        "$.transformations[0].steps[0].columns[0]",
        "$.transformations[0].steps[1].condition",
    ]
    assert [row["before"][0] for row in told["rows"]] == ["1", "2", "3"]
    assert told["rows"][0]["after"] is None
    spec = (await body(work, wrong))["task"]
    validated = (await http.post("/api/tasks/validate", json=spec)).json()
    assert [p["field"] for p in validated["problems"]] == [p["field"] for p in told["problems"]]


async def test_random_rows_and_rows_by_key(http: httpx.AsyncClient, work: AtWork):
    fill(work, *(str(i) for i in range(1, 501)))
    asked = await body(work, [], pick="random", rows=20, seed=1)
    told = await seen(http, asked)
    ids = [int(row["before"][0]) for row in told["rows"]]
    assert len(set(ids)) == 20
    assert ids != list(range(1, 21))
    told = await seen(http, await body(work, [], pick="keys", keys=[["7"], ["500"], ["900"]]))
    assert [row["before"][0] for row in told["rows"]] == ["7", "500"]
    refused = await seen(http, await body(work, [], pick="keys", keys=[["7", "8"]]), 422)
    assert refused["field"] == "$.keys"


async def test_pasted_rows_go_through_the_steps(http: httpx.AsyncClient, work: AtWork):
    rows = [{"id": 5, "name": "50"}, {"id": 2}, {"name": "x"}]
    told = await seen(http, await body(work, STEPS, pick="json", data=rows))
    assert [row["state"] for row in told["rows"]] == ["kept", "filtered", "filtered"]
    assert told["rows"][0]["after"] == ["5", "50", "10"]
    for data in ([{"colour": 1}], [{"id": "five"}]):
        refused = await seen(http, await body(work, [], pick="json", data=data), 422)
        assert refused["field"].startswith("$.data")


async def test_a_table_or_source_that_is_not_there_is_told(http: httpx.AsyncClient, work: AtWork):
    asked = await body(work, [])
    asked["table"]["name"] = "nowhere"
    assert (await seen(http, asked, 502))["code"] == "table_not_found"
    asked["task"]["source_connector_id"] = 99
    assert (await seen(http, asked, 422))["field"] == "$.source_connector_id"


async def test_what_is_kept_is_bounded():
    kept = KeptSamples()
    batch = pasted(table_schema(ORDERS), [{"id": 1, "name": "a"}])
    for number in range(MOST + 5):
        kept.put(number, table_schema(ORDERS), batch)
    assert kept.get(0) is None
    assert kept.get(MOST + 4) is not None


@pytest.mark.parametrize(
    ("value", "expected"), [("1", 1), (1, 1), (None, None), ("-9223372036854775808", -(2**63))]
)
def test_pasted_values(value: Any, expected: Any):
    batch = pasted(table_schema(ORDERS), [{"id": value}])
    assert batch.to_pylist() == [{"id": expected, "name": None}]


async def test_names_by_template_and_types_by_rule_are_seen_and_checked(
    http: httpx.AsyncClient, work: AtWork
):
    fill(work, "10", "x")
    asked = await body(work, STEPS[2:])
    asked["task"]["table_rules"] = {
        "column_names": "C_{column:upper}",
        "types": [{"columns": ["name"], "data_type": "integer", "on_error": "null"}],
    }
    told = await seen(http, asked)
    assert [(c["name"], c["type"]) for c in told["after"]] == [
        ("C_ID", "int64"),
        ("C_NAME", "int32"),
        ("twice", "int64"),
    ]
    assert [row["after"] for row in told["rows"]] == [["1", "10", "2"], ["2", None, "4"]]
    assert [(s["kind"], s["path"]) for s in told["steps"]][1:] == [
        ("set_types", "$.table_rules.types[0]"),
        ("name_columns", "$.table_rules.column_names"),
    ]
    asked["task"]["table_rules"] = {"column_names": "{column:snake}"}
    asked["task"]["table_mappings"] = [{"source": asked["table"], "types": [{"data_type": "uuid"}]}]
    validated = (await http.post("/api/tasks/validate", json=asked["task"])).json()
    assert [(p["code"], p["field"]) for p in validated["problems"]] == [
        ("type_mismatch", "$.table_mappings[0].types[0].data_type")
    ]
