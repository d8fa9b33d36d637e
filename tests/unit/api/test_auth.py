"""Logging in and out, and what is written down about it."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from dtaas.api.app import create_app
from dtaas.settings import ApiSettings, AuthSettings
from tests.fakes.services_at_work import AtWork, services_at_work

QUICK = AuthSettings(
    argon2_time_cost=1, argon2_memory_mb=1, argon2_lanes=1, most_failures=3, logins_per_minute=50
)
PASSWORD = "correct horse battery"
OTHER = "another long password"


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path, QUICK) as made:
        yield made


def client_of(work: AtWork) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(work.services, ApiSettings()))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
async def http(work: AtWork) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(work) as client:
        yield client


@pytest.fixture
async def admin(work: AtWork, http: httpx.AsyncClient) -> httpx.AsyncClient:
    """The first admin, logged in as a page is."""
    with capture_logs() as logs:
        await work.services.accounts.announce_setup()
    (told,) = [entry for entry in logs if entry["event"] == "setup_required"]
    body = {"token": told["setup_token"], "username": "Root", "password": PASSWORD}
    answer = await http.post("/api/auth/setup", json=body)
    assert answer.status_code == 200, answer.text
    http.headers["x-csrf-token"] = http.cookies["dtaas_csrf"]
    return http


async def user(admin: httpx.AsyncClient, name: str, role: str = "viewer") -> int:
    body = {"username": name, "password": PASSWORD, "role": role}
    answer = await admin.post("/api/users/", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def login(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    answer = await client.post("/api/auth/login", json={"username": name, "password": password})
    if answer.is_success:
        client.headers["x-csrf-token"] = client.cookies["dtaas_csrf"]
    return answer


async def test_setup_needs_the_token_and_works_once(admin: httpx.AsyncClient) -> None:
    me = (await admin.get("/api/me")).json()
    assert (me["user"]["username"], me["user"]["role"], me["auth"]) == ("root", "admin", "session")
    assert {"users", "tokens", "audit"} <= set(me["features"])
    (listed,) = (await admin.get("/api/users/")).json()["items"]
    assert listed["last_login_at"] is not None  # the setup logged it in
    again = {"token": "x", "username": "b", "password": PASSWORD}
    assert (await admin.post("/api/auth/setup", json=again)).json()["code"] == "in_use"


async def test_setup_with_a_wrong_token(work: AtWork, http: httpx.AsyncClient) -> None:
    await work.services.accounts.announce_setup()
    assert (await http.get("/api/auth/methods")).json()["setup_required"] is True
    body = {"token": "guess", "username": "a", "password": PASSWORD}
    answer = await http.post("/api/auth/setup", json=body)
    assert (answer.status_code, answer.json()["field"]) == (401, "$.token")


@pytest.mark.usefixtures("admin")
async def test_cookies_are_kept_from_scripts_and_other_sites(work: AtWork) -> None:
    async with client_of(work) as other:
        answer = await login(other, "ROOT")
        cookies = {c.split("=")[0]: c for c in answer.headers.get_list("set-cookie")}
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookies["dtaas_session"].split("; "))
        assert "HttpOnly" not in cookies["dtaas_csrf"]
        stored = work.store.label
        with closing(sqlite3.connect(stored)) as db:
            dump = "\n".join(db.iterdump())
        assert other.cookies["dtaas_session"] not in dump
        assert PASSWORD not in dump
        assert "$argon2id$" in dump


async def test_a_change_needs_the_csrf_token(admin: httpx.AsyncClient) -> None:
    for given in ("", "x", admin.headers["x-csrf-token"][:-1]):
        answer = await admin.post("/api/auth/logout", headers={"x-csrf-token": given})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_token_missing")
    assert (await admin.get("/api/me")).status_code == 200
    assert (await admin.post("/api/auth/logout")).status_code == 204
    assert (await admin.get("/api/me")).status_code == 401


async def test_wrong_passwords_lock_a_name_known_or_not(
    work: AtWork, admin: httpx.AsyncClient
) -> None:
    await user(admin, "ann")
    async with client_of(work) as other:
        for name in ("ann", "nobody"):
            answers = [await login(other, name, "wrong password") for _ in range(4)]
            assert [a.status_code for a in answers] == [401, 401, 401, 429], name
            assert len({a.json()["detail"] for a in answers[:3]}) == 1
            assert int(answers[3].headers["retry-after"]) > 0
        assert (await login(other, "ann")).status_code == 429, "the right one too, while locked"


async def test_too_many_logins_from_one_address(tmp_path: Path) -> None:
    few = AuthSettings(argon2_time_cost=1, argon2_memory_mb=1, argon2_lanes=1, logins_per_minute=2)
    async with services_at_work(tmp_path, few) as work, client_of(work) as client:
        codes = [(await login(client, f"n{i}", "wrong")).status_code for i in range(3)]
        assert codes == [401, 401, 429]


async def test_a_new_password_ends_the_other_sessions(
    work: AtWork, admin: httpx.AsyncClient
) -> None:
    async with client_of(work) as other:
        await login(other, "root")
        wrong = await admin.post("/api/auth/password", json={"current": "x", "new": OTHER})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "$.current")
        short = await admin.post("/api/auth/password", json={"current": PASSWORD, "new": "x"})
        assert (short.status_code, short.json()["field"]) == (422, "$.new")
        done = await admin.post("/api/auth/password", json={"current": PASSWORD, "new": OTHER})
        assert done.status_code == 204
        assert (await admin.get("/api/me")).status_code == 200
        assert (await other.get("/api/me")).status_code == 401
        assert (await login(other, "root")).status_code == 401
        assert (await login(other, "root", OTHER)).status_code == 200


async def test_sessions_are_listed_and_ended(work: AtWork, admin: httpx.AsyncClient) -> None:
    await user(admin, "ann")
    async with client_of(work) as ann, client_of(work) as also:
        await login(ann, "ann")
        await login(also, "ann")
        listed = (await ann.get("/api/auth/sessions")).json()["items"]
        assert [s["is_current"] for s in listed] == [False, True]
        where = f"/api/auth/sessions/{listed[0]['id']}"
        async with client_of(work) as bob:
            await user(admin, "bob")
            await login(bob, "bob")
            assert (await bob.delete(where)).status_code == 404, "somebody else's"
        assert (await ann.delete(where)).status_code == 204
        assert (await also.get("/api/me")).status_code == 401
        assert (await ann.get("/api/me")).status_code == 200


async def test_users_change_and_the_last_admin_stays(
    work: AtWork, admin: httpx.AsyncClient
) -> None:
    ann = await user(admin, "Ann", "operator")
    taken = await admin.post("/api/users/", json={"username": "ANN", "password": PASSWORD})
    assert (taken.status_code, taken.json()["field"]) == (409, "$.username")
    async with client_of(work) as client:
        await login(client, "ann")
        assert (await client.get("/api/me")).json()["user"]["role"] == "operator"
        await admin.put(f"/api/users/{ann}", json={"role": "viewer", "is_active": True})
        assert (await client.get("/api/me")).json()["user"]["role"] == "viewer"
        await admin.put(f"/api/users/{ann}", json={"role": "viewer", "is_active": False})
        assert (await client.get("/api/me")).status_code == 401
        assert (await login(client, "ann")).status_code == 401
    for call in (
        admin.put("/api/users/1", json={"role": "viewer", "is_active": True}),
        admin.put("/api/users/1", json={"role": "admin", "is_active": False}),
        admin.delete("/api/users/1"),
    ):
        answer = await call
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert (await admin.delete(f"/api/users/{ann}")).status_code == 204


async def test_api_tokens(work: AtWork, admin: httpx.AsyncClient) -> None:
    await user(admin, "ann", "operator")
    async with client_of(work) as ann, client_of(work) as machine:
        await login(ann, "ann")
        more = await ann.post("/api/tokens/", json={"name": "t", "role": "admin"})
        assert (more.status_code, more.json()["field"]) == (403, "$.role")
        made = await ann.post("/api/tokens/", json={"name": "t", "role": "viewer"})
        assert made.status_code == 201, made.text
        token = made.json()["token"]
        assert token.startswith(made.json()["info"]["start"])
        where = made.headers["location"]
        for seen in (await ann.get("/api/tokens/"), await ann.get(where)):
            assert token not in seen.text
        machine.headers["authorization"] = f"Bearer {token}"
        me = (await machine.get("/api/me")).json()
        assert (me["user"]["role"], me["auth"]) == ("viewer", "token")
        refused = await machine.post("/api/tasks/", json={})
        assert refused.status_code == 403, "ann may, her token may not"
        access = (await machine.post("/api/auth/token")).json()["access_token"]
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", access)
        by_access = {"authorization": f"Bearer {access}"}
        assert (await machine.get("/api/me", headers=by_access)).status_code == 200
        forged = {"authorization": f"Bearer {access[:-4]}AAAA"}
        assert (await machine.get("/api/me", headers=forged)).status_code == 401
        assert (await admin.delete(where)).status_code == 204
        assert (await machine.get("/api/me")).status_code == 401
        assert (await machine.get("/api/me", headers=by_access)).status_code == 401


async def test_what_was_done_is_in_the_log(work: AtWork, admin: httpx.AsyncClient) -> None:
    ann = await user(admin, "ann", "viewer")
    await admin.put(
        f"/api/users/{ann}", json={"role": "operator", "is_active": True, "password": OTHER}
    )
    await admin.delete(f"/api/users/{ann}")
    async with client_of(work) as other:
        await login(other, "root", "wrong password")
        await other.post("/api/tasks/", json={})  # a stranger: not in the log
    listed = (await admin.get("/api/audit/", params={"sort": "number"})).json()
    entries = listed["items"]
    assert [(e["action"], e["status"]) for e in entries] == [
        ("auth.setup", 200),
        ("users.create", 201),
        ("users.update", 200),
        ("users.remove", 204),
        ("auth.login", 401),
    ]
    made, changed, gone = entries[1:4]
    assert made["before"] is None
    assert '"username":"ann"' in made["after"]
    assert made["object"] == changed["object"] == f"/api/users/{ann}"
    assert '"role":"viewer"' in changed["before"]
    assert '"role":"operator"' in changed["after"]
    assert gone["after"] is None
    assert (made["actor"], made["auth"], made["address"]) == ("root", "session", "127.0.0.1")
    assert entries[4]["actor"] == "root"
    only = (await admin.get("/api/audit/", params={"action": "users.update"})).json()
    assert only["total"] == 1
    for form in ("json", "csv"):
        exported = await admin.get("/api/audit/export", params={"format": form})
        assert len(exported.text.strip().splitlines()) == 5 + (form == "csv")
        assert not {PASSWORD, OTHER} & set(re.split(r"\W*\"\W*", exported.text))
    check = (await admin.get("/api/audit/verify")).json()
    assert (check["ok"], check["entries"]) == (True, 5)


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("UPDATE audit_log SET actor = 'x' WHERE number = 2", 2),
        ("DELETE FROM audit_log WHERE number = 1", 1),
        ("UPDATE audit_log SET after = NULL WHERE number = 2", 2),
    ],
)
async def test_a_rewritten_log_is_found_out(
    work: AtWork, admin: httpx.AsyncClient, change: str, broken_at: int
) -> None:
    await user(admin, "ann")
    await user(admin, "bob")
    with closing(sqlite3.connect(work.store.label)) as db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(change)
        db.execute("DROP TRIGGER audit_log_no_update")
        db.execute("DROP TRIGGER audit_log_no_delete")
        db.execute(change)
        db.commit()
    check = (await admin.get("/api/audit/verify")).json()
    assert (check["ok"], check["broken_at"]) == (False, broken_at)
