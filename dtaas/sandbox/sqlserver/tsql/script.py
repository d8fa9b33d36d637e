"""Scripts as sqlcmd and SSMS read them: batches between lines that say GO.

Source: Microsoft Learn, "SQL Server Utilities Statements - GO".
"""

import codecs
import re
from typing import Final

_GO: Final = re.compile(
    r"[ \t]*GO(?:[ \t]+(?P<count>\d+))?[ \t]*;?[ \t]*(?:--[^\n]*)?\r?\Z",
    re.IGNORECASE,
)
_OPENS: Final = re.compile(r"--|/\*|'|\"|\[")
_CLOSES: Final = {"'": "'", '"': '"', "[": "]"}
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_script(data: bytes) -> str:
    """Return the text of a script file: UTF-8, or what its byte order mark says."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    return data.decode()


def split_script(script: str) -> list[str]:
    """Return the batches of a script in the order to run them; `GO n` repeats its batch.

    A GO inside a comment, a string or a quoted name is text. Batches without a word in them are
    dropped.
    """
    batches: list[str] = []
    lines: list[str] = []
    inside: tuple[str, int] = ("", 0)
    for line in script.removeprefix("\ufeff").split("\n"):
        go = None if inside[0] else _GO.match(line)
        if go is None:
            lines.append(line)
            inside = _inside_after(line, *inside)
            continue
        _end_batch(batches, lines, int(go["count"] or 1))
    _end_batch(batches, lines, 1)
    return batches


def _end_batch(batches: list[str], lines: list[str], count: int) -> None:
    text = "\n".join(lines)
    if text.strip():
        batches.extend([text] * count)
    lines.clear()


def _inside_after(line: str, opened: str, depth: int) -> tuple[str, int]:
    """Return what is open at the end of `line`: the opening mark, and how deep comments nest."""
    at = 0
    while True:
        if opened == "/*":
            mark = re.compile(r"/\*|\*/").search(line, at)
            if mark is None:
                return opened, depth
            at = mark.end()
            depth += 1 if mark[0] == "/*" else -1
            opened = opened if depth else ""
        elif opened:
            # A doubled closing mark closes and opens again: the same in the end.
            found = line.find(_CLOSES[opened], at)
            if found < 0:
                return opened, 0
            at, opened = found + 1, ""
        else:
            mark = _OPENS.search(line, at)
            if mark is None or mark[0] == "--":
                return "", 0
            at, opened, depth = mark.end(), mark[0], 1
