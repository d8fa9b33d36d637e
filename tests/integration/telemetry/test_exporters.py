"""The real exporters against receivers on loopback."""

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import anyio.lowlevel
import pytest
from anyio import create_task_group, fail_after, sleep
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dtaas.model.errors import SourceQueryError
from dtaas.model.task import TaskAction
from dtaas.services.telemetry.build import build_exporters
from dtaas.services.telemetry.lineage import Lineage
from dtaas.services.telemetry.otel import OpenTelemetry
from dtaas.settings import TelemetrySettings
from tests.fakes.services_at_work import LIMIT_S, LINES, ORDERS, AtWork, services_at_work


class Receiver:
    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {k.lower(): v for k, v in self.headers.items()}
                receiver.got.append((self.path, headers, body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(10)


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path) as made:
        yield made


async def run_partly(work: AtWork) -> int:
    async def hook(step: str, table: object) -> None:
        if table == LINES and step == "read":
            raise SourceQueryError("The query is wrong.")

    work.source.hook = hook
    task = await work.task()
    await work.services.control.act(task.id, TaskAction.START)
    return (await work.until_ended()).id


async def test_executions_become_traces_and_metrics(work: AtWork, receiver: Receiver) -> None:
    exporter = OpenTelemetry(
        receiver.url,
        instruments=work.services.instruments,
        bus=work.bus,
        store=work.store,
        every_s=0.2,
    )
    async with create_task_group() as group:
        group.start_soon(exporter.serve)
        await anyio.lowlevel.checkpoint()
        execution_id = await run_partly(work)
        with fail_after(LIMIT_S):
            while not any(path == "/v1/metrics" for path, _, _ in receiver.got):
                await sleep(0.02)
            while not any(path == "/v1/traces" for path, _, _ in receiver.got):
                await sleep(0.02)
        group.cancel_scope.cancel()
    spans = {}
    for path, _, body in receiver.got:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {a.key: a.value.string_value for a in resource.resource.attributes}
                assert names["service.name"] == "dtaas"
                for scope in resource.scope_spans:
                    spans |= {span.name.split()[0] + span.name[-6:]: span for span in scope.spans}
    root = next(span for name, span in spans.items() if name.startswith("execution"))
    failed = spans["table" + str(LINES)[-6:]]
    assert failed.parent_span_id == root.span_id
    assert failed.status.code == 2
    assert "The query is wrong" in failed.status.message
    assert spans["table" + str(ORDERS)[-6:]].status.code == 0
    ids = {a.key: a.value.int_value for a in root.attributes}
    assert ids["dtaas.execution.id"] == execution_id
    assert root.start_time_unix_nano < root.end_time_unix_nano
    metrics = {
        metric.name
        for path, _, body in receiver.got
        if path == "/v1/metrics"
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"dtaas_memory_bytes", "dtaas_tables", "dtaas_event_loop_lag_seconds_count"} <= metrics


async def test_executions_become_lineage(work: AtWork, receiver: Receiver) -> None:
    lineage = Lineage(receiver.url, token="t0k", namespace="shop", bus=work.bus, store=work.store)
    async with create_task_group() as group:
        group.start_soon(lineage.serve)
        await anyio.lowlevel.checkpoint()
        await run_partly(work)
        with fail_after(LIMIT_S):
            while len(receiver.got) < 2:
                await sleep(0.02)
        group.cancel_scope.cancel()
    events = [json.loads(body) for _, _, body in receiver.got]
    assert {path for path, _, _ in receiver.got} == {"/api/v1/lineage"}
    assert receiver.got[0][1]["authorization"] == "Bearer t0k"
    assert [event["eventType"] for event in events] == ["START", "FAIL"]
    assert events[0]["run"]["runId"] == events[1]["run"]["runId"]
    last = events[1]
    assert {dataset["name"] for dataset in last["inputs"]} == {str(ORDERS), str(LINES)}
    assert [d["outputFacets"]["outputStatistics"]["rowCount"] for d in last["outputs"]] == [3]
    assert "The query is wrong" in last["run"]["facets"]["errorMessage"]["message"]


async def test_a_receiver_that_is_away_hurts_nobody(work: AtWork) -> None:
    settings = TelemetrySettings(openlineage_url="http://127.0.0.1:1")
    (serve,) = build_exporters(
        settings, instruments=work.services.instruments, bus=work.bus, store=work.store
    ).values()
    async with create_task_group() as group:
        group.start_soon(serve)
        await anyio.lowlevel.checkpoint()
        await run_partly(work)
        group.cancel_scope.cancel()


async def test_without_settings_nothing_is_exported(work: AtWork) -> None:
    none = build_exporters(
        TelemetrySettings(), instruments=work.services.instruments, bus=work.bus, store=work.store
    )
    assert none == {}
