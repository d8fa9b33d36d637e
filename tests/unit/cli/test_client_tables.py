from datetime import UTC, datetime, timedelta

import pytest

from dtaas.cli.client_tables import ago

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s ago"),
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "1 d ago"),
        (10**7, "115 d ago"),
    ],
)
def test_moments_are_told_in_one_unit(seconds: int, text: str):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_never_was():
    assert ago(None) == "never"
