"""COPY INTO a table from staged files."""

import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from dtaas.sandbox.snowflake.engine import answer
from dtaas.sandbox.snowflake.engine.answer import Answer
from dtaas.sandbox.snowflake.engine.copy_file import FileLoad, load_file
from dtaas.sandbox.snowflake.engine.copy_options import CopyOptions, read_copy_options
from dtaas.sandbox.snowflake.engine.errors import StatementError, compilation, missing
from dtaas.sandbox.snowflake.engine.load_history import Load, known, remember
from dtaas.sandbox.snowflake.engine.names import fold
from dtaas.sandbox.snowflake.engine.options import closing, split
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.stage_files import StageFile, look_at, remove
from dtaas.sandbox.snowflake.engine.stages import StageReference, files_in, read_reference
from dtaas.sandbox.snowflake.engine.tables import columns_of, table_exists
from dtaas.sandbox.snowflake.engine.transactions import transaction

_STAGE: Final = re.compile(r"\s*('@(?:[^']|'')*'|@(?:\"(?:[^\"]|\"\")*\"|[^\s,()\"])+)")
_STAGE_IN_SELECT: Final = re.compile(
    r"\bFROM\s+(?P<stage>'@(?:[^']|'')*'|@(?:\"(?:[^\"]|\"\")*\"|[^\s,()\"])+)", re.IGNORECASE
)
_COLUMNS: Final = (
    "file",
    "status",
    "rows_parsed",
    "rows_loaded",
    "error_limit",
    "errors_seen",
    "first_error",
    "first_error_line",
    "first_error_character",
    "first_error_column_name",
)


def copy_into(session: Session, found: re.Match[str]) -> Answer:
    """COPY INTO table [(columns)] FROM stage or (SELECT … FROM stage) options."""
    table = session.name(found["name"])
    if not table_exists(session, table):
        raise missing("Table", str(table))
    names = [fold(name) for name in split((found["columns"] or "").strip("() \n"))]
    select, stage_text, rest = _source(found["rest"])
    options = read_copy_options(session, rest)
    reference = read_reference(stage_text, session.database, session.schema)
    folder = stage_folder(session, reference)
    files = _files(folder, reference, options)
    plan = FileLoad(
        table=table,
        columns=columns_of(session, table),
        wanted=names,
        select=select,
        options=options,
    )
    with transaction(session):
        loads = _load_all(session, plan, reference, files)
    if options.purge:
        for load, file in loads:
            if load.status == "LOADED":
                remove(file.path)
    return _answer([load for load, _file in loads])


def stage_folder(session: Session, reference: StageReference) -> Path:
    """Return the folder of a stage.

    Raises:
        StatementError: 2003, there is no such stage, or no such table for its stage.
    """
    if reference.of_table and reference.name and not table_exists(session, reference.name):
        raise missing("Table", str(reference.name))
    return session.store.stages.directory(reference, session.user)


def _source(text: str) -> tuple[str | None, str, str]:
    """Return the SELECT, if any, the stage and the options."""
    if text.lstrip().startswith("("):
        start = text.index("(") + 1
        end = closing(text, start)
        select = text[start:end]
        stage = _STAGE_IN_SELECT.search(select)
        if stage is None:
            raise compilation("COPY needs a stage to read from")
        marked = f"{select[: stage.start('stage')]}{FileLoad.SOURCE}{select[stage.end('stage') :]}"
        return marked, stage["stage"], text[end + 1 :]
    stage = _STAGE.match(text)
    if stage is None:
        raise compilation(f"COPY needs a stage to read from, not '{text.strip()[:60]}'")
    return None, stage[1], text[stage.end() :]


def _files(folder: Path, reference: StageReference, options: CopyOptions) -> list[StageFile]:
    if options.files is None:
        names = files_in(folder, reference.path, options.pattern)
    else:
        base = (
            reference.path
            if reference.path.endswith("/") or not reference.path
            else (f"{reference.path}/")
        )
        names = [f"{base}{name}" for name in options.files]
        for name in names:
            if not (folder / name).is_file():
                raise StatementError(
                    91016,
                    "22000",
                    f"Remote file '{reference.label}{name}' was not found. There are several "
                    "potential causes.",
                )
    return [look_at(folder / name) for name in names]


def _load_all(
    session: Session, plan: FileLoad, reference: StageReference, files: list[StageFile]
) -> list[tuple[Load, StageFile]]:
    before = {} if plan.options.force else known(session, plan.table)
    folder = stage_folder(session, reference)
    loads: list[tuple[Load, StageFile]] = []
    size = 0
    for file in files:
        name = f"{reference.label}{file.path.relative_to(folder).as_posix()}"
        session.raise_if_cancelled()
        limit = plan.options.size_limit
        if limit is not None and size >= limit > 0:
            break
        if before.get(name) == file.md5:
            loads.append((_skipped(name, file), file))
            continue
        load = load_file(session, plan, name, file)
        remember(session, plan.table, load)
        loads.append((load, file))
        size += file.size
    if plan.options.files is None:
        return [(load, file) for load, file in loads if load.status != "LOAD_SKIPPED"]
    return loads


def _skipped(name: str, file: StageFile) -> Load:
    return Load(
        file=name,
        etag=file.md5,
        status="LOAD_SKIPPED",
        parsed=0,
        loaded=0,
        first_error="File was loaded before.",
    )


def _answer(loads: list[Load]) -> Answer:
    if not loads:
        return answer.done(answer.COPY, "Copy executed with 0 files processed.")
    rows: list[tuple[Any, ...]] = [
        (
            load.file,
            load.status,
            load.parsed,
            load.loaded,
            load.limit,
            load.errors,
            load.first_error,
            None,
            None,
            load.first_column,
        )
        for load in loads
    ]
    types = ("VARCHAR", "VARCHAR", *("BIGINT",) * 4, "VARCHAR", "BIGINT", "BIGINT", "VARCHAR")
    kinds = [pa.int64() if kind == "BIGINT" else pa.string() for kind in types]
    arrays = [pa.array(v, kind) for v, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    table = pa.Table.from_arrays(arrays, names=list(_COLUMNS))
    return Answer(rows=table, types=types, kind=answer.COPY)
