"""Functions that hide values: masks that keep a part, and digests."""

import hashlib
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import ColumnType, String
from dtaas.transforms.casting import text_of
from dtaas.transforms.functions.function import (
    ANY,
    Arguments,
    Function,
    Parameter,
    Run,
    text_limit,
)
from dtaas.transforms.problems import StepError

_SHA256_CHARS: Final = 64
_MOST_KEPT: Final = 1000


def _sha256(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    salt = str(arguments["salt"]).encode()
    as_text = text_of(kind)

    def run(values: pa.Array) -> pa.Array:
        texts = values if as_text is None or pa.types.is_binary(values.type) else as_text(values)
        return digests(texts, salt)

    return String(_SHA256_CHARS), run


def digests(values: pa.Array, salt: bytes) -> pa.Array:
    """Return SHA-256 of salt and value as hex digits; each distinct value is hashed once."""
    codes = values.cast(pa.binary()).dictionary_encode()
    sha256 = hashlib.sha256
    hashed = [
        None if value is None else sha256(salt + value, usedforsecurity=False).hexdigest()
        for value in codes.dictionary.to_pylist()
    ]
    return pa.array(hashed, pa.string()).take(codes.indices)


def _mask(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    first, last = int(arguments["keep_first"] or 0), int(arguments["keep_last"] or 0)
    character = str(arguments["character"])
    if len(character) != 1:
        raise StepError("bad_argument", "character", "character must be one character.")

    def run(values: pa.Array) -> pa.Array:
        length = pc.utf8_length(values)
        hidden = pc.subtract(length, first + last)
        short = pc.less_equal(hidden, 0)  # nothing is shown of what is shorter than its parts
        repeats = pc.if_else(short, length, hidden)
        parts = [
            pc.if_else(short, "", pc.utf8_slice_codeunits(values, 0, first)),
            pc.binary_repeat(pa.scalar(character), repeats),
            pc.if_else(short, "", pc.utf8_slice_codeunits(values, -last, None) if last else ""),
        ]
        return pc.binary_join_element_wise(*parts, "")

    return String(text_limit(kind)), run


def _mask_email(values: pa.Array) -> pa.Array:
    masked = pc.replace_substring_regex(values, r"(?s)^(.)[^@]*(@.*)$", r"\1***\2")
    return pc.if_else(pc.match_substring_regex(values, r"(?s)^.[^@]*@"), masked, "***")


def _mask_card(values: pa.Array) -> pa.Array:
    parts = pc.extract_regex(values, r"(?s)^(?P<head>.*?)(?P<tail>(?:\d\D*){0,4})$")
    head = pc.replace_substring_regex(pc.struct_field(parts, ["head"]), r"\d", "*")
    return pc.binary_join_element_wise(head, pc.struct_field(parts, ["tail"]), "")


def _redact(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    text = str(arguments["text"])
    return String(max(1, len(text))), lambda v: pc.if_else(
        pc.is_valid(v), text, pa.scalar(None, pa.string())
    )


MASKING_FUNCTIONS: Final = (
    Function(
        name="sha256",
        group="masking",
        description="SHA-256 of salt and value as 64 hex digits; numbers and dates by their text",
        build=_sha256,
        takes=ANY,
        parameters=(
            Parameter(
                name="salt", kind="string", default="",
                description="Put in front of every value; without one, values can be guessed",
            ),
        ),
        one_to_one=True,
    ),
    Function(
        name="mask",
        group="masking",
        description="Hide all but the first and last characters; short values are hidden whole",
        build=_mask,
        parameters=(
            Parameter(
                name="keep_first", kind="integer", default=0, least=0, most=_MOST_KEPT,
                description="Characters shown at the beginning",
            ),
            Parameter(
                name="keep_last", kind="integer", default=0, least=0, most=_MOST_KEPT,
                description="Characters shown at the end",
            ),
            Parameter(name="character", kind="string", default="*", description="Shown instead"),
        ),
    ),
    Function(
        name="mask_email",
        group="masking",
        description="Show an address by its first letter and its domain: a***@example.com",
        build=lambda *_: (String(None), _mask_email),
    ),
    Function(
        name="mask_card",
        group="masking",
        description="Hide all digits but the last four; separators stay",
        build=lambda kind, _: (String(text_limit(kind)), _mask_card),
    ),
    Function(
        name="redact",
        group="masking",
        description="The same text for every value; NULL stays NULL",
        build=_redact,
        takes=ANY,
        parameters=(
            Parameter(name="text", kind="string", default="***", description="Shown instead"),
        ),
    ),
)  # fmt: skip
