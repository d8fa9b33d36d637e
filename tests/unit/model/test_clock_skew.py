"""What an answer proves about another machine's clock."""

from datetime import UTC, datetime, timedelta

import pytest

from dtaas.model.clock_skew import proven_skew_s, skew_in_words

ASKED = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
ANSWERED = ASKED + timedelta(seconds=4)


@pytest.mark.parametrize(
    ("theirs_s", "resolution_s", "proven_s"),
    [
        (0, 0, 0),
        (4, 0, 0),  # a slow answer is no skew
        (10, 0, 6),
        (-10, 0, -10),
        (-10, 1, -9),
        (-0.5, 1, 0),  # cut off to whole seconds
    ],
)
def test_only_what_is_proved_counts(theirs_s: float, resolution_s: float, proven_s: float) -> None:
    theirs = ASKED + timedelta(seconds=theirs_s)
    found = proven_skew_s(theirs, asked=ASKED, answered=ANSWERED, resolution_s=resolution_s)
    assert found == proven_s


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (0.4, "The clock of S3 and this machine's agree."),
        (-61, "The clock of S3 is 61 s behind this machine's."),
        (3600, "The clock of S3 is 60 min ahead of this machine's."),
        (-86_400, "The clock of S3 is 24.0 h behind this machine's."),
    ],
)
def test_people_are_told_how_far(ahead_s: float, said: str) -> None:
    assert skew_in_words("S3", ahead_s) == said
