"""Code pages of char kinds."""

from functools import lru_cache
from typing import Final

from dtaas.sandbox.sqlserver.storage.collations import parse_collation

_CODECS: Final = {
    65001: "utf-8",
    936: "gbk",
    950: "cp950",
    949: "cp949",
    932: "cp932",
    874: "cp874",
}
_DEFAULT: Final = "cp1252"


@lru_cache(maxsize=256)
def codec_of(collation: str) -> str:
    """Return Python's codec for the char kinds of a collation."""
    parsed = parse_collation(collation)
    if parsed is None:
        return _DEFAULT
    return _CODECS.get(parsed.code_page, f"cp{parsed.code_page}")


def encode_text(text: str, collation: str) -> bytes:
    """Return the bytes of a char or varchar value.

    Raises:
        ValueError: a character is not in the code page.
    """
    return text.encode(codec_of(collation))
