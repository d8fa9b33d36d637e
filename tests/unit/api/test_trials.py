import json

import httpx
import pyarrow as pa

from tests.fakes.services_at_work import ORDERS, AtWork, table_schema


def spec(work: AtWork, **more: object) -> dict[str, object]:
    return {
        "name": "new",
        "source_type": "memory",
        "connection_config": {"dataset": f"source-{work.name}"},
        **more,
    }


async def test_an_unsaved_connector_is_tested_step_by_step(http: httpx.AsyncClient, work: AtWork):
    answer = await http.post("/api/connectors/test", json=spec(work))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    steps = [json.loads(line) for line in answer.text.splitlines()]
    assert steps
    assert all(step["status"] == "ok" for step in steps)
    assert (await http.get("/api/connectors/?q=new")).json()["total"] == 0


async def test_a_wrong_configuration_is_refused_before_the_test(
    http: httpx.AsyncClient, work: AtWork
):
    answer = await http.post("/api/connectors/test", json=spec(work, connection_config={}))
    assert answer.status_code == 422
    assert answer.json()["field"] == "$.connection_config.dataset"


async def test_a_change_of_a_connector_is_tried_for_that_connector_only(
    http: httpx.AsyncClient, work: AtWork
):
    assert (await http.post("/api/connectors/test", json=spec(work, connector_id=99))).json()[
        "code"
    ] == "not_found"


async def test_a_sample_shows_columns_and_rows(http: httpx.AsyncClient, work: AtWork):
    work.source.add(table_schema(ORDERS), pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]}))
    source = (await http.post("/api/connectors/", json=spec(work))).json()
    path = f"/api/connectors/{source['id']}/tables/dbo/{ORDERS.name}/sample"
    sample = (await http.get(path, params={"limit": 2})).json()
    assert [column["name"] for column in sample["columns"]] == ["id", "name"]
    assert sample["columns"][0]["in_key"]
    assert sample["rows"] == [["1", "a"], ["2", None]]
    gone = await http.get(f"/api/connectors/{source['id']}/tables/dbo/nothing/sample")
    assert gone.json()["code"] == "table_not_found"
