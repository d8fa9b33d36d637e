from typing import Any

import httpx
import msgspec
import pytest

from dtaas.engine.progress import utc_now
from dtaas.model.drift import (
    DetectedBy,
    DriftPolicy,
    SchemaChange,
    SchemaChangeKind,
    SchemaChangeState,
)
from dtaas.model.events import SchemaChanged
from dtaas.model.schema import Column, TableSchema
from dtaas.model.task import Task
from dtaas.model.types import Integer
from tests.fakes.services_at_work import ORDERS, AtWork, table_schema

OLD = table_schema(ORDERS)
AGE = Column(name="age", type=Integer(32), nullable=True, native_type="int")
SHORT = Column(name="age", type=Integer(16), nullable=True, native_type="smallint")
NEW = TableSchema(table=ORDERS, columns=(*OLD.columns, AGE), key=OLD.key)


async def recorded(
    work: AtWork, task: Task, state: SchemaChangeState, **changed: Any
) -> SchemaChange:
    await work.store.schema_history.record(task.id, OLD, None, [])
    change = SchemaChange(
        **{
            "task_id": task.id,
            "table": ORDERS,
            "detected_at": utc_now(),
            "detected_by": DetectedBy.START,
            "kind": SchemaChangeKind.COLUMN_ADDED,
            "column": "age",
            "after": AGE,
            "policy": DriftPolicy.EVOLVE,
            "state": state,
            **changed,
        }
    )
    return (await work.store.schema_history.record(task.id, NEW, "0a", [change]))[0]


async def test_changes_are_listed_by_table_and_state(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS)
    change = await recorded(work, task, SchemaChangeState.PENDING)
    at = f"/api/tasks/{task.id}/schema-changes"
    found = (await http.get(at)).json()
    assert found["items"] == [msgspec.json.decode(msgspec.json.encode(change))]
    for query, count in (("table=dbo.orders", 1), ("state=pending", 1), ("state=applied", 0)):
        assert (await http.get(f"{at}?{query}")).json()["total"] == count
    assert (await http.get(f"{at}?table=dbo.none")).status_code == 404
    assert (await http.get("/api/tasks/99/schema-changes")).status_code == 404


async def test_tasks_that_wait_for_a_decision_are_named_until_nothing_waits(
    http: httpx.AsyncClient, work: AtWork
):
    task, other = await work.task(ORDERS), await work.task(ORDERS)
    at = "/api/tasks/schema-changes/undecided"
    await recorded(work, other, SchemaChangeState.APPLIED)
    assert (await http.get(at)).json() == {"items": []}
    first = await recorded(work, task, SchemaChangeState.PENDING)
    await recorded(work, task, SchemaChangeState.FAILED, column="size")
    await recorded(work, task, SchemaChangeState.REJECTED, column="seen")
    [found] = (await http.get(at)).json()["items"]
    assert msgspec.convert(found["since"], type(first.detected_at)) == first.detected_at
    assert (found["task_id"], found["changes"], found["tables"]) == (task.id, 2, 1)
    (trouble,) = (await http.get("/api/dashboard/metrics")).json()["needs_attention"]
    assert (trouble["kind"], trouble["id"]) == ("drift_undecided", task.id)
    assert trouble["since"] == found["since"]
    assert trouble["detail"].startswith("2 changes of the columns of 1 table ")


async def test_versions_are_counted_and_compared(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS)
    await recorded(work, task, SchemaChangeState.APPLIED)
    await work.store.schema_history.record(task.id, NEW, None, [])  # nothing new
    at = f"/api/tasks/{task.id}/schema-versions"
    found = (await http.get(at)).json()["items"]
    assert [(v["version"], len(v["columns"]), v["position"]) for v in found] == [
        (1, 2, None),
        (2, 3, "0a"),
    ]
    asked = {"table": "dbo.orders", "from_version": 1, "to_version": 2}
    diff = (await http.get(f"{at}/diff", params=asked)).json()
    assert [c["name"] for c in diff["added"]] == ["age"]
    assert (diff["dropped"], diff["changed"]) == ([], [])
    none = await http.get(f"{at}/diff", params=asked | {"to_version": 3})
    assert none.status_code == 404


