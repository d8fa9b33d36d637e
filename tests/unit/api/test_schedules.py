import httpx
import msgspec

from tests.fakes.services_at_work import AtWork


async def test_a_preview_tells_moment_and_wall_clock(http: httpx.AsyncClient) -> None:
    body = {
        "schedule_type": "cron",
        "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
        "count": 3,
    }
    answer = await http.post("/api/schedules/preview", json=body)
    assert answer.status_code == 200, answer.text
    runs = answer.json()["runs"]
    assert len(runs) == 3
    assert all(run["at"].endswith("Z") for run in runs)
    assert all("T0" in run["local"] and "+0" in run["local"] for run in runs)


async def test_a_wrong_schedule_is_refused_alike_in_preview_and_task(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    spec = msgspec.to_builtins(await work.task_spec())
    for wrong, field in (
        ({"schedule_type": "cron"}, "$.schedule.cron"),
        ({"schedule_type": "cron", "schedule": {"cron": "x"}}, "$.schedule.cron"),
        ({"schedule_type": "interval"}, "$.schedule_interval_seconds"),
        ({"schedule_type": "after_task"}, "$.schedule.after_task_id"),
        (
            {"schedule_type": "manual", "schedule": {"timezone": "Nowhere"}},
            "$.schedule.timezone",
        ),
    ):
        for answer in (
            await http.post("/api/schedules/preview", json=wrong),
            await http.post("/api/tasks/", json=spec | wrong),
        ):
            assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_tasks_may_not_wait_for_each_other(http: httpx.AsyncClient, work: AtWork) -> None:
    first = await work.task()
    spec = msgspec.to_builtins(await work.task_spec())
    waiting = {"schedule_type": "after_task", "schedule": {"after_task_id": first.id}}
    second = (await http.post("/api/tasks/", json=spec | waiting)).json()
    told = await http.get(f"/api/tasks/{second['id']}/schedule/next")
    assert told.json()["runs"] == []
    assert f"task {first.id}" in told.json()["waits_for"]
    loop = msgspec.to_builtins(first.spec) | {
        "schedule_type": "after_task",
        "schedule": {"after_task_id": second["id"]},
    }
    refused = await http.put(f"/api/tasks/{first.id}", json=loop)
    assert (refused.status_code, refused.json()["field"]) == (422, "$.schedule.after_task_id")
    assert (await http.delete(f"/api/tasks/{first.id}")).status_code == 409


async def test_next_starts_of_an_interval(http: httpx.AsyncClient, work: AtWork) -> None:
    spec = msgspec.to_builtins(await work.task_spec())
    every = {"schedule_type": "interval", "schedule_interval_seconds": 600}
    task = (await http.post("/api/tasks/", json=spec | every)).json()
    told = await http.get(f"/api/tasks/{task['id']}/schedule/next", params={"count": 2})
    assert [len(told.json()["runs"]), told.json()["waits_for"]] == [2, ""]


async def test_the_agenda_has_the_next_start_of_each_task_the_clock_starts(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    spec = msgspec.to_builtins(await work.task_spec())
    made = {}
    for name, schedule in {
        "often": {"schedule_type": "interval", "schedule_interval_seconds": 600},
        "seldom": {"schedule_type": "interval", "schedule_interval_seconds": 6300},
        "by hand": {"schedule_type": "manual"},
        "again and again": {"schedule_type": "continuous"},
        "off": {"schedule_type": "interval", "schedule_interval_seconds": 60, "is_active": False},
    }.items():
        tables = [{"schema": "dbo", "name": name}]
        body = spec | schedule | {"name": name, "source_tables": tables}
        answer = await http.post("/api/tasks/", json=body)
        assert answer.is_success, answer.text
        made[name] = answer.json()["id"]
    starts = (await http.get("/api/schedules/agenda")).json()["starts"]
    assert [one["task_name"] for one in starts] == ["often", "seldom"]
    assert [one["task_id"] for one in starts] == [made["often"], made["seldom"]]
    assert starts[0]["at"] < starts[1]["at"]
    first = await http.get("/api/schedules/agenda", params={"count": 1})
    assert [one["task_name"] for one in first.json()["starts"]] == ["often"]
    assert (await http.get("/api/schedules/agenda", params={"count": 0})).status_code == 422
