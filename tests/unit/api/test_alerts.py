import httpx
import pytest

RULE = {"name": "late", "kind": "lag", "threshold": 60}
HOOK = {
    "name": "hook",
    "kind": "webhook",
    "config": {"url": "http://127.0.0.1:1/x", "token": "geheim"},
}


async def test_rules(http: httpx.AsyncClient) -> None:
    first = (await http.get("/api/alerts/rules")).json()
    assert {rule["kind"] for rule in first["items"]} >= {"execution_failed", "resources"}
    assert len(first["kinds"]) == 10
    made = await http.post("/api/alerts/rules", json=RULE)
    assert made.status_code == 201
    where = made.headers["location"]
    assert (await http.get(where)).json()["limit"] == 60
    changed = await http.put(where, json=RULE | {"threshold": None})
    assert changed.json()["limit"] == 300
    muted = await http.post(f"{where}/mute", json={"seconds": 60})
    assert muted.json()["muted_until"] is not None
    assert (await http.post(f"{where}/mute", json={"seconds": 0})).json()["muted_until"] is None
    assert (await http.post("/api/alerts/rules", json=RULE)).status_code == 409
    assert (await http.delete(where)).status_code == 204
    assert (await http.get(where)).status_code == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": "boredom"}, "$.kind"),
        ({"task_id": 77}, "$.task_id"),
        ({"channel_ids": [77]}, "$.channel_ids[0]"),
        ({"kind": "resources", "task_id": 1}, "$.task_id"),
        ({"threshold": -1}, "$.threshold"),
    ],
)
async def test_wrong_rules(http: httpx.AsyncClient, changed: dict[str, object], field: str) -> None:
    answer = await http.post("/api/alerts/rules", json=RULE | changed)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_channels_keep_their_secrets(http: httpx.AsyncClient) -> None:
    made = await http.post("/api/alerts/channels", json=HOOK)
    assert made.status_code == 201
    where = made.headers["location"]
    for answer in (made, await http.get(where), await http.get("/api/alerts/channels")):
        assert "geheim" not in answer.text
    assert made.json()["secrets_set"] == ["token"]
    tested = await http.post(f"{where}/test")
    assert tested.json()["ok"] is False
    elsewhere = HOOK | {"config": {"url": "http://127.0.0.1:2/x"}}
    refused = await http.put(where, json=elsewhere)
    assert (refused.status_code, refused.json()["field"]) == (422, "$.config.token")
    assert (await http.delete(where)).status_code == 204


@pytest.mark.parametrize(
    ("kind", "config", "field"),
    [
        ("webhook", {"url": "ftp://x"}, "$.config.url"),
        ("webhook", {}, "$.config.url"),
        ("email", {"host": "h", "sender": "a", "recipients": ["b@c"]}, "$.config.sender"),
        ("email", {"host": "h", "sender": "a@b", "recipients": []}, "$.config.recipients"),
        ("slack", {"webhook_url": "x"}, "$.config.webhook_url"),
    ],
)
async def test_wrong_channels(
    http: httpx.AsyncClient, kind: str, config: dict[str, object], field: str
) -> None:
    body = {"name": "x", "kind": kind, "config": config}
    answer = await http.post("/api/alerts/channels", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_events_are_listed(http: httpx.AsyncClient) -> None:
    listed = await http.get("/api/alerts/events", params={"status": "firing", "limit": 5})
    assert (listed.status_code, listed.json()["items"]) == (200, [])
    assert (await http.get("/api/alerts/events/9")).status_code == 404
    taken = await http.post("/api/alerts/events/9/acknowledge", json={"note": "x"})
    assert taken.status_code == 404