@pytest.mark.parametrize(
    ("decision", "state"),
    [("approve", "applied"), ("reject", "rejected"), ("ignore", "ignored")],
)
async def test_a_decision_is_kept_and_told(
    http: httpx.AsyncClient, work: AtWork, decision: str, state: str
):
    task = await work.task(ORDERS)
    change = await recorded(work, task, SchemaChangeState.PENDING)
    at = f"/api/tasks/{task.id}/schema-changes/{change.id}/decide"
    answer = await http.post(at, json={"decision": decision, "backfill": True})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["state"], told["backfill"]) == (state, decision == "approve")
    assert told["decided_by"]
    assert told["decided_at"]
    event = await work.until(lambda e: isinstance(e, SchemaChanged))
    assert isinstance(event, SchemaChanged)
    assert event.change.state == state
    again = await http.post(at, json={"decision": "approve"})
    assert again.status_code == (409 if decision == "approve" else 200)


async def test_an_ignored_column_can_be_approved(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS)
    change = await recorded(work, task, SchemaChangeState.IGNORED)
    at = f"/api/tasks/{task.id}/schema-changes/{change.id}/decide"
    assert (await http.post(at, json={"decision": "ignore"})).status_code == 409
    told = (await http.post(at, json={"decision": "approve", "backfill": True})).json()
    assert (told["state"], told["backfill"]) == ("applied", True)


@pytest.mark.parametrize(
    ("changed", "latest"),
    [
        ({}, OLD),  # the column went
        ({"closed": True}, NEW),
        ({"kind": SchemaChangeKind.COLUMN_DROPPED, "before": AGE, "after": None}, NEW),
    ],
)
async def test_what_is_ignored_for_good_cannot_be_approved(
    http: httpx.AsyncClient, work: AtWork, changed: dict[str, Any], latest: TableSchema
):
    task = await work.task(ORDERS)
    change = await recorded(work, task, SchemaChangeState.IGNORED, **changed)
    await work.store.schema_history.record(task.id, latest, None, [])
    at = f"/api/tasks/{task.id}/schema-changes/{change.id}/decide"
    refused = await http.post(at, json={"decision": "approve"})
    assert refused.status_code == 409, refused.text
    assert refused.json()["hint"]


@pytest.mark.parametrize(
    ("changed", "decision", "status"),
    [
        ({"kind": SchemaChangeKind.TYPE_CHANGED, "before": SHORT}, "ignore", 422),
        ({"possible": False, "note": "It cannot."}, "approve", 409),
        ({"kind": SchemaChangeKind.KEY_CHANGED}, "ignore", 422),
    ],
)
async def test_what_cannot_be_is_refused(
    http: httpx.AsyncClient, work: AtWork, changed: dict[str, Any], decision: str, status: int
):
    task = await work.task(ORDERS)
    change = await recorded(work, task, SchemaChangeState.FAILED, **changed)
    at = f"/api/tasks/{task.id}/schema-changes"
    answer = await http.post(f"{at}/{change.id}/decide", json={"decision": decision})
    assert answer.status_code == status, answer.text
    assert answer.json()["hint"]
    assert (await http.get(at)).json()["items"][0]["state"] == "failed"
    assert (await http.post(f"{at}/99/decide", json={"decision": "reject"})).status_code == 404


@pytest.mark.parametrize(
    ("sent", "policy", "handles"),
    [
        ({}, "evolve", True),
        ({"handle_schema_drift": True}, "evolve", True),
        ({"handle_schema_drift": False}, "fail", False),
        ({"schema_drift_policy": "pause"}, "pause", True),
        ({"handle_schema_drift": True, "schema_drift_policy": "fail"}, "fail", False),
        ({"handle_schema_drift": False, "schema_drift_policy": "ignore"}, "ignore", True),
    ],
)
async def test_both_settings_say_the_same(
    http: httpx.AsyncClient, work: AtWork, sent: dict[str, Any], policy: str, handles: bool
):
    spec = msgspec.to_builtins(await work.task_spec(ORDERS))
    del spec["handle_schema_drift"], spec["schema_drift_policy"]
    made = (await http.post("/api/tasks/", json=spec | sent)).json()
    assert (made["schema_drift_policy"], made["handle_schema_drift"]) == (policy, handles)
    read = (await http.get(f"/api/tasks/{made['id']}")).json()
    assert (read["schema_drift_policy"], read["handle_schema_drift"]) == (policy, handles)
