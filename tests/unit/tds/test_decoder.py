"""The decoder: what arrives is what was sent, wherever the bytes are cut; bad bytes are refused."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.tds.decoder import Decoder, Missing
from dtaas.tds.errors import BadValueError, ProtocolError
from dtaas.tds.library import load, why_missing
from dtaas.tds.plan import As, ColumnPlan, Length
from tests.unit.tds.rows_on_the_wire import COLUMNS, DONE, PLANS, SCHEMA, encode_row, packets

pytestmark = pytest.mark.skipif(load() is None, reason=why_missing() or "there is a decoder")

CP1252 = "".join(bytes((b,)).decode("cp1252", "ignore") for b in range(1, 256))
text = st.text(max_size=40)
rows = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1),
        "small": st.none() | st.integers(-(2**15), 2**15 - 1),
        "flag": st.none() | st.booleans(),
        "price": st.none()
        | st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(n).scaleb(-4)),
        "name": st.none() | text,
        "body": st.none() | text,
        "old": st.none() | st.text(alphabet=CP1252, max_size=20),
        "data": st.none() | st.binary(max_size=40),
        "guid": st.none() | st.uuids().map(str),
        "at": st.none()
        | st.tuples(st.dates(), st.times(), st.integers(0, 9)).map(
            lambda t: f"{t[0]} {t[1].strftime('%H:%M:%S')}.{t[1].microsecond:06}{t[2]}"
        ),
        "cut": st.integers(0, 60),
    }
)


def test_nothing_was_read_with_the_metadata() -> None:
    with Decoder(PLANS, SCHEMA, most_value_bytes=1000) as decoder:
        decoder.seed(b"")
        assert decoder.next(most_rows=1, most_bytes=1000) is Missing.BYTES


@pytest.fixture(autouse=True)
def _precise() -> Any:
    import decimal  # noqa: PLC0415 - the context of this test only

    with decimal.localcontext(prec=60):
        yield


def feed(decoder: Decoder, data: bytes) -> None:
    room = decoder.room(len(data))
    room[: len(data)] = data
    decoder.received(len(data))


def decode(stream: bytes, cuts: list[int], *, most_rows: int = 7) -> pa.Table:
    """Decode a stream that arrives in pieces."""
    batches = []
    edges = sorted({min(c, len(stream)) for c in cuts} | {0, len(stream)})
    with Decoder(PLANS, SCHEMA, most_value_bytes=1 << 20) as decoder:
        for begin, end in pairwise(edges):
            feed(decoder, stream[begin:end])
            while isinstance(
                found := decoder.next(most_rows=most_rows, most_bytes=1 << 20), pa.RecordBatch
            ):
                batches.append(found)
        assert found is Missing.ROW
        assert decoder.pending() == DONE
        rest = decoder.rest()
    if rest is not None:
        batches.append(rest)
    for batch in batches:
        batch.validate(full=True)
    return pa.Table.from_batches(batches, SCHEMA)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sent=st.lists(st.tuples(rows, st.booleans()), min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 6000), max_size=40),
    packet=st.integers(1, 900),
)
def test_what_arrives_is_what_was_sent(
    sent: list[tuple[dict[str, Any], bool]], cuts: list[int], packet: int
) -> None:
    payload = b"".join(encode_row(row, with_bitmap=bitmap) for row, bitmap in sent) + DONE
    table = decode(packets(payload, packet), cuts)
    expected = [{name: row[name] for name, _, _ in COLUMNS} for row, _ in sent]
    assert table.to_pylist() == expected


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sent=st.lists(st.tuples(rows, st.booleans()), min_size=1, max_size=5),
    noise=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_corrupted_bytes_never_do_harm(
    sent: list[tuple[dict[str, Any], bool]], noise: list[tuple[int, int]]
) -> None:
    payload = b"".join(encode_row(row, with_bitmap=bitmap) for row, bitmap in sent) + DONE
    stream = bytearray(packets(payload, 300))
    for at, byte in noise:
        stream[at % len(stream)] = byte
    with Decoder(PLANS, SCHEMA, most_value_bytes=1 << 16) as decoder:
        try:
            feed(decoder, bytes(stream))
            while isinstance(
                found := decoder.next(most_rows=3, most_bytes=1 << 16), pa.RecordBatch
            ):
                found.validate()
        except (ProtocolError, BadValueError):
            return


@pytest.mark.parametrize("cut", range(9))
def test_a_character_cut_between_chunks_is_put_together(cut: int) -> None:
    row = dict.fromkeys((name for name, _, _ in COLUMNS), None) | {"id": 1, "cut": cut}
    row["body"] = "a😀é😀"
    table = decode(packets(encode_row(row, with_bitmap=True) + DONE, 11), list(range(200)))
    assert table["body"].to_pylist() == ["a😀é😀"]


@pytest.mark.parametrize("units", [b"\x3d\xd8", b"\x3d\xd8a\0", b"\x00\xdc", b"a\0\x3d\xd8"])
@pytest.mark.parametrize("length", [Length.SHORT, Length.PARTIAL])
def test_a_lone_surrogate_is_refused(units: bytes, length: Length) -> None:
    size = len(units)
    value = size.to_bytes(2, "little") + units
    if length is Length.PARTIAL:
        value = size.to_bytes(8, "little") + size.to_bytes(4, "little") + units + bytes(4)
    plan = ColumnPlan(length=length, how=As.UTF16)
    with Decoder([plan], pa.schema([pa.field("c", pa.string())]), most_value_bytes=99) as decoder:
        feed(decoder, packets(b"\xd1" + value, 100))
        with pytest.raises(BadValueError) as caught:
            decoder.next(most_rows=9, most_bytes=999)
    assert (caught.value.column, caught.value.reason) == (0, "lone_surrogate")


@pytest.mark.parametrize(
    ("how", "value"),
    [
        (As.DECIMAL, b"\x04\x01\x00\x00\x00"),
        (As.DATE, b"\x03\xff\xff\xff"),
        (As.GUID_TEXT, b"\x0f" + bytes(15)),
        (As.BIT, b"\x02\x01\x01"),
        (As.TIMESTAMP_TEXT, b"\x08" + b"\xff" * 8),
    ],
)
def test_a_value_that_cannot_be_is_refused(how: As, value: bytes) -> None:
    target = {As.DECIMAL: pa.decimal128(9, 2), As.DATE: pa.date32(), As.BIT: pa.bool_()}
    width = {As.DECIMAL: 16, As.DATE: 4}.get(how, 0)
    plan = ColumnPlan(length=Length.BYTE, how=how, width=width, scale=7)
    schema = pa.schema([pa.field("c", target.get(how, pa.string()))])
    with Decoder([plan], schema, most_value_bytes=99) as decoder:
        feed(decoder, packets(b"\xd1" + value, 100))
        with pytest.raises(ProtocolError):
            decoder.next(most_rows=9, most_bytes=999)


def test_a_packet_shorter_than_its_header_is_refused() -> None:
    with (
        Decoder(PLANS, SCHEMA, most_value_bytes=99) as decoder,
        pytest.raises(ProtocolError, match="shorter than its header"),
    ):
        feed(decoder, bytes((4, 1, 0, 7, 0, 0, 1, 0)))


def one_text(length: Length, codec: str, value: bytes, cuts: list[int]) -> list[str]:
    """Decode one row of one column of text, a long one in chunks of three bytes."""
    plan = ColumnPlan(length=length, how=As.DOUBLE_BYTE, codec=codec)
    chunks = [value[i : i + 3] for i in range(0, len(value), 3)]
    encoded = len(value).to_bytes(2, "little") + value
    if length is Length.PARTIAL:
        encoded = len(value).to_bytes(8, "little")
        encoded += b"".join(len(c).to_bytes(4, "little") + c for c in chunks) + bytes(4)
    stream = packets(b"\xd1" + encoded + DONE, 5)
    edges = sorted({min(c, len(stream)) for c in cuts} | {0, len(stream)})
    with Decoder([plan], pa.schema([("t", pa.string())]), most_value_bytes=1000) as decoder:
        for begin, end in pairwise(edges):
            feed(decoder, stream[begin:end])
            decoder.next(most_rows=7, most_bytes=1000)
        rest = decoder.rest()
    assert rest is not None
    rest.validate(full=True)
    return list(rest.column(0).to_pylist())


@given(
    text=st.text("aZ7日本語テスト、ｱｲｳ表ソ", max_size=12),
    length=st.sampled_from([Length.SHORT, Length.PARTIAL]),
    cuts=st.lists(st.integers(0, 120), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_characters_of_two_bytes_may_be_cut_anywhere(
    text: str, length: Length, cuts: list[int]
) -> None:
    assert one_text(length, "cp932", text.encode("cp932"), cuts) == [text]


@pytest.mark.parametrize("length", [Length.SHORT, Length.PARTIAL])
@pytest.mark.parametrize(
    ("codec", "value"),
    [
        ("cp932", b"ab\x93"),
        ("cp932", b"\x93\x01"),
        ("cp932", b"\xff"),
        ("cp936", b"a\xa2\xab"),
        ("cp949", b"\xc9\x40"),
        ("cp950", b"\xa1"),
    ],
)
def test_what_is_no_character_is_refused(length: Length, codec: str, value: bytes) -> None:
    with pytest.raises(BadValueError) as refused:
        one_text(length, codec, value, [])
    assert (refused.value.reason, refused.value.column) == ("bad_text", 0)


ROW = {
    "id": 0, "small": 7, "flag": True, "price": Decimal("1.2345"), "name": None, "body": None,
    "old": None, "data": None, "guid": "00112233-4455-6677-8899-aabbccddeeff",
    "at": "2020-01-02 03:04:05.0000000", "cut": 0,
}  # fmt: skip


def numbered(first: int, count: int) -> tuple[bytes, list[dict[str, Any]]]:
    """Return rows that tell themselves from all others, with text of changing length."""
    made = [
        ROW | {"id": n, "name": f"row {n} é" * (n % 7), "small": None if n % 5 == 0 else n % 100}
        for n in range(first, first + count)
    ]
    return b"".join(encode_row(row, with_bitmap=row["id"] % 2 == 0) for row in made), made


def test_memory_is_used_again_but_not_while_a_batch_lives() -> None:
    """Large enough that memory is kept; batches are dropped in other threads, in any order."""
    kept: list[tuple[pa.RecordBatch, list[dict[str, Any]]]] = []
    with ThreadPoolExecutor(2) as others, Decoder(PLANS, SCHEMA, most_value_bytes=999) as decoder:
        for turn in range(12):
            payload, sent = numbered(turn * 5000, 5000)
            feed(decoder, packets(payload, 4000))
            found = decoder.next(most_rows=5000, most_bytes=1 << 30)
            if found is Missing.BYTES:
                found = decoder.rest()
            assert isinstance(found, pa.RecordBatch)
            kept.append((found, sent))
            del found
            if turn % 3 == 2:
                others.submit(kept.pop, 0).result()
    for batch, sent in kept:  # the decoder is closed
        batch.validate(full=True)
        expected = [{name: row[name] for name, _, _ in COLUMNS} for row in sent]
        assert batch.to_pylist() == expected


def test_batches_that_are_full_of_bytes_are_cut_where_they_were_before() -> None:
    """Room is made for as many rows as came last: that must not cut a batch of narrower rows."""
    sizes = []
    with Decoder(PLANS, SCHEMA, most_value_bytes=9999) as decoder:
        for turn in range(6):
            wide = turn == 0
            made = [encode_row(ROW | {"name": "x" * 4000 if wide else ""}, with_bitmap=True)] * 4000
            feed(decoder, packets(b"".join(made[: 100 if wide else 4000]), 4000))
            while isinstance(
                found := decoder.next(most_rows=2000, most_bytes=1 << 18), pa.RecordBatch
            ):
                sizes.append((found.num_rows, found.nbytes))
            while (rest := decoder.rest()) is not None:
                sizes.append((rest.num_rows, rest.nbytes))
    assert sum(rows for rows, _ in sizes) == 100 + 5 * 4000
    assert all(size <= 1 << 18 for _, size in sizes)
    assert max(rows for rows, _ in sizes) > 1000  # it recovers from the wide rows
