"""What the commands for files do with a daemon."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from dtaas.admin.client import AdminClient
from dtaas.cli.client_actions import EXIT_FAILED, find_task, print_json
from dtaas.model.errors import FatalError
from dtaas.services.taskfiles.shapes import FileAction, FileChange, FileProblem, ImportResult
from dtaas.services.taskfiles.yaml_text import read_yaml

_PATH: Final = "/api/tasks/import"
_NAME: Final = re.compile(r"\$\{env:(DTAAS_SECRET_[A-Z0-9_]+)\}")
_DONE: Final = {
    FileAction.CREATE: "created",
    FileAction.UPDATE: "changed",
    FileAction.UNCHANGED: "as it was",
}
_BETWEEN: Final = "\n---\n"
_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}


def apply_files(
    client: AdminClient,
    files: Sequence[Path],
    renamed: Sequence[str],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Apply files, or with `dry_run` say what would happen. Ends with 1 when they are refused."""
    texts = [_text(file) for file in files]
    body = _body(texts, renamed)
    tried = _tried(client, body, list(zip(files, texts, strict=True)), as_json=as_json)
    if dry_run:
        if as_json:
            print_json(tried)
        else:
            _show(tried.changes)
            _summarise(tried.changes, "would be ")
        return
    done = client.post(_PATH, body, ImportResult, revision=tried.revision)
    if as_json:
        print_json(done)
    else:
        _summarise(done.changes, "")


def compare_files(
    client: AdminClient, files: Sequence[Path], renamed: Sequence[str], *, as_json: bool
) -> None:
    """Show what files would change; ends with 1 when they would change something."""
    texts = [_text(file) for file in files]
    given = list(zip(files, texts, strict=True))
    tried = _tried(client, _body(texts, renamed), given, as_json=as_json)
    if as_json:
        print_json(tried)
    else:
        _show(tried.changes)
    if any(change.action is not FileAction.UNCHANGED for change in tried.changes):
        raise click.exceptions.Exit(EXIT_FAILED)


def export_tasks(
    client: AdminClient,
    tasks: Sequence[str],
    output: Path | None,
    *,
    with_connectors: bool,
    as_json: bool,
) -> None:
    """Print or write tasks; all tasks and all connectors when none is named."""
    if tasks:
        ids = [str(find_task(client, name).id) for name in tasks]
        text = client.raw(
            "/api/tasks/export", ids=ids, with_connectors=str(with_connectors).lower()
        )
    else:
        both = (client.raw("/api/connectors/export"), client.raw("/api/tasks/export"))
        text = b"---\n".join(part for part in both if part)
    if as_json:
        documents = [document.data for document in read_yaml(text.decode())]
        text = msgspec.json.encode(documents) + b"\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_bytes(text)
    except OSError as exc:
        raise FatalError(f"{output} cannot be written: {exc.strerror}.") from exc


def _body(texts: Sequence[str], renamed: Sequence[str]) -> dict[str, Any]:
    text = _BETWEEN.join(texts)
    names = {name: os.environ[name] for name in _NAME.findall(text) if name in os.environ}
    return {"document": text, "secrets": names, "connector_names": _renamed(renamed)}


def _text(file: Path) -> str:
    try:
        with click.open_file(str(file), encoding="utf-8") as opened:
            return str(opened.read())
    except (OSError, UnicodeDecodeError) as exc:
        raise FatalError(f"{file} cannot be read: {exc}.", hint="Give a file in UTF-8.") from exc


def _renamed(pairs: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        there, equals, here = pair.partition("=")
        if not (there and equals and here):
            raise click.BadParameter(f"{pair!r} is not THERE=HERE", param_hint="--connector")
        found[there] = here
    return found


def _tried(
    client: AdminClient,
    body: Mapping[str, Any],
    given: Sequence[tuple[Path, str]],
    *,
    as_json: bool,
) -> ImportResult:
    """Return what a file would do; ends with 1 when it would be refused."""
    tried = client.post(_PATH, {**body, "dry_run": True}, ImportResult)
    if not tried.problems:
        return tried
    if as_json:
        print_json(tried)
    else:
        for problem in tried.problems:
            _show_problem(problem, _place(problem.line, given))
        click.echo("Nothing was applied.", err=True)
    raise click.exceptions.Exit(EXIT_FAILED)


def _place(line: int, given: Sequence[tuple[Path, str]]) -> str:
    """Return a line of the whole as one of its file."""
    before = 0
    for file, text in given:
        lines = (text + _BETWEEN).count("\n")
        if line <= before + lines:
            return f"{file}:{line - before}"
        before += lines
    return f"line {line}"


def _show_problem(problem: FileProblem, place: str) -> None:
    where = f"{place}, {problem.kind} {problem.name!r}" if problem.name else place
    click.secho(f"{problem.code}: ", fg="red", bold=True, nl=False, err=True)
    click.echo(f"{where}: {problem.detail}", err=True)
    if problem.hint:
        click.echo(f"  {problem.hint}", err=True)


def _show(changes: Sequence[FileChange]) -> None:
    for change in changes:
        for number, line in enumerate(change.diff.splitlines()):
            head = number < 2  # noqa: PLR2004 - the names of the two sides
            click.secho(line, fg=None if head else _COLOURS.get(line[:1]), bold=head or None)
        for secret in change.secrets:
            if change.action is FileAction.UPDATE:
                click.secho(f"{change.name}: {secret} gets another value.", fg="yellow")


def _summarise(changes: Sequence[FileChange], would_be: str) -> None:
    for change in changes:
        later = ", from its next start on" if change.applies == "next_start" else ""
        said = _DONE[change.action]
        would = would_be if change.action is not FileAction.UNCHANGED else ""
        click.echo(f"{change.kind.capitalize()} {change.name!r}: {would}{said}{later}.")
