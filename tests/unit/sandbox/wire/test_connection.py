"""What the server says on the wire, token by token, and what it does with nonsense."""

import struct

import anyio
import pytest
from structlog.testing import capture_logs

from dtaas.sandbox.sqlserver.results import Columns, Done, ResultColumn, Rows
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import SqlType
from tests.fakes.scripted_server import SELECT, Hang, ScriptedEngine, items, rows
from tests.unit.sandbox.wire.raw_client import (
    ATTENTION,
    BATCH,
    DONE_TOKENS,
    END,
    ENV_CHANGE_TOKEN,
    ERROR_TOKEN,
    HEADERS,
    IGNORE,
    RESET,
    RPC,
    TRANSACTION,
    batch,
    call,
    integer,
    logged_in,
    login,
    nvarchar,
    packet,
    prelogin,
    raw_client,
)

INT = ResultColumn(name="n", type=SqlType("int"))
DONE_IN_PROC, DONE_PROC, DONE = 0xFF, 0xFE, 0xFD
MORE, FAILED, COUNT, ACKNOWLEDGED = 0x01, 0x02, 0x10, 0x20
SP_EXECUTESQL, SP_PREPARE, SP_EXECUTE, SP_PREPEXEC, SP_UNPREPARE = 10, 11, 12, 13, 15
BEGIN, COMMIT, ROLLBACK = 5, 7, 8


def return_value(handle: int) -> bytes:
    """RETURNVALUE of a handle: ordinal 0, no name, output, nullable intn(4)."""
    return b"\xac\0\0\0\1\0\0\0\0\1\0\x26\4\4" + struct.pack("<i", handle)


async def test_a_batch_ends_with_one_done(engine: ScriptedEngine, server: TdsServer) -> None:
    engine.scripts["select"] = rows([INT], [7], [None])
    async with logged_in(server.port) as client:
        reply = await client.ask(BATCH, batch("select"))
    metadata = b"\x81\1\0" + b"\0\0\0\0" + b"\x09\0" + b"\x26\4" + b"\1n\0"
    found = metadata + b"\xd1\4\7\0\0\0" + b"\xd1\0"
    assert reply.payload == found + struct.pack("<BHHQ", DONE, COUNT, SELECT, 2)


