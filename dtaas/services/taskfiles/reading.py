"""A file's text to its parts: which things it names, and where."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from dtaas.services.taskfiles.documents import API_VERSION, CONNECTOR, TASK
from dtaas.services.taskfiles.shapes import FileProblem, problem_of
from dtaas.services.taskfiles.yaml_text import Document, YamlError, read_yaml

MOST_DOCUMENTS: Final = 2000


class Part(Struct, frozen=True, kw_only=True):
    """One thing of a file.

    Attributes:
        data: its fields, without `apiVersion` and `kind`.
    """

    kind: str
    name: str
    data: dict[str, Any]
    document: Document

    def problem(self, code: str, detail: str, *, hint: str = "", field: str = "$") -> FileProblem:
        """Return a mistake in it."""
        return FileProblem(
            code=code,
            detail=detail,
            hint=hint,
            field=field,
            line=self.document.line_of(field),
            kind=self.kind,
            name=self.name,
        )


def read_parts(text: str) -> tuple[Sequence[Part], Sequence[FileProblem]]:
    """Return the parts of a text that can be made out, and what is wrong with the others."""
    try:
        documents = read_yaml(text)
    except YamlError as error:
        return [], [problem_of(error, line=error.line)]
    if not documents or len(documents) > MOST_DOCUMENTS:
        detail = f"The file holds more than {MOST_DOCUMENTS} documents."
        if not documents:
            detail = "The file is empty."
        return [], [FileProblem(code="validation_failed", detail=detail, line=1)]
    parts: list[Part] = []
    problems: list[FileProblem] = []
    seen: set[tuple[str, str]] = set()
    for document in documents:
        found = _part(document)
        if isinstance(found, FileProblem):
            problems.append(found)
        elif (found.kind, found.name) in seen:
            problems.append(
                found.problem(
                    "validation_failed",
                    f"The file holds {found.kind} {found.name!r} twice.",
                    hint="Remove one.",
                    field="$.name",
                )
            )
        else:
            seen.add((found.kind, found.name))
            parts.append(found)
    return parts, problems


def _part(document: Document) -> Part | FileProblem:
    data = document.data
    if not isinstance(data, dict):
        return _wrong(document, "$", "A task or connector is a mapping of names to values.")
    if data.get("apiVersion", API_VERSION) != API_VERSION:
        return _wrong(document, "$.apiVersion", f"apiVersion is not {API_VERSION}.")
    kind = data.get("kind", TASK)
    if kind not in {TASK, CONNECTOR}:
        return _wrong(document, "$.kind", f"kind is {kind!r}, not {TASK} or {CONNECTOR}.")
    name = data.get("name")
    if not isinstance(name, str) or not name:
        return _wrong(document, "$.name", f"The {kind} has no name.")
    fields = {key: value for key, value in data.items() if key not in {"apiVersion", "kind"}}
    return Part(kind=kind, name=name, data=fields, document=document)


def _wrong(document: Document, field: str, detail: str) -> FileProblem:
    return FileProblem(
        code="validation_failed", detail=detail, field=field, line=document.line_of(field)
    )
