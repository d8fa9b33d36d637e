"""How the time of a table is spent: counted where batches change hands."""

import pyarrow as pa
import pytest

from dtaas.engine.pace import Occupancy, Pace, Shares
from dtaas.engine.paced import HasSteps, PacedReader, told
from dtaas.engine.shaping.changes import _ShapedChanges
from dtaas.engine.shaping.source import ShapedReader
from dtaas.model.execution import ReadBy


class Clock:
    def __init__(self) -> None:
        self.now = 100.25

    def __call__(self) -> float:
        return self.now


def test_two_side_by_side_count_twice_and_what_is_older_than_ten_seconds_not_at_all():
    clock = Clock()
    work = Occupancy(clock)
    work.step(1)
    clock.now += 2
    work.step(1)
    clock.now += 3
    assert work.recent_s() == pytest.approx(2 + 2 * 3)  # what still goes on counts
    work.step(-2)
    clock.now += 60
    assert work.recent_s() == 0
    assert work.all_s() == pytest.approx(8)


def test_what_began_long_ago_counts_for_the_window_only():
    clock = Clock()
    work = Occupancy(clock)
    work.step(1)
    for _ in range(100):
        clock.now += 1
        work.step(0)
    assert 10 <= work.recent_s() <= 10.5
    assert work.all_s() == pytest.approx(100)


def test_nothing_is_known_before_the_first_chunk_and_of_next_to_no_work():
    clock = Clock()
    pace = Pace(clock)
    assert pace.recent() is None
    assert pace.overall() is None
    pace.begin(0)
    with pace.reading():
        clock.now += 0.01
    assert pace.recent() is None


def test_the_stage_that_holds_a_load_up_has_the_greatest_share():
    clock = Clock()
    pace = Pace(clock)
    for chunk in range(2):
        pace.begin(chunk)
    for _ in range(10):
        with pace.reading():
            clock.now += 0.9
            with pace.transforming():
                clock.now += 0.1
        with pace.writing():
            clock.now += 0.2
    for chunk in range(2):
        pace.end(chunk)
        pace.end(chunk)
    # Two chunks were under way for 12 s, of which one of the two read for 9 s.
    assert pace.overall() == Shares(read=0.38, transform=0.04, write=0.08)
    recent = pace.recent()
    assert recent is not None
    assert recent.read == pytest.approx(0.38, abs=0.02)
    clock.now += 11
    assert pace.recent() is None


def test_a_stream_that_waits_for_changes_has_small_shares():
    clock = Clock()
    pace = Pace(clock)
    for _ in range(5):
        pace.begin(0)
        with pace.reading():
            clock.now += 0.5
        pace.end(0)
        clock.now += 1.5
    assert pace.overall() == Shares(read=0.29, transform=0.0, write=0.0)  # 2.5 s of 8.5 s


def test_batches_between_the_stages_are_counted_and_a_lost_chunk_leaves_none():
    pace = Pace(Clock())
    pace.begin(3)
    pace.queue(3, 1)
    pace.queue(3, 1)
    pace.queue(3, -1)
    assert pace.queued == 1
    pace.end(3)
    assert pace.queued == 0
    pace.queue(3, -1)  # whoever comes late counts for nothing
    assert pace.queued == 0


class Reader:
    read_by = ReadBy("native")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.left = 2

    async def next(self) -> pa.RecordBatch | None:
        self._clock.now += 1
        self.left -= 1
        return pa.record_batch({"a": [1]}) if self.left >= 0 else None


async def test_a_reader_tells_what_it_waits_for():
    clock = Clock()
    pace = Pace(clock)
    pace.begin(0)
    reader = PacedReader(Reader(clock), pace, 0)
    while await reader.next() is not None:
        clock.now += 1
    pace.end(0)
    assert reader.read_by == ReadBy("native")
    assert pace.overall() == Shares(read=0.6, transform=0.0, write=0.0)


@pytest.mark.parametrize("shaped", [ShapedReader, _ShapedChanges])
def test_whatever_transforms_tells_its_steps_apart(shaped: type):
    reader = shaped.__new__(shaped)
    reader.steps = None
    assert isinstance(reader, HasSteps)
    pace = Pace(Clock())
    told(reader, pace)
    assert reader.steps == pace.transforming
