"""PUT, GET, LIST, REMOVE and the definitions of stages and file formats."""

import re
from typing import Any
from urllib.parse import unquote, urlparse

import pyarrow as pa

from dtaas.sandbox.snowflake.engine import answer
from dtaas.sandbox.snowflake.engine.answer import Answer, texts
from dtaas.sandbox.snowflake.engine.copy_into import stage_folder
from dtaas.sandbox.snowflake.engine.copy_options import read_format
from dtaas.sandbox.snowflake.engine.errors import missing
from dtaas.sandbox.snowflake.engine.names import Name
from dtaas.sandbox.snowflake.engine.options import read_options, truth, unquoted
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.stage_files import look_at, remove
from dtaas.sandbox.snowflake.engine.stages import files_in, read_reference


def put(session: Session, found: re.Match[str]) -> Answer:
    """PUT 'file://…' @stage options: tells the client where to bring the file."""
    reference = read_reference(found["stage"], session.database, session.schema)
    folder = stage_folder(session, reference)
    options = read_options(found["options"] or "")
    return _transfer(
        {
            "command": "UPLOAD",
            "src_locations": [_local_path(found["file"])],
            "folder": str(folder),
            "path": reference.path,
            "parallel": int(options.get("PARALLEL", 4)),
            "autoCompress": truth(options, "AUTO_COMPRESS", True),
            "overwrite": truth(options, "OVERWRITE"),
            "sourceCompression": options.get("SOURCE_COMPRESSION", "auto_detect").lower(),
        }
    )


def get(session: Session, found: re.Match[str]) -> Answer:
    """GET @stage 'file://…' options: tells the client where to fetch the files."""
    reference = read_reference(found["stage"], session.database, session.schema)
    folder = stage_folder(session, reference)
    options = read_options(found["options"] or "")
    pattern = unquoted(options["PATTERN"]) if "PATTERN" in options else None
    return _transfer(
        {
            "command": "DOWNLOAD",
            "src_locations": files_in(folder, reference.path, pattern),
            "localLocation": _local_path(found["file"]),
            "folder": str(folder),
            "path": "",
            "parallel": int(options.get("PARALLEL", 10)),
        }
    )


def _local_path(text: str) -> str:
    url = urlparse(unquoted(text))
    return unquote(f"{url.netloc}{url.path}") if url.scheme == "file" else unquoted(text)


def _transfer(what: dict[str, Any]) -> Answer:
    return Answer(rows=pa.table({}), types=(), kind=answer.SCL, transfer=what)


def list_files(session: Session, found: re.Match[str]) -> Answer:
    """LIST @stage[/path] [PATTERN = '…']."""
    reference = read_reference(found["stage"], session.database, session.schema)
    folder = stage_folder(session, reference)
    names = files_in(folder, reference.path, _pattern(found))
    files = [look_at(folder / name) for name in names]
    table = pa.table(
        {
            "name": pa.array([f"{reference.label}{name}" for name in names], pa.string()),
            "size": pa.array([file.size for file in files], pa.int64()),
            "md5": pa.array([file.md5 for file in files], pa.string()),
            "last_modified": pa.array([file.modified for file in files], pa.string()),
        }
    )
    return Answer(rows=table, types=("VARCHAR", "BIGINT", "VARCHAR", "VARCHAR"), kind=answer.SHOW)


def remove_files(session: Session, found: re.Match[str]) -> Answer:
    """REMOVE @stage[/path] [PATTERN = '…']."""
    reference = read_reference(found["stage"], session.database, session.schema)
    folder = stage_folder(session, reference)
    names = files_in(folder, reference.path, _pattern(found))
    for name in names:
        remove(folder / name)
    labels = [f"{reference.label}{name}" for name in names]
    return texts(answer.SHOW, {"name": labels, "result": ["removed"] * len(names)})


def _pattern(found: re.Match[str]) -> str | None:
    return unquoted(found["pattern"]) if found["pattern"] else None


def create_stage(session: Session, found: re.Match[str]) -> Answer:
    """CREATE [OR REPLACE] [TEMPORARY] STAGE [IF NOT EXISTS] name options."""
    name = session.name(found["name"])
    _require_schema(session, name)
    session.commit()
    new = session.store.stages.create(
        name, replace=bool(found["replace"]), if_not_exists=bool(found["exists"])
    )
    if found["temporary"] and new:
        session.temporary_stages.add(name)
    said = f"Stage area {name.name} successfully created."
    return answer.done(answer.DDL, said if new else _there(name))


def create_file_format(session: Session, found: re.Match[str]) -> Answer:
    """CREATE [OR REPLACE] FILE FORMAT [IF NOT EXISTS] name options."""
    name = session.name(found["name"])
    _require_schema(session, name)
    session.commit()
    options = read_format(session, found["options"] or "")
    new = session.store.formats.create(
        name, options, replace=bool(found["replace"]), if_not_exists=bool(found["exists"])
    )
    said = f"File format {name.name} successfully created."
    return answer.done(answer.DDL, said if new else _there(name))


def drop_stage(session: Session, found: re.Match[str]) -> Answer:
    """DROP STAGE | FILE FORMAT [IF EXISTS] name."""
    name = session.name(found["name"])
    session.commit()
    is_stage = found["kind"].upper() == "STAGE"
    dropped = (session.store.stages if is_stage else session.store.formats).drop(name)
    if not dropped and not found["exists"]:
        raise missing("Stage" if is_stage else "File format", str(name))
    session.temporary_stages.discard(name)
    return answer.done(answer.DDL, f"{name.name} successfully dropped.")


def show_stages(session: Session, found: re.Match[str]) -> Answer:
    """SHOW STAGES [LIKE '…'] [IN [SCHEMA] name]."""
    where = found["where"]
    anchor = session.name(f"{where}.X") if where else session.name("X")
    names = session.store.stages.named(anchor.database, anchor.schema)
    if found["like"]:
        like = re.escape(unquoted(found["like"])).replace("%", ".*").replace("_", ".")
        names = [name for name in names if re.fullmatch(like, name, re.IGNORECASE)]
    count = len(names)
    return texts(
        answer.SHOW,
        {
            "name": list(names),
            "database_name": [anchor.database] * count,
            "schema_name": [anchor.schema] * count,
            "url": [""] * count,
            "owner": [session.role] * count,
            "type": ["INTERNAL"] * count,
        },
    )


def _require_schema(session: Session, name: Name) -> None:
    if name.schema not in session.store.schemas(name.database):
        raise missing("Schema", f"{name.database}.{name.schema}")


def _there(name: Name) -> str:
    return f"{name.name} already exists, statement succeeded."
