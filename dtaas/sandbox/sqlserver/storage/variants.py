"""sql_variant: bytes that say their type, readable by SQL (`store.variant_*`) and by Python."""

from datetime import date
from typing import Any, Final
from uuid import UUID

from dtaas.sandbox.sqlserver.storage import forms
from dtaas.sandbox.sqlserver.types import SqlType, Variant

SEPARATOR: Final = "\x1f"
_INTEGERS: Final = frozenset({"bit", "tinyint", "smallint", "int", "bigint", "datetime"})


def descriptor(type_: SqlType) -> str:
    """Return the head of a stored variant, which `store.variant(descriptor, text)` takes too."""
    return f"{type_.name},{type_.length},{type_.precision},{type_.scale},{type_.collation or ''}"


def type_of_descriptor(text: str) -> SqlType:
    """Undo `descriptor`."""
    name, length, precision, scale, collation = text.split(",")
    return SqlType(name, int(length), int(precision), int(scale), collation or None)


def encode_variant(variant: Variant) -> bytes:
    """Return the stored form of a variant."""
    text = _storage_text(variant.value, variant.type)
    return f"{descriptor(variant.type)}{SEPARATOR}{text}".encode()


def decode_variant(stored: bytes) -> Variant:
    """Undo `encode_variant`."""
    head, _, text = stored.decode().partition(SEPARATOR)
    type_ = type_of_descriptor(head)
    return Variant(type_, _wire_value(text, type_))


def _storage_text(value: Any, type_: SqlType) -> str:
    """Return what PostgreSQL's `::text` gives for the storage form of `value`."""
    bound = forms.bind(value, type_)
    match bound:
        case bytes() if type_.name == "uniqueidentifier":
            return str(UUID(bytes=forms.guid_to_storage(bound)))
        case bytes():
            return "\\x" + bound.hex()
        case date():
            return bound.isoformat()
        case float():
            return repr(bound)
        case _:
            return str(bound)


def _wire_value(text: str, type_: SqlType) -> Any:
    match type_.name:
        case name if name in forms.CHARACTER_TYPES:
            return forms.unescape_text(text)
        case name if name in _INTEGERS:
            return int(text)
        case "decimal" | "numeric" | "money" | "smallmoney":
            return int(text.replace(".", ""))
        case "real" | "float":
            return float(text)
        case "date":
            return date.fromisoformat(text).toordinal() - 1
        case "time":
            return int(text) // 10 ** (7 - type_.scale)
        case "datetime2":
            return int(text)
        case "smalldatetime":
            return (int(text) - forms.TICKS_TO_1900) // forms.TICKS_PER_MINUTE
        case "uniqueidentifier":
            return forms.guid_to_wire(UUID(text).bytes)
        case _:
            return bytes.fromhex(text[2:])
