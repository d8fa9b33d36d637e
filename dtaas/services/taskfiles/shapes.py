"""What goes in and comes out when tasks and connectors are taken from a file."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from dtaas.model.errors import DtaasError, RequestError

_TOLD: Final = 10


class ImportRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file and how to take it.

    Attributes:
        document: YAML or JSON text, documents separated by `---`.
        dry_run: only say what would happen.
        secrets: values of `${env:NAME}` references by NAME; stored encrypted, never shown.
        connector_names: what connectors named in the file are called here.
    """

    document: Annotated[str, Meta(min_length=1)]
    dry_run: bool = False
    secrets: dict[str, str] = field(default_factory=dict)
    connector_names: dict[str, str] = field(default_factory=dict)


class FileProblem(Struct, frozen=True, kw_only=True):
    """Why a file cannot be taken.

    Attributes:
        field: JSON path inside its document, null when it is about the whole.
        line: of the file, from 1.
        kind: `task`, `connector` or empty.
    """

    code: str
    detail: str
    hint: str = ""
    field: str | None = None
    line: int
    kind: str = ""
    name: str = ""


class FileAction(StrEnum):
    """What becomes of something a file names."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


class FileChange(Struct, frozen=True, kw_only=True):
    """What becomes of one connector or task.

    Attributes:
        id: null while it does not exist.
        diff: unified diff of its document, empty when that stays as it is.
        secrets: those that get another value.
        applies: `now`, or `next_start` when the present execution goes on; null before it is done.
    """

    kind: str
    name: str
    action: FileAction
    id: int | None = None
    diff: str = ""
    secrets: tuple[str, ...] = ()
    applies: str | None = None


class ImportResult(Struct, frozen=True, kw_only=True):
    """What a file does, or would do.

    Attributes:
        applied: false after a dry run.
        revision: of everything the file names, as it was before: send it as If-Match.
        problems: only of a dry run; otherwise they are an error.
    """

    applied: bool
    revision: str
    changes: tuple[FileChange, ...]
    problems: tuple[FileProblem, ...] = ()


class ImportRefusedError(RequestError):
    """A file cannot be taken; nothing of it was applied.

    Attributes:
        problems: all of them.
    """

    code = "import_refused"
    status = 422

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        self.problems = tuple(problems)
        told = " ".join(f"Line {one.line}: {one.detail}" for one in self.problems[:_TOLD])
        more = len(self.problems) - _TOLD
        first = self.problems[0]
        super().__init__(
            f"{told} And {more} more." if more > 0 else told,
            hint=first.hint or "Nothing was applied.",
            field=first.field,
        )


def problem_of(error: DtaasError, *, line: int, kind: str = "", name: str = "") -> FileProblem:
    """Return an error as a problem of a file."""
    return FileProblem(
        code=error.code,
        detail=error.detail,
        hint=error.hint,
        field=error.field,
        line=line,
        kind=kind,
        name=name,
    )
