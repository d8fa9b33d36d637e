"""What shall go wrong, and when."""

import re
from typing import Literal

import msgspec

Kind = Literal["status", "drop", "reset", "error", "exit", "expire", "delay"]


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong with statements or files.

    Attributes:
        match: a regular expression found in the statement, or in `PUT name` of an uploaded file.
        kind: status: an HTTP `status` instead of the reply; drop: the connection ends in the middle
            of the reply; reset: it ends instead of the reply; error: the statement fails with
            `code`; exit: the server dies at once; expire: the session's token is no longer valid;
            delay: it takes `delay_s` longer.
        when: before the statement runs, or after it ran.
        skip: how many matching statements pass first.
        times: how many it hits then.
    """

    match: str
    kind: Kind
    when: Literal["before", "after"] = "before"
    skip: int = 0
    times: int = 1
    delay_s: float = 0.0
    status: int = 503
    code: int = 625
    sqlstate: str = "57014"
    message: str = "injected by the sandbox"


class Faults:
    """The faults that wait for their statement."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, faults: list[Fault]) -> None:
        """Add faults.

        Raises:
            re.error: a `match` is no regular expression.
        """
        for fault in faults:
            re.compile(fault.match)
        self._waiting.extend(faults)

    def clear(self) -> None:
        """Forget those that wait."""
        self._waiting.clear()

    @property
    def waiting(self) -> list[Fault]:
        """Those that have not hit as often as they shall."""
        return list(self._waiting)

    def take(self, when: str, text: str) -> Fault | None:
        """Return what goes wrong with this statement now, if anything."""
        for fault in self._waiting:
            if fault.when != when or not re.search(fault.match, text, re.IGNORECASE | re.DOTALL):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
            return fault
        return None
