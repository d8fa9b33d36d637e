"""Each fault of the proxy happens, when asked for and only then."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from dtaas.sandbox.faults import FaultProxy, fault_proxy


async def echo(stream: SocketStream) -> None:
    async with stream:
        try:
            async for data in stream:
                await stream.send(data)
        except anyio.BrokenResourceError:
            return


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, echo)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610
        with anyio.fail_after(10):
            async with fault_proxy("127.0.0.1", port) as proxy:
                yield proxy
        group.cancel_scope.cancel()


async def connect(proxy: FaultProxy) -> SocketStream:
    return await anyio.connect_tcp(proxy.host, proxy.port)


async def answer(stream: SocketStream, data: bytes) -> bytes:
    await stream.send(data)
    got = b""
    while len(got) < len(data):
        got += await stream.receive()
    return got


async def test_passes_bytes_both_ways(proxy: FaultProxy) -> None:
    async with await connect(proxy) as stream:
        data = bytes(range(256)) * 2000
        assert await answer(stream, data) == data
        await stream.send_eof()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def test_refuses(proxy: FaultProxy) -> None:
    proxy.refuse = True
    async with await connect(proxy) as stream:
        with pytest.raises(anyio.BrokenResourceError):
            await answer(stream, b"x")


async def test_resets_after_bytes_once(proxy: FaultProxy) -> None:
    proxy.reset_after(10)
    async with await connect(proxy) as stream:
        assert await answer(stream, b"12345") == b"12345"
        with pytest.raises(anyio.BrokenResourceError):
            await answer(stream, b"67890")
    assert proxy.pending_faults == 0
    async with await connect(proxy) as stream:
        assert await answer(stream, b"x" * 100) == b"x" * 100


async def test_kills_all(proxy: FaultProxy) -> None:
    async with await connect(proxy) as one, await connect(proxy) as two:
        assert await answer(one, b"x") == await answer(two, b"x") == b"x"
        proxy.kill_all()
        for stream in one, two:
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()


async def test_black_hole_holds_bytes_until_it_ends(proxy: FaultProxy) -> None:
    async with await connect(proxy) as stream:
        proxy.black_hole = True
        with anyio.move_on_after(0.1) as scope:
            await answer(stream, b"x")
        assert scope.cancelled_caught
        proxy.black_hole = False
        assert await stream.receive() == b"x"


async def test_latency_and_bandwidth_slow_it_down(proxy: FaultProxy) -> None:
    async with await connect(proxy) as stream:
        proxy.latency_s = 0.05
        started = anyio.current_time()
        await answer(stream, b"x")
        assert anyio.current_time() - started >= 0.1
        proxy.latency_s = 0.0
        proxy.bytes_per_second = 1e6
        started = anyio.current_time()
        await answer(stream, b"x" * 300_000)
        assert anyio.current_time() - started >= 0.1


async def test_drops_the_reply_to_one_request(proxy: FaultProxy) -> None:
    proxy.drop_reply(b"PUT /a")
    async with await connect(proxy) as stream:
        assert await answer(stream, b"PUT /b") == b"PUT /b"
        with pytest.raises(anyio.BrokenResourceError):
            await answer(stream, b"PUT /a")
    async with await connect(proxy) as stream:
        assert await answer(stream, b"PUT /a") == b"PUT /a"


async def test_refuses_one_request_as_a_busy_s3_does(proxy: FaultProxy) -> None:
    proxy.refuse_request(b"PUT /a")
    async with await connect(proxy) as stream:
        assert await answer(stream, b"GET /a HTTP/1.1") == b"GET /a HTTP/1.1"
        await stream.send(b"PUT /a HTTP/1.1\r\n\r\n")
        got = b""
        with pytest.raises(anyio.EndOfStream):
            while True:
                got += await stream.receive()
    assert got.startswith(b"HTTP/1.1 503 ")
    assert b"SlowDown" in got
    assert proxy.pending_faults == 0
    async with await connect(proxy) as stream:
        assert await answer(stream, b"PUT /a HTTP/1.1") == b"PUT /a HTTP/1.1"


async def test_calm_takes_every_fault_back(proxy: FaultProxy) -> None:
    proxy.refuse = proxy.black_hole = True
    proxy.reset_after(1)
    proxy.drop_reply(b"PUT")
    proxy.refuse_request(b"PUT")
    assert proxy.pending_faults == 3
    proxy.calm()
    assert proxy.pending_faults == 0
    async with await connect(proxy) as stream:
        assert await answer(stream, b"PUT /a") == b"PUT /a"
