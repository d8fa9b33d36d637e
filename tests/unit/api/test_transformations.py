"""The catalogue of transformations, and the rows they reject, as the API tells of them."""

import stat
from pathlib import Path

import httpx
import msgspec

from dtaas.model.task import TaskStatus
from dtaas.model.transformations import TransformationRule
from dtaas.transforms.functions.catalogue import OURS
from tests.fakes.services_at_work import LINES, ORDERS, AtWork

RULES = [
    {
        "tables": [f"{ORDERS.schema}.*"],
        "steps": [
            {"type": "cast_type", "column": "name", "data_type": "bigint", "on_error": "reject"},
            {"type": "rename_column", "column": "id", "to": "no"},
        ],
    }
]


async def test_the_catalogue_has_forms_for_all_kinds_and_functions(http: httpx.AsyncClient) -> None:
    found = (await http.get("/api/transformations/types")).json()
    assert [item["type"] for item in found["items"]] == [
        "add_column", "rename_column", "drop_column", "cast_type", "filter_rows",
        "replace_value", "concatenate_columns", "split_column", "apply_function",
    ]  # fmt: skip
    for item in found["items"]:
        schema = item["config_schema"]
        shape = schema["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        assert item["title"]
        assert item["description"]
        for name, field in shape["properties"].items():
            assert name == "type" or "description" in field or "allOf" in field, (item, name)
    functions = {f["name"]: f for f in found["functions"]}
    assert set(OURS) <= set(functions)
    assert functions["substring"]["arguments"]["required"] == ["start"]
    assert all(f["description"] and f["takes"] for f in functions.values())
    assert "decimal(p,s)" in found["data_types"]


async def test_rejected_rows_are_listed_read_and_thrown_away(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    spec = msgspec.to_builtins(await work.task_spec()) | {"transformations": RULES}
    answer = await http.post("/api/tasks/", json=spec)
    assert answer.status_code == 201, answer.text
    task = answer.json()
    assert msgspec.convert(task["transformations"], tuple[TransformationRule, ...])
    at = f"/api/tasks/{task['id']}"
    assert (await http.get(f"{at}/dead-letters")).json()["total"] == 0
    await http.post(f"{at}/control", json={"action": "start"})
    execution = await work.until_ended()
    assert execution.failed_rows == 4
    page = (await http.get(f"{at}/dead-letters", params={"limit": 1})).json()
    assert (page["total"], len(page["items"])) == (2, 1)
    file = page["items"][0]
    assert (file["rows"], file["work"], file["execution_id"]) == (2, "load-000000", execution.id)
    assert file["table"] == msgspec.to_builtins(min(ORDERS, LINES))
    rows = (await http.get(f"{at}/dead-letters/{file['file']}", params={"offset": 1})).json()
    assert rows["columns"] == ["id", "name"]
    assert rows["total"] == 2
    assert rows["items"] == [
        {
            "reason": "not a value of bigint",
            "step": "$.transformations[0].steps[0]",
            "column": "name",
            "values": ["2", "b"],
        }
    ]
    assert (await http.delete(f"{at}/dead-letters/{file['file']}")).status_code == 204
    for gone in (file["file"], "1.deadbeef.load-000000", "..%2f..", "x"):
        answer = await http.get(f"{at}/dead-letters/{gone}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await http.get(f"{at}/dead-letters")).json()["total"] == 1
    assert (await http.get("/api/tasks/999/dead-letters")).status_code == 404


async def test_rejected_rows_of_a_load_are_appended_once_the_steps_let_them_pass(
    http: httpx.AsyncClient, work: AtWork, tmp_path: Path
) -> None:
    spec = msgspec.to_builtins(await work.task_spec(ORDERS)) | {"transformations": RULES}
    task = (await http.post("/api/tasks/", json=spec)).json()
    at = f"/api/tasks/{task['id']}"
    await http.post(f"{at}/control", json={"action": "start"})
    await work.until_ended()
    await work.until_task_is(TaskStatus.IDLE)
    loaded = work.target.targets[ORDERS.schema, ORDERS.name]
    assert loaded.rows is not None
    assert loaded.rows["no"].to_pylist() == [3]
    (file,) = [f["file"] for f in (await http.get(f"{at}/dead-letters")).json()["items"]]
    again = await http.post(f"{at}/dead-letters/replay", json={"files": [file]})
    assert again.json()["items"] == [
        {"file": file, "replayed": 0, "rejected": 2, "outcome": "appended"}
    ]
    step = {"type": "replace_value", "column": "name", "find": "a", "replacement": "7"}
    mended = [RULES[0] | {"steps": [step, *RULES[0]["steps"]]}]
    answer = await http.put(at, json=spec | {"transformations": mended})
    assert answer.status_code == 200, answer.text
    again = await http.post(f"{at}/dead-letters/replay", json={"files": [file]})
    assert again.json()["items"] == [
        {"file": file, "replayed": 1, "rejected": 1, "outcome": "appended"}
    ]
    rows = loaded.rows.sort_by("no").to_pylist()
    assert rows == [{"no": 1, "name": 7}, {"no": 3, "name": None}]
    (left,) = (await http.get(f"{at}/dead-letters/{file}")).json()["items"]
    assert left["values"] == ["2", "b"]
    (kept,) = tmp_path.rglob(f"{file.split('.')[-1]}.parquet")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (await http.delete(at)).status_code == 204


async def test_a_step_of_no_known_kind_is_refused_with_its_path(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    spec = msgspec.to_builtins(await work.task_spec())
    for wrong in ({"type": "explode"}, {"type": "drop_column"}, {"column": "x"}):
        rules = [{"steps": [wrong]}]
        answer = await http.post("/api/tasks/", json=spec | {"transformations": rules})
        assert answer.status_code == 422
        assert answer.json()["field"].startswith("$.transformations[0].steps[0]")
