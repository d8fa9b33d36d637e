import httpx
import pytest

from tests.fakes.services_at_work import AtWork

PASSWORD = "correct horse battery staple"
SQLSERVER = {
    "name": "shop",
    "source_type": "sqlserver",
    "connection_config": {
        "host": "127.0.0.1",
        "port": 1,
        "database": "shop",
        "username": "reader",
        "password": PASSWORD,
        "login_timeout_s": 1,
    },
}


def without_password(**changed: object) -> dict:
    config = {k: v for k, v in SQLSERVER["connection_config"].items() if k != "password"}
    return {**SQLSERVER, "connection_config": {**config, **changed}}


async def create(http: httpx.AsyncClient, body: dict = SQLSERVER) -> dict:
    answer = await http.post("/api/connectors/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_create_and_read(http: httpx.AsyncClient):
    answer = await http.post("/api/connectors/", json=SQLSERVER)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/api/connectors/{made['id']}"
    assert made["connector_type"] == "source"
    assert made["source_type"] == "sqlserver"
    assert made["destination_type"] is None
    assert made["connection_config"]["host"] == "127.0.0.1"
    assert made["secrets_set"] == ["password"]
    assert made["test_status"] == "untested"
    assert made["created_at"].endswith("Z")
    assert (await http.get(answer.headers["location"])).json() == made


async def test_no_answer_ever_holds_a_secret(http: httpx.AsyncClient, work: AtWork):
    made = await create(http)
    path = f"/api/connectors/{made['id']}"
    answers = [
        await http.get(path),
        await http.get("/api/connectors/"),
        await http.put(path, json=without_password(database="other")),
        await http.put(path, json=without_password(host="elsewhere")),
        await http.post("/api/connectors/", json=SQLSERVER),
        await http.post("/api/connectors/", json={**SQLSERVER, "name": 1}),
        await http.get("/api/dashboard/metrics"),
    ]
    for answer in answers:
        assert PASSWORD not in answer.text
        assert "password" not in answer.json().get("connection_config", {})
    stored = await work.store.connectors.get(made["id"])
    assert stored.config.password == PASSWORD


async def test_a_changed_endpoint_demands_the_secret(http: httpx.AsyncClient):
    made = await create(http)
    path = f"/api/connectors/{made['id']}"
    answer = await http.put(path, json=without_password(host="elsewhere"))
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "secret_required"
    assert problem["field"] == "$.connection_config.password"
    assert (await http.get(path)).json() == made
    again = without_password(host="elsewhere", password="new")
    assert (await http.put(path, json=again)).json()["connection_config"]["host"] == "elsewhere"


async def test_lists_filter_sort_and_page(http: httpx.AsyncClient):
    for name in ("beta", "alpha", "gamma"):
        await create(http, {**SQLSERVER, "name": name})
    await create(
        http,
        {
            "name": "lake",
            "description": "All of ALPHA",
            "destination_type": "s3",
            "connection_config": {"bucket": "lake"},
        },
    )

    async def names(query: str) -> tuple[list[str], int]:
        answer = (await http.get(f"/api/connectors/?{query}")).json()
        return [item["name"] for item in answer["items"]], answer["total"]

    assert await names("sort=name") == (["alpha", "beta", "gamma", "lake"], 4)
    assert await names("sort=-name&limit=2&offset=1") == (["gamma", "beta"], 4)
    assert await names("q=Alpha") == (["alpha", "lake"], 2)
    assert await names("connector_type=destination") == (["lake"], 1)
    assert await names("product=sqlserver&limit=1") == (["alpha"], 3)
    assert await names("test_status=failed") == ([], 0)
    assert await names("is_active=true&offset=9") == ([], 4)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "$.limit"),
        ("limit=1001", "$.limit"),
        ("limit=many", "$.limit"),
        ("offset=-1", "$.offset"),
        ("offset=99999999999999999999", "$.offset"),
        ("sort=password", "$.sort"),
        ("connector_type=both", "$.connector_type"),
        ("colour=red", "$.colour"),
        ("q=%00", "$.q"),
    ],
)
async def test_wrong_parameters_are_refused_by_name(http: httpx.AsyncClient, query, field):
    answer = await http.get(f"/api/connectors/?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "validation_failed"
    assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"name": ""}, 422, "validation_failed", "$.name"),
        ({"name": 5}, 422, "validation_failed", "$.name"),
        ({"is_active": "yes"}, 422, "validation_failed", "$.is_active"),
        ({"colour": "red"}, 422, "validation_failed", "$.colour"),
        ({"source_type": "oracle"}, 422, "validation_failed", "$.source_type"),
        ({"description": "a\0b"}, 422, "validation_failed", "$"),
        ({"connection_config": {"host": ""}}, 422, "validation_failed", "$.connection_config.host"),
    ],
)
async def test_a_wrong_body_is_refused_with_its_path(
    http: httpx.AsyncClient, change, status, code, field
):
    answer = await http.post("/api/connectors/", json={**SQLSERVER, **change})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        status,
        code,
        field,
    )


async def test_a_taken_name_is_a_conflict(http: httpx.AsyncClient):
    await create(http)
    answer = await http.post("/api/connectors/", json=SQLSERVER)
    assert answer.status_code == 409
    assert answer.json()["code"] == "name_taken"
    assert answer.json()["field"] == "$.name"


async def test_delete(http: httpx.AsyncClient):
    made = await create(http)
    answer = await http.delete(f"/api/connectors/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await http.get(f"/api/connectors/{made['id']}")).status_code == 404


async def test_test_and_tables(http: httpx.AsyncClient, work: AtWork):
    source = await work.services.connectors.create(work.source_spec())
    tested = (await http.post(f"/api/connectors/{source.id}/test")).json()
    assert tested["ok"] is True
    assert [step["name"] for step in tested["steps"]] == ["dataset"]
    path = f"/api/connectors/{source.id}/tables"
    listed = (await http.get(path)).json()
    assert [item["table"]["name"] for item in listed["items"]] == ["lines", "orders"]
    assert listed["items"][0]["row_count"] == 3
    assert (await http.get(f"{path}?q=DBO.ord&limit=1")).json()["total"] == 1
    assert (await http.get(f"{path}?schema=sales")).json()["total"] == 0
    assert (await http.get(f"{path}?refresh=true")).status_code == 200


async def test_products_come_with_the_schema_of_their_form(http: httpx.AsyncClient):
    items = (await http.get("/api/connectors/types")).json()["items"]
    sqlserver = next(item for item in items if item["kind"] == "sqlserver")
    assert sqlserver["connector_type"] == "source"
    assert sqlserver["secret_fields"] == ["access_token", "password"]
    assert sqlserver["capabilities"]["full_load"] is True
    form = sqlserver["config_schema"]["$defs"]["SqlServerConfig"]["properties"]
    assert form["password"]["format"] == "password"
    assert form["port"]["default"] == 1433
