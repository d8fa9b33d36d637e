"""How far the clock of another machine is from this one's, as far as an answer proves it."""

from datetime import datetime
from typing import Final

MOST_SKEW_S: Final = 5.0
"""What keeps clocks right keeps them closer than this by far."""
SET_THIS_CLOCK: Final = "timedatectl set-ntp true   # or install and start chrony"
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def proven_skew_s(
    theirs: datetime, *, asked: datetime, answered: datetime, resolution_s: float = 0.0
) -> float:
    """Return the least by which the other clock is ahead, negative when it is behind.

    The other machine read its clock somewhere between question and answer, so what the network
    and a busy server took is no skew. 0 when nothing is proved.

    Args:
        theirs: what the other clock showed, cut off to `resolution_s`.
        asked: our clock before the question.
        answered: our clock after the answer.
    """
    least = (theirs - answered).total_seconds()
    most = (theirs - asked).total_seconds() + resolution_s
    if least > 0:
        return least
    return min(most, 0.0)


def skew_in_words(whose: str, ahead_s: float) -> str:
    """Return a sentence for people, such as `The clock of S3 is 3 min ahead of this machine's.`."""
    if abs(ahead_s) <= MOST_SKEW_S:
        return f"The clock of {whose} and this machine's agree."
    amount = abs(ahead_s)
    if amount < 2 * _MINUTE_S:
        size = f"{amount:.0f} s"
    elif amount < 2 * _HOUR_S:
        size = f"{amount / _MINUTE_S:.0f} min"
    else:
        size = f"{amount / _HOUR_S:.1f} h"
    direction = "ahead of" if ahead_s > 0 else "behind"
    return f"The clock of {whose} is {size} {direction} this machine's."
