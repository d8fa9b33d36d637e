"""Rejected rows mended by hand: values checked as those that are read, then sent again."""

from typing import Any

import httpx
import msgspec
import pytest

from dtaas.model.task import TaskMode, TaskStatus
from tests.fakes.services_at_work import ORDERS, AtWork

CAST = {"type": "cast_type", "column": "name", "data_type": "bigint", "on_error": "reject"}
RULES = [{"tables": ["dbo.*"], "steps": [CAST]}]


async def rejected(http: httpx.AsyncClient, work: AtWork, **more: Any) -> tuple[str, str]:
    """Return the addresses of a task at rest and of its file of two rejected rows."""
    spec = msgspec.to_builtins(await work.task_spec(ORDERS)) | {"transformations": RULES} | more
    task = (await http.post("/api/tasks/", json=spec)).json()
    at = f"/api/tasks/{task['id']}"
    await http.post(f"{at}/control", json={"action": "start"})
    await work.until_ended()
    await work.until_task_is(TaskStatus.IDLE)
    (file,) = [f["file"] for f in (await http.get(f"{at}/dead-letters")).json()["items"]]
    return at, f"{at}/dead-letters/{file}"


async def test_edited_rows_say_whether_they_pass_and_are_sent(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    at, file = await rejected(http, work)
    read = (await http.get(file)).json()
    assert (read["columns"], read["types"], read["required"]) == (
        ["id", "name"], ["bigint", "string(20)"], ["id"]
    )  # fmt: skip
    assert [row["values"] for row in read["items"]] == [["1", "a"], ["2", "b"]]
    edits = [{"row": 0, "values": {"name": "10", "id": "11"}}, {"row": 1, "values": {"name": "x"}}]
    answer = await http.patch(file, json={"revision": read["revision"], "rows": edits})
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == [
        {"row": 0, "reason": "", "step": "", "column": ""},
        {
            "row": 1,
            "reason": "not a value of bigint",
            "step": "$.transformations[0].steps[0]",
            "column": "name",
        },
    ]
    now = (await http.get(file)).json()
    assert now["revision"] == answer.json()["revision"] != read["revision"]
    assert [(r["values"], r["reason"]) for r in now["items"]] == [
        (["11", "10"], ""),
        (["2", "x"], "not a value of bigint"),
    ]
    stale = await http.patch(file, json={"revision": read["revision"], "rows": edits})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_conflict")
    again = await http.post(f"{at}/dead-letters/replay", json={"files": [file.rsplit("/", 1)[1]]})
    (done,) = again.json()["items"]
    assert (done["replayed"], done["rejected"]) == (1, 1)
    loaded = work.target.targets[ORDERS.schema, ORDERS.name].rows
    assert loaded is not None
    assert {"id": 11, "name": 10} in loaded.to_pylist()


async def test_null_is_a_value_where_the_column_may_be_null(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    _, file = await rejected(http, work)
    revision = (await http.get(file)).json()["revision"]
    edits = [{"row": 1, "values": {"name": None}}]
    answer = await http.patch(file, json={"revision": revision, "rows": edits})
    assert [item["reason"] for item in answer.json()["items"]] == [""]
    assert (await http.get(file)).json()["items"][1]["values"] == ["2", None]


async def test_every_value_that_does_not_fit_is_named_and_nothing_is_changed(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    _, file = await rejected(http, work)
    before = (await http.get(file)).json()
    edits = [
        {"row": 0, "values": {"name": "7"}},
        {"row": 1, "values": {"id": None, "name": "x" * 21, "size": "1"}},
        {"row": 2, "values": {"name": "7"}},
        {"row": 0, "values": {"id": "1.5"}},
    ]
    answer = await http.patch(file, json={"revision": before["revision"], "rows": edits})
    assert (answer.status_code, answer.json()["code"]) == (422, "values_refused")
    assert answer.json()["field"] == "$.rows[1].values.id"
    assert answer.json()["values"] == [
        {"row": 1, "column": "id", "detail": "must not be NULL"},
        {"row": 1, "column": "name", "detail": "is 21 characters long; the column holds 20"},
        {"row": 1, "column": "size", "detail": "is no column of the source table"},
        {"row": 2, "column": "name", "detail": "is beyond the 2 rows of the file"},
        {"row": 0, "column": "id", "detail": "is not a whole number"},
    ]
    assert "And 2 more" in answer.json()["detail"]
    assert (await http.get(file)).json() == before


@pytest.mark.parametrize("wrong", [{"rows": []}, {"rows": [{"row": -1, "values": {"id": "1"}}]}])
async def test_requests_of_another_shape_are_refused(
    http: httpx.AsyncClient, work: AtWork, wrong: dict[str, Any]
) -> None:
    _, file = await rejected(http, work)
    answer = await http.patch(file, json={"revision": "x", **wrong})
    assert answer.status_code == 422
    assert answer.json()["field"].startswith("$.rows")


async def test_rows_that_are_read_again_and_rows_of_a_task_under_way_are_not_edited(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    at, file = await rejected(http, work)
    revision = (await http.get(file)).json()["revision"]
    body = {"revision": revision, "rows": [{"row": 0, "values": {"name": "1"}}]}
    task = await work.store.engine.task(int(at.rsplit("/", 1)[1]))  # type: ignore[arg-type]
    await work.store.engine.set_status(task.id, TaskStatus.PAUSED)
    answer = await http.patch(file, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_allowed")
    assert "may write this file again" in answer.json()["detail"]
    await work.store.engine.set_status(task.id, TaskStatus.IDLE)
    streaming = msgspec.structs.replace(task.spec, mode=TaskMode.FULL_LOAD_THEN_CDC)
    await work.store.tasks.update(task.id, streaming)
    answer = await http.patch(file, json=body)
    assert answer.status_code == 409
    assert "read again at the source" in answer.json()["detail"]
