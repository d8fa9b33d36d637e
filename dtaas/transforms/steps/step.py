"""What every compiled step is."""

from collections.abc import Callable
from typing import TypeAlias

from dtaas.transforms.frame import Frame

Kernel: TypeAlias = Callable[[Frame], None]
"""Changes the columns and rows of a frame. Keeps nothing between calls."""


def nothing(_: Frame) -> None:
    """Leave the rows as they are: the step only concerns names."""
