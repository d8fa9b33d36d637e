"""Whatever is sent, the API answers, and never with a crash."""

from collections.abc import Iterator

import httpx
import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.api.app import create_app
from dtaas.settings import ApiSettings
from tests.fakes.services_at_work import services_at_work

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 10**30, 2**63, 1.5, "", "x", "dbo", "..", "\0", "ü🦆", "'; --"]),
    st.text(max_size=20),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
GOOD = {
    "/api/tasks/": {
        "name": "t",
        "description": "",
        "source_connector_id": 1,
        "destination_connector_id": 2,
        "source_tables": [{"schema": "dbo", "name": "orders"}],
        "table_mappings": [
            {"source": {"schema": "dbo", "name": "orders"}, "target": ["a"], "partition_by": []}
        ],
        "mode": "full_load",
        "batch_size_mb": 8,
        "batch_rows": 1000,
        "schedule_type": "interval",
        "schedule_interval_seconds": 60,
        "s3_file_format": "csv",
        "transformations": [],
        "handle_schema_drift": False,
        "is_active": True,
        "options": {"write_mode": "append", "time_limit_s": 5},
    },
    "/api/connectors/": {
        "name": "c",
        "description": "",
        "connector_type": "source",
        "source_type": "sqlserver",
        "is_active": True,
        "connection_config": {
            "host": "db",
            "port": 1433,
            "database": "d",
            "username": "u",
            "password": "p",
            "max_lob_bytes": 4096,
            "read_rate_limit_mb_s": 1.5,
        },
    },
    "/api/tasks/1/control": {"action": "start", "force": False, "tables": []},
}


class Asking:
    """A client in hypothesis's own, synchronous world."""

    def __init__(self, portal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def send(self, method: str, path: str, body: object) -> httpx.Response:
        content = msgspec.json.encode(body)
        headers = {"content-type": "application/json"}

        async def request() -> httpx.Response:
            return await self._client.request(method, path, content=content, headers=headers)

        return self._portal.call(request)


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            services_at_work(tmp_path_factory.mktemp("fuzz"))
        ) as work,
    ):
        transport = httpx.ASGITransport(create_app(work.services, ApiSettings()))
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        asking = Asking(portal, client)
        portal.call(work.task)  # task 1 with connectors 1 and 2
        yield asking
        portal.call(client.aclose)


FEW = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["code"] != "internal"


@given(path=st.sampled_from(sorted(GOOD)), body=JSON)
@FEW
def test_any_json(asking: Asking, path: str, body: object):
    answered(asking.send("POST", path, body))


@given(data=st.data(), path=st.sampled_from(sorted(GOOD)))
@FEW
def test_a_good_body_with_one_thing_wrong(asking: Asking, data: st.DataObject, path: str):
    body = msgspec.json.decode(msgspec.json.encode(GOOD[path]))
    node: object = body
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        inner = node[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            node = inner
            continue
        node[key] = data.draw(JSON)
        break
    method = "PUT" if path == "/api/tasks/" and data.draw(st.booleans()) else "POST"
    answered(asking.send(method, path if method == "POST" else "/api/tasks/1", body))
