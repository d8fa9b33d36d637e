"""How long the parts of the demo take."""

import anyio


class Laps:
    """How long the parts of the demo took, in seconds, in their order."""

    def __init__(self) -> None:
        self._began = self._last = anyio.current_time()
        self._parts: dict[str, float] = {}

    def end(self, part: str) -> None:
        """Note that a part ended now."""
        now = anyio.current_time()
        self._parts[part] = now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Return what the parts took, and all of it."""
        all_of_it = {**self._parts, "total_s": self._last - self._began}
        return {part: round(took, 1) for part, took in all_of_it.items()}
