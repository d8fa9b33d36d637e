"""Names of databases, schemas, tables and tasks as segments of object keys and folder paths.

Different names never give the same segment. A segment holds letters and digits of any script,
`_`, `-`, and `.` except at its start; everything else becomes `!` and two hex digits per UTF-8
byte. `!` is among the characters S3 calls safe, and neither SQL Server, Hive nor a shell glob
gives it a meaning inside a path. Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
"""

import hashlib
import re
from string import Formatter
from typing import Final

from dtaas.model.errors import ValidationFailedError
from dtaas.model.schema import TableRef

MAX_SEGMENT_BYTES: Final = 150
"""Longer segments are cut and end in a hash, so that file systems (255 bytes) take them."""
PLACEHOLDERS: Final = ("database", "schema", "table", "task")
DEFAULT_SCHEMA: Final = "dbo"
_KEPT_BYTES: Final = 110
_HASH_DIGITS: Final = 32
_SEPARATORS: Final = "._-"


def safe_segment(name: str, *, reserved: str = "") -> str:
    """Return `name` as one path segment; equal segments mean equal names.

    Args:
        reserved: further characters to encode.
    """
    text = "".join(
        c if (c.isalnum() or c in _SEPARATORS) and c not in reserved else _escape(c) for c in name
    )
    if text.startswith("."):  # hidden, or `..`
        text = _escape(".") + text[1:]
    return _shortened(text or "!", name)


def _escape(character: str) -> str:
    return "".join(f"!{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def _shortened(text: str, name: str) -> str:
    encoded = text.encode()
    if len(encoded) <= MAX_SEGMENT_BYTES:
        return text
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return encoded[:_KEPT_BYTES].decode(errors="ignore") + "!h" + digest  # `h`: no escape has it


class PrefixTemplate:
    """A prefix such as `{database}/{schema}/{table}` that keeps tables apart.

    What the template leaves out is added, so that two tables never meet: without `{table}` the
    table follows as a last segment; without `{schema}` the tables of other schemas than `dbo`
    are called `schema.table`.
    """

    def __init__(self, template: str, *, database: str, task: str) -> None:
        """Take the template apart.

        Raises:
            ValidationFailedError: it has a placeholder that does not exist, or a stray brace.
        """
        self._constants = {"database": database, "task": task}
        try:
            parsed = [list(Formatter().parse(s)) for s in template.split("/") if s.strip()]
        except ValueError as error:
            raise _bad_template(template) from error
        if any(conversion or spec for p in parsed for *_, spec, conversion in p):
            raise _bad_template(template)
        self._segments = [[(literal, field) for literal, field, *_ in p] for p in parsed]
        fields = {field for s in self._segments for _, field in s if field is not None}
        if unknown := fields - set(PLACEHOLDERS):
            raise _bad_template(template, f"{{{min(unknown)}}}")
        self._has_schema = "schema" in fields
        if "table" not in fields:
            self._segments.append([("", "table")])

    def render(self, table: TableRef) -> tuple[str, ...]:
        """Return the path segments of `table`."""
        return tuple(self._segment(parts, table) for parts in self._segments)

    def _segment(self, parts: list[tuple[str, str | None]], table: TableRef) -> str:
        fields = [field for _, field in parts if field is not None]
        reserved = "._-" if len(fields) > 1 else "."
        values = {field: self._value(field, table, reserved) for field in fields}
        text = ""
        named = False
        for literal, field in parts:
            joint = re.sub(r"[^\w.=+-]", "_", literal)
            if named and field is not None and not any(c in _SEPARATORS for c in joint):
                joint += "."  # values hold no separator here, so the joint can always be found
            text += joint + (values[field] if field is not None else "")
            named = named or field is not None
        if text.startswith("."):
            text = "!2e" + text[1:]
        return _shortened(text, repr((text, table.schema, table.name)))

    def _value(self, field: str, table: TableRef, reserved: str) -> str:
        if field == "schema":
            return safe_segment(table.schema, reserved=reserved)
        if field != "table":
            return safe_segment(self._constants[field], reserved=reserved)
        name = safe_segment(table.name, reserved=reserved)
        if self._has_schema or table.schema == DEFAULT_SCHEMA:
            return name
        return f"{safe_segment(table.schema, reserved=reserved)}.{name}"


def _bad_template(template: str, placeholder: str = "") -> ValidationFailedError:
    return ValidationFailedError(
        f"The prefix {template!r} "
        + (f"names {placeholder}, which does not exist." if placeholder else "has a stray brace."),
        hint="Use " + ", ".join(f"{{{name}}}" for name in PLACEHOLDERS) + ".",
        field="$.connection_config.prefix",
    )
