"""YAML as people write it (version 1.2) to plain data and back, with the line of every value.

Neither anchors, tags nor repeated keys are taken: a file says what it says where it says it, and
no small file unfolds into a huge one.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml
from msgspec import Struct

from dtaas.model.errors import RequestError

_READER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WRITER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_DEEPEST: Final = 40
_WIDTH: Final = 110
_PLAIN: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("null", re.compile(r"(?:null|Null|NULL|~|)\Z")),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")),
    ("int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
    ),
)
"""What a text without quotes is: the core schema of YAML 1.2, in which `on` and `no` are texts."""
_MOST_DIGITS: Final = 40
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
"""What JSON and the store hold."""
_TEN: Final = 10


class YamlError(RequestError):
    """A text is not YAML, or not of the kind that is taken. `line` counts from 1."""

    code = "malformed_yaml"

    def __init__(self, detail: str, *, line: int, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.line = line


class Document(Struct, frozen=True, kw_only=True):
    """One document of a file.

    Attributes:
        lines: the line of every value by its JSON path, such as `$.source_tables[0].name`.
    """

    data: Any
    lines: Mapping[str, int]

    def line_of(self, field: str | None) -> int:
        """Return the line of a value or, where it is missing, of what should hold it."""
        path = field or "$"
        while path not in self.lines and path != "$":
            path = path[: max(path.rfind("."), path.rfind("["), 1)]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> Sequence[Document]:
    """Return the documents of a text; empty ones are left out.

    Raises:
        YamlError: with the line of the first mistake.
    """
    loader = None
    try:
        loader = _READER(text)
        return [found for found in _documents(_Events(loader)) if found.data is not None]
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = 1 if mark is None else min(mark.line + 1, text.count("\n") + 1)
        raise YamlError(f"This is not YAML: {exc.problem}.", line=line) from exc
    except yaml.YAMLError as exc:
        raise YamlError(f"This is not YAML text: {exc}.", line=1) from exc
    finally:
        if loader is not None:
            loader.dispose()


def write_yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    """Return documents as one text, keys in the order they come."""
    return "---\n".join(
        yaml.dump(
            document,
            Dumper=_Writer,
            sort_keys=False,
            allow_unicode=True,
            width=_WIDTH,
            default_flow_style=False,
        )
        for document in documents
    )


class _Writer(_WRITER):  # type: ignore[misc] # one of two classes of the library
    """Quotes whatever YAML 1.1 or 1.2 would take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out each time."""
        del data
        return True


for _kind, _pattern in _PLAIN:
    _Writer.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _pattern, None)


class _Events:
    """The parser's events, one ahead."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def next(self) -> Any:
        return self._loader.get_event()

    def peek(self) -> Any:
        return self._loader.peek_event()


def _documents(events: _Events) -> Iterator[Document]:
    while True:
        event = events.next()
        if isinstance(event, yaml.StreamEndEvent):
            return
        if isinstance(event, yaml.DocumentStartEvent):
            lines: dict[str, int] = {}
            yield Document(data=_value(events, "$", lines, 0), lines=lines)


def _value(events: _Events, path: str, lines: dict[str, int], depth: int) -> Any:
    event = events.next()
    line = event.start_mark.line + 1
    lines.setdefault(path, line)
    _refuse_cleverness(event, line, depth)
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event, line)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(events.peek(), yaml.SequenceEndEvent):
            items.append(_value(events, f"{path}[{len(items)}]", lines, depth + 1))
        events.next()
        return items
    return _mapping(events, path, lines, depth)


def _mapping(events: _Events, path: str, lines: dict[str, int], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while not isinstance(events.peek(), yaml.MappingEndEvent):
        key = events.next()
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarEvent):
            raise YamlError("A name must be a text.", line=line)
        _refuse_cleverness(key, line, depth)
        if key.value in found:
            raise YamlError(f"{key.value!r} stands here twice.", line=line, hint="Remove one.")
        inner = f"{path}.{key.value}"
        lines[inner] = line
        found[key.value] = _value(events, inner, lines, depth + 1)
    events.next()
    return found


def _refuse_cleverness(event: Any, line: int, depth: int) -> None:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise YamlError(
            "Anchors and aliases are not taken.", line=line, hint="Write the value out."
        )
    if event.tag is not None:
        raise YamlError(f"The tag {event.tag} is not taken.", line=line, hint="Leave it out.")
    if depth > _DEEPEST:
        raise YamlError(f"Values are nested more than {_DEEPEST} deep.", line=line)


def _scalar(event: Any, line: int) -> Any:
    text: str = event.value
    if "\0" in text or not _is_unicode(text):
        raise YamlError("This text holds a character that is none.", line=line)
    if not event.implicit[0]:  # quoted
        return text
    kind = next((kind for kind, pattern in _PLAIN if pattern.match(text)), "str")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "str":
        return text
    number = _whole(text) if kind == "int" and len(text) <= _MOST_DIGITS else _fraction(text)
    if not _LEAST <= number <= _MOST:  # not a number is none of both
        raise YamlError(f"The number {text[:_MOST_DIGITS]} is too large.", line=line)
    return number


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text[2:] if base != _TEN else text, base)


def _fraction(text: str) -> float:
    if text.lower().endswith(("nan", "inf")):
        return math.nan
    return float(text)
