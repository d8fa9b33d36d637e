"""Functions of text."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import ColumnType, Integer, String
from dtaas.transforms.functions.function import Arguments, Function, Parameter, Run, text_limit
from dtaas.transforms.problems import StepError

_MOST_CHARS: Final = 1_000_000
_CHARACTERS: Final = Parameter(
    name="characters", kind="string", default="", description="What is removed; blanks by default"
)
_PATTERN: Final = Parameter(
    name="pattern", kind="string", description="Regular expression (RE2 syntax)"
)


def _kept(run: Run, kind: ColumnType) -> tuple[ColumnType, Run]:
    return String(text_limit(kind)), run


def _trim(strip: str) -> Function:
    def build(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
        characters = str(arguments["characters"])
        if characters:
            return _kept(
                lambda v: pc.call_function(f"utf8_{strip}", [v], pc.TrimOptions(characters)), kind
            )
        return _kept(lambda v: pc.call_function(f"utf8_{strip}_whitespace", [v]), kind)

    where = {"trim": "both ends", "ltrim": "the beginning", "rtrim": "the end"}[strip]
    return Function(
        name=strip,
        group="text",
        description=f"Remove blanks, or other characters, at {where}",
        build=build,
        parameters=(_CHARACTERS,),
    )


def _case(name: str, description: str) -> Function:
    def run(values: pa.Array) -> pa.Array:
        ascii_only = pc.all(pc.string_is_ascii(values)).as_py()
        kind = "ascii" if ascii_only else "utf8"  # thirty times as fast
        return pc.call_function(f"{kind}_{name}", [values])

    return Function(
        name=name, group="text", description=description, build=lambda kind, _: _kept(run, kind)
    )


def _title() -> Function:
    return Function(
        name="title",
        group="text",
        description="Every word with a capital first letter",
        build=lambda kind, _: _kept(pc.utf8_title, kind),
    )


def _substring(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    start, length = int(arguments["start"] or 0) - 1, arguments["length"]
    stop = None if length is None else start + int(length)
    return _kept(lambda v: pc.utf8_slice_codeunits(v, start, stop), kind)


def _left(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    count = int(arguments["count"] or 0)
    return String(count or 1), lambda v: pc.utf8_slice_codeunits(v, 0, count)


def _right(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    count = int(arguments["count"] or 0)
    if count == 0:
        return String(1), lambda v: pc.utf8_slice_codeunits(v, 0, 0)
    return String(count), lambda v: pc.utf8_slice_codeunits(v, -count, None)


def _pad(side: str) -> Function:
    def build(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
        width, fill = int(arguments["width"] or 0), str(arguments["fill"])
        if len(fill) != 1:
            raise StepError("bad_argument", "fill", "fill must be one character.")
        limit = text_limit(kind)
        options = pc.PadOptions(width, fill)
        wider = None if limit is None else max(limit, width)
        return String(wider), lambda v: pc.call_function(f"utf8_{side}", [v], options)

    return Function(
        name=side,
        group="text",
        description=f"Fill up with characters at the {'left' if side == 'lpad' else 'right'}",
        build=build,
        parameters=(
            Parameter(
                name="width", kind="integer", least=0, most=_MOST_CHARS,
                description="Characters the result has at least",
            ),
            Parameter(name="fill", kind="string", default=" ", description="One character"),
        ),
    )  # fmt: skip


def _replace(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    find, other = str(arguments["find"]), str(arguments["replacement"])
    if not find:
        raise StepError("bad_argument", "find", "find must not be empty.")
    limit = text_limit(kind) if len(other) <= len(find) else None
    return String(limit), lambda v: pc.replace_substring(v, find, other)


def _regex_replace(_: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    pattern, other = checked_pattern(arguments["pattern"]), str(arguments["replacement"])
    _try(lambda: pc.replace_substring_regex(pa.array(["x"]), pattern, other), "replacement")
    return String(None), lambda v: pc.replace_substring_regex(v, pattern, other)


def _regex_extract(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    pattern = checked_pattern(arguments["pattern"])
    named = f"(?P<found>{pattern})"
    _try(lambda: pc.extract_regex(pa.array(["x"]), named), "pattern")
    return _kept(lambda v: pc.struct_field(pc.extract_regex(v, named), ["found"]), kind)


def checked_pattern(pattern: object, field: str = "pattern") -> str:
    """Return a regular expression that RE2 takes.

    Raises:
        StepError: it does not.
    """
    text = str(pattern)
    if not text:
        raise StepError("bad_argument", field, "The pattern must not be empty.")
    _try(lambda: pc.match_substring_regex(pa.array(["x"]), text), field)
    return text


def _try(run: object, field: str) -> None:
    try:
        run()  # type: ignore[operator]
    except pa.ArrowInvalid as error:
        raise StepError(
            "bad_argument", field, f"The regular expression is not valid: {error}.",
            "Patterns are in RE2 syntax, which has no look-around and no back-references.",
        ) from None  # fmt: skip


def slug(values: pa.Array) -> pa.Array:
    """Return lower-case ASCII words joined by hyphens."""
    plain = pc.utf8_normalize(values, form="NFKD")
    plain = pc.replace_substring_regex(plain, r"\p{M}+", "")
    plain = pc.replace_substring_regex(pc.utf8_lower(plain), "[^a-z0-9]+", "-")
    return pc.utf8_trim(plain, characters="-")


def _literal(name: str, description: str, before: bool) -> Function:
    def build(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
        text, limit = str(arguments["text"]), text_limit(kind)
        wider = None if limit is None else limit + len(text)
        if before:
            return String(wider), lambda v: pc.binary_join_element_wise(text, v, "")
        return String(wider), lambda v: pc.binary_join_element_wise(v, text, "")

    return Function(
        name=name,
        group="text",
        description=description,
        build=build,
        one_to_one=True,
        parameters=(Parameter(name="text", kind="string", description="The text"),),
    )


def _count(description: str) -> Parameter:
    return Parameter(
        name="count", kind="integer", least=0, most=_MOST_CHARS, description=description
    )


TEXT_FUNCTIONS: Final = (
    _trim("trim"),
    _trim("ltrim"),
    _trim("rtrim"),
    _case("upper", "Capital letters"),
    _case("lower", "Small letters"),
    _title(),
    Function(
        name="reverse",
        group="text",
        description="Characters in the opposite order",
        build=lambda kind, _: _kept(pc.utf8_reverse, kind),
        one_to_one=True,
    ),
    Function(
        name="length",
        group="text",
        description="Number of characters, trailing blanks included",
        build=lambda *_: (Integer(32), pc.utf8_length),
    ),
    Function(
        name="substring",
        group="text",
        description="Part of the text",
        build=_substring,
        parameters=(
            Parameter(
                name="start", kind="integer", least=1, description="First character, from 1"
            ),
            Parameter(
                name="length", kind="integer", default=None, least=0,
                description="Number of characters; to the end by default",
            ),
        ),
    ),
    Function(
        name="left", group="text", description="The first characters", build=_left,
        parameters=(_count("How many"),),
    ),
    Function(
        name="right", group="text", description="The last characters", build=_right,
        parameters=(_count("How many"),),
    ),
    _pad("lpad"),
    _pad("rpad"),
    Function(
        name="replace",
        group="text",
        description="Replace every occurrence of a text",
        build=_replace,
        parameters=(
            Parameter(name="find", kind="string", description="What is replaced"),
            Parameter(name="replacement", kind="string", default="", description="By what"),
        ),
    ),
    Function(
        name="regex_replace",
        group="text",
        description="Replace every match of a regular expression",
        build=_regex_replace,
        parameters=(
            _PATTERN,
            Parameter(
                name="replacement", kind="string", default="",
                description=r"By what; \1 is the first group",
            ),
        ),
    ),
    Function(
        name="regex_extract",
        group="text",
        description="The first match of a regular expression, else NULL",
        build=_regex_extract,
        parameters=(_PATTERN,),
        may_null=True,
    ),
    Function(
        name="slugify",
        group="text",
        description="Lower-case ASCII words joined by hyphens, as in addresses of pages",
        build=lambda *_: (String(None), slug),
    ),
    Function(
        name="collapse_spaces",
        group="text",
        description="One blank instead of any run of white space, none at the ends",
        build=lambda kind, _: _kept(
            lambda v: pc.utf8_trim_whitespace(pc.replace_substring_regex(v, r"\s+", " ")), kind
        ),
    ),
    _literal("prefix", "Put a text in front", before=True),
    _literal("suffix", "Put a text behind", before=False),
)  # fmt: skip