async def test_nulls_go_by_bitmap_where_it_is_shorter(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    columns = [ResultColumn(name="", type=SqlType("varchar", 5)) for _ in range(9)]
    engine.scripts["select"] = rows(columns, [None] * 8 + ["x"])
    async with logged_in(server.port) as client:
        reply = await client.ask(BATCH, batch("select"))
        assert b"\xd2\xff\0\1\0x" in reply.payload
    async with logged_in(server.port, version=0x72090002) as client:
        reply = await client.ask(BATCH, batch("select"))
        assert b"\xd1" + b"\xff\xff" * 8 + b"\1\0x" in reply.payload


async def test_a_call_ends_with_status_values_and_done_proc(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    engine.scripts["select"] = rows([INT], [7])
    statement = call(SP_PREPEXEC, integer(None, output=True), nvarchar(""), nvarchar("select"))
    async with logged_in(server.port) as client:
        reply = await client.ask(RPC, HEADERS + statement)
    done_in_proc = struct.pack("<BHHQ", DONE_IN_PROC, MORE | COUNT, SELECT, 1)
    end = struct.pack("<BHHQ", DONE_PROC, 0, 0xE0, 0)
    assert reply.payload.endswith(done_in_proc + b"\x79\0\0\0\0" + return_value(1) + end)


async def test_handles_live_from_prepare_to_unprepare(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    engine.descriptions["echo @a"] = (INT,)
    prepare = call(
        SP_PREPARE,
        integer(None, output=True),
        nvarchar("@a int"),
        nvarchar("echo @a"),
        integer(1),
    )
    async with logged_in(server.port) as client:
        prepared = await client.ask(RPC, HEADERS + prepare)
        assert prepared.payload.startswith(b"\x81\1\0")
        assert return_value(1) in prepared.payload
        ran = await client.ask(RPC, HEADERS + call(SP_EXECUTE, integer(1), integer(5)))
        assert b"\xd1\4\5\0\0\0" in ran.payload
        again = call(SP_PREPEXEC, integer(1, output=True), nvarchar("@a int"), nvarchar("echo @a"))
        assert return_value(2) in (await client.ask(RPC, HEADERS + again + integer(6))).payload
        for gone in (SP_EXECUTE, SP_UNPREPARE):
            reply = await client.ask(RPC, HEADERS + call(gone, integer(1)))
            assert struct.pack("<i", 8179) in reply.payload
            assert reply.done.status & FAILED
        closed = await client.ask(RPC, HEADERS + call(SP_UNPREPARE, integer(2)))
        assert closed.done.status == 0
    executed = [c for c in engine.sessions[0].calls if c.method == "execute"]
    assert [(c.text, c.declarations, c.parameters[0].value) for c in executed] == [
        ("echo @a", "@a int", 5),
        ("echo @a", "@a int", 6),
    ]


async def test_several_calls_in_one_message(server: TdsServer) -> None:
    one = call(SP_EXECUTESQL, nvarchar("echo @a"), nvarchar("@a int"), integer(1))
    two = call(SP_EXECUTESQL, nvarchar("bad"))
    three = call(SP_EXECUTESQL, nvarchar("echo @a"), nvarchar("@a int"), integer(3))
    async with logged_in(server.port) as client:
        reply = await client.ask(RPC, HEADERS + b"\xff".join((one, two, three)))
    ended = [struct.pack("<BHHQ", DONE_PROC, status, 0xE0, 0) for status in (MORE, 0)]
    assert [reply.payload.count(end) for end in ended] == [2, 1]
    failed = struct.pack("<BHHQ", DONE_IN_PROC, MORE | FAILED, 0, 0)
    values = [reply.payload.index(part) for part in (b"\xd1\4\1", failed, b"\xd1\4\3")]
    assert values == sorted(values)
    assert reply.payload.endswith(ended[1])


@pytest.mark.parametrize(
    ("missing", "number"),
    [
        (call(SP_PREPEXEC, integer(None, output=True)), 201),
        (call(SP_EXECUTESQL), 201),
        (call(SP_EXECUTESQL, integer(5)), 214),
        (call(SP_EXECUTE), 8179),
        (call(SP_UNPREPARE), 8179),
        (call(SP_PREPARE), 201),
        (call(14), 201),
    ],
)
async def test_calls_without_their_parameters(
    missing: bytes, number: int, server: TdsServer
) -> None:
    async with logged_in(server.port) as client:
        reply = await client.ask(RPC, HEADERS + missing)
        assert reply.payload[0] == ERROR_TOKEN
        assert struct.unpack_from("<i", reply.payload, 3)[0] == number
        assert (await client.ask(BATCH, batch("set x"))).done.status == 0


def transaction(kind: int, *body: int) -> bytes:
    return HEADERS + struct.pack("<H", kind) + bytes(body)


async def test_transaction_requests_announce_descriptors(server: TdsServer) -> None:
    def began(descriptor: int) -> bytes:
        return b"\xe3\x0b\0\x08\x08" + struct.pack("<Q", descriptor) + b"\0"

    def ended(kind: int, descriptor: int) -> bytes:
        return b"\xe3\x0b\0" + bytes([kind, 0, 8]) + struct.pack("<Q", descriptor)

    async with logged_in(server.port) as client:
        assert (await client.ask(TRANSACTION, transaction(BEGIN, 2, 0))).payload[:-13] == began(1)
        both = await client.ask(TRANSACTION, transaction(COMMIT, 0, 1, 0, 0))
        assert both.payload[:-13] == ended(9, 1) + began(2)
        last = await client.ask(TRANSACTION, transaction(ROLLBACK, 0, 0))
        assert last.payload[:-13] == ended(10, 2)
        none = await client.ask(TRANSACTION, transaction(COMMIT, 0, 0))
        assert none.payload[0] == ERROR_TOKEN
        assert none.done.status == FAILED
        unknown = await client.ask(TRANSACTION, transaction(0))
        assert unknown.payload[0] == ERROR_TOKEN


async def test_reset_forgets_handles_and_the_transaction(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    prepare = call(SP_PREPARE, integer(None, output=True), nvarchar(""), nvarchar("echo"))
    async with logged_in(server.port) as client:
        await client.ask(RPC, HEADERS + prepare)
        await client.ask(TRANSACTION, transaction(BEGIN, 0, 0))
        reply = await client.ask(BATCH, batch("set x"), END | RESET)
        rolled_back = b"\xe3\x0b\0\x0a\0\x08" + struct.pack("<Q", 1)
        assert reply.payload[:-13] == rolled_back + b"\xe3\3\0\x12\0\0"
        gone = await client.ask(RPC, HEADERS + call(SP_EXECUTE, integer(1)))
        assert struct.pack("<i", 8179) in gone.payload
    assert [c.method for c in engine.sessions[0].calls][-2:] == ["reset", "batch"]


async def test_attention_ends_a_running_batch(engine: ScriptedEngine, server: TdsServer) -> None:
    hang = Hang(Columns((INT,)), Rows([[1]]))
    engine.scripts["wait"] = hang
    async with logged_in(server.port) as client:
        await client.send(packet(BATCH, batch("wait")))
        await hang.started.wait()
        await client.send(packet(ATTENTION, b""))
        reply = await client.reply()
        assert reply.payload.startswith(b"\x81")
        assert reply.done.status == ACKNOWLEDGED
        await hang.cancelled.wait()
        assert (await client.ask(BATCH, batch("set x"))).done.status == 0


async def test_attention_right_behind_its_request(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    engine.scripts["wait"] = Hang()
    async with logged_in(server.port) as client:
        for _ in range(20):
            await client.send(packet(BATCH, batch("wait")) + packet(ATTENTION, b""))
            assert (await client.reply()).done.status == ACKNOWLEDGED
        assert (await client.ask(BATCH, batch("set x"))).done.status == 0


async def test_attention_when_nothing_runs(server: TdsServer) -> None:
    async with logged_in(server.port) as client:
        assert (await client.ask(ATTENTION, b"")).done.status == ACKNOWLEDGED


async def test_a_request_the_client_gave_up_is_not_run(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    async with logged_in(server.port) as client:
        await client.send(packet(BATCH, batch("drop table"), status=0))
        reply = await client.ask(BATCH, b"", END | IGNORE)
        assert reply.done.status == FAILED
    assert [c.method for c in engine.sessions[0].calls] == ["login"]


async def test_requests_and_replies_of_many_packets(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    """A message may be cut anywhere, also inside of a character."""
    text = "ß" * 5000
    value = b"\0\0\xe7\xff\xff\x09\x04\xd0\0\x34" + struct.pack("<Q", 0xFFFFFFFFFFFFFFFE)
    data = text.encode("utf-16-le")
    value += struct.pack("<I", 7777) + data[:7777]
    value += struct.pack("<I", len(data) - 7777) + data[7777:] + bytes(4)
    message = HEADERS + call(
        SP_EXECUTESQL, nvarchar("echo @a"), nvarchar("@a nvarchar(max)"), value
    )
    async with logged_in(server.port, packet_bytes=512) as client:
        pieces = [message[at : at + 101] for at in range(0, len(message), 101)]
        for piece in pieces[:-1]:
            await client.send(packet(RPC, piece, status=0))
        reply = await client.ask(RPC, pieces[-1])
    assert data in reply.payload
    assert reply.packets == -(-len(reply.payload) // 504)
    assert engine.sessions[0].calls[-1].parameters[0].value == text


async def test_wrong_password_is_told_and_the_connection_closed(server: TdsServer) -> None:
    async with raw_client(server.port) as client:
        await client.send(prelogin())
        await client.reply()
        await client.send(login(password="Passw0rd!"))
        reply = await client.reply()
        assert struct.unpack_from("<iBB", reply.payload, 3) == (18456, 1, 14)
        assert reply.done.status == FAILED
        with pytest.raises(anyio.EndOfStream):
            await client.reply()


@pytest.mark.parametrize(
    "payload",
    [
        HEADERS + call(SP_EXECUTESQL, b"\0\0\xf3"),
        HEADERS + struct.pack("<HHH", 0xFFFF, 99, 0),
        HEADERS[:-1],
        b"\0\0\0\0",
        HEADERS + call(SP_EXECUTESQL, nvarchar("x")[:-1]),
    ],
    ids=["table_valued", "no_such_number", "short_headers", "no_headers", "cut"],
)
async def test_a_request_that_is_no_tds_is_told_and_ends_the_connection(
    payload: bytes, server: TdsServer
) -> None:
    async with logged_in(server.port) as client:
        reply = await client.ask(RPC, payload)
        assert struct.unpack_from("<i", reply.payload, 3)[0] == 4002
        with pytest.raises(anyio.EndOfStream):
            await client.reply()


NONSENSE = {
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "login_first": login(),
    "strict_tls": b"\x16\x03\x01\x00\x04nope",
    "bad_option": packet(0x12, b"\1\xff\xff\xff\xff\xff"),
    "no_tls": prelogin(1) + packet(0x12, b"not a handshake"),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_ends_its_own_connection_only(nonsense: bytes, server: TdsServer) -> None:
    with capture_logs() as logs:
        async with logged_in(server.port) as good, raw_client(server.port) as bad:
            await bad.send(nonsense)
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                while True:
                    await bad.reply()
            assert (await good.ask(BATCH, batch("set x"))).done.status == 0
    assert [entry["event"] for entry in logs] == ["tds_protocol_error"]


async def test_a_bug_of_a_session_ends_its_own_connection_only(
    engine: ScriptedEngine, server: TdsServer
) -> None:
    engine.scripts["wrong"] = items(Columns((INT,)), Rows([["no int"]]), Done())
    with capture_logs() as logs:
        async with logged_in(server.port) as good:
            async with logged_in(server.port) as bad:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await bad.ask(BATCH, batch("wrong"))
            assert (await good.ask(BATCH, batch("set x"))).payload[0] in DONE_TOKENS
    assert [entry["event"] for entry in logs] == ["tds_connection_failed"]
    assert engine.sessions[1].closed


async def test_the_first_token_of_a_login_names_the_database(server: TdsServer) -> None:
    async with raw_client(server.port) as client:
        await client.send(prelogin())
        answer = await client.reply()
        assert answer.payload[0] == 0
        await client.send(login(packet_bytes=100))
        reply = await client.reply()
    assert reply.payload[0] == ENV_CHANGE_TOKEN
    assert "testdb".encode("utf-16-le") in reply.payload[:20]
    assert b"\x04\x035\x001\x002\x00" in reply.payload  # packet size 512, the least there is


async def test_an_error_of_the_block_leaves_as_it_is(engine: ScriptedEngine) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with TdsServer.listen(engine):
            raise KeyError("mine")


async def test_a_taken_port_is_an_os_error(engine: ScriptedEngine, server: TdsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        async with TdsServer.listen(engine, port=server.port):
            pass
