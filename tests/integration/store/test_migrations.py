"""Migrations on both databases: whole or not at all, and never backwards."""

import shutil
import sqlite3
import sys
from contextlib import AbstractAsyncContextManager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Row, delete, insert, inspect, select

from dtaas.connectors.registry import Registry
from dtaas.model.errors import FatalError, PermissionDeniedError, StoreVersionError
from dtaas.store.metric_tables import metric_rollups, system_metrics
from dtaas.store.migrate import MIGRATIONS, revisions
from dtaas.store.rollups import LEVELS_S, add
from dtaas.store.store import Store, open_store
from dtaas.store.tables import metadata
from tests.contract.store_samples import Clock
from tests.contract.stored import connect

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""
GOOD_REVISION, BAD_REVISION = f"{int(HEAD) + 1:04d}", f"{int(HEAD) + 2:04d}"

GOOD = f"""
import sqlalchemy as sa
from alembic import op

revision = "{GOOD_REVISION}"
down_revision = "{HEAD}"


def upgrade():
    op.add_column("connectors", sa.Column("colour", sa.Text(), server_default="blue"))
    op.create_table("extras", sa.Column("id", sa.Integer(), primary_key=True))
"""
BAD = f"""
import sqlalchemy as sa
from alembic import op

revision = "{BAD_REVISION}"
down_revision = "{GOOD_REVISION}"


def upgrade():
    op.add_column("tasks", sa.Column("colour", sa.Text()))
    op.execute("INSERT INTO extras (id) VALUES (1)")
    op.execute("INSERT INTO there_is_no_such_table VALUES (1)")
"""


def migrations(folder: Path, *more: str) -> Path:
    """Copy the real migrations and add some."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for number, text in enumerate(more, int(HEAD) + 1):
        (folder / "versions" / f"{number:04d}.py").write_text(text)
    return folder


def shape(connection: Connection) -> dict[str, list[str]]:
    """Return the columns of every table, and the revision."""
    inspector = inspect(connection)
    found = {
        table: [column["name"] for column in inspector.get_columns(table)]
        for table in inspector.get_table_names()
    }
    revision = MigrationContext.configure(connection).get_current_revision()
    return found | {"revision": [str(revision)]}


async def shape_of(store: Store) -> dict[str, list[str]]:
    return await store.database.read(shape)


async def test_the_migrations_make_the_tables_the_code_means(url: str, tmp_path: Path) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with open_store(url, data_dir=tmp_path, registry=Registry()) as store:
        assert await store.database.read(differences) == []


async def test_a_migrated_store_is_left_alone(url: str, tmp_path: Path) -> None:
    for _ in range(2):
        async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
            before = await shape_of(store)
    assert before["revision"] == [HEAD]
    assert not (tmp_path / "backups").exists()


async def test_an_upgrade_keeps_what_was_stored(url: str, tmp_path: Path, clock: Clock) -> None:
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        source, _ = await connect(store)
    newer = migrations(tmp_path / "newer", GOOD)
    for _ in range(2):
        async with open_store(
            url, data_dir=tmp_path, registry=Registry(memory=True), migrations=newer, now=clock
        ) as store:
            assert await store.connectors.get(source.id) == source
            assert "colour" in (await shape_of(store))["connectors"]
    backups = sorted(p.name for p in tmp_path.glob("backups/*"))
    assert backups == ([] if url else [f"dtaas-{HEAD}-20260301T120000Z.db"])


async def test_samples_from_before_are_summed_up(url: str, tmp_path: Path, clock: Clock) -> None:
    def opened(folder: Path) -> AbstractAsyncContextManager[Store]:
        registry = Registry(memory=True)
        return open_store(url, data_dir=tmp_path, registry=registry, migrations=folder)

    older = migrations(tmp_path / "older")
    for file in (older / "versions").glob("*.py"):
        if file.name >= "0021":
            file.unlink()
    rows = [
        {"metric_name": name, "metric_value": n, "recorded_at": at, "task_id": task}
        for n in range(500)
        for name, task in (("lag", None), ("rows", 1), ("rows", 2))
        for at in [clock.now + timedelta(seconds=n * 97, microseconds=n * 999)]
    ]
    async with opened(older) as store:
        await store.database.write(lambda c: c.execute(insert(system_metrics), rows))

    async def sums(store: Store) -> list[Row[Any]]:
        query = select(metric_rollups).order_by(*metric_rollups.primary_key.columns)
        return list(await store.database.read(lambda c: c.execute(query).all()))

    async with opened(MIGRATIONS) as store:
        filled = await sums(store)
        await store.database.write(lambda c: c.execute(delete(metric_rollups)))
        await store.database.write(lambda c: add(c, rows))
        assert filled == await sums(store)
    assert {row.level_s for row in filled} == set(LEVELS_S)


async def test_the_backup_is_the_database_as_it_was(tmp_path: Path, clock: Clock) -> None:
    async with open_store("", data_dir=tmp_path, registry=Registry(memory=True)) as store:
        source, _ = await connect(store)
        before = await shape_of(store)
    newer = migrations(tmp_path / "newer", GOOD)
    async with open_store(
        "", data_dir=tmp_path, registry=Registry(memory=True), migrations=newer, now=clock
    ) as store:
        assert await shape_of(store) != before
    backup = tmp_path / "backups" / f"dtaas-{HEAD}-20260301T120000Z.db"
    assert backup.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with open_store(
        f"sqlite:///{backup}", data_dir=tmp_path, registry=Registry(memory=True)
    ) as store:
        assert await shape_of(store) == before
        assert await store.connectors.get(source.id) == source


async def test_a_failing_migration_leaves_nothing(url: str, tmp_path: Path) -> None:
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        source, _ = await connect(store)
        before = await shape_of(store)
    with pytest.raises(FatalError, match="there_is_no_such_table"):
        async with open_store(
            url,
            data_dir=tmp_path,
            registry=Registry(memory=True),
            migrations=migrations(tmp_path / "bad", GOOD, BAD),
        ):
            pass
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        assert await shape_of(store) == before
        assert await store.connectors.get(source.id) == source


async def test_a_migration_that_raises_leaves_nothing(url: str, tmp_path: Path) -> None:
    raising = GOOD + '    raise KeyError("half way")\n'
    async with open_store(url, data_dir=tmp_path, registry=Registry()) as store:
        before = await shape_of(store)
    with pytest.raises(FatalError, match="half way"):
        async with open_store(
            url,
            data_dir=tmp_path,
            registry=Registry(),
            migrations=migrations(tmp_path / "bad", raising),
        ):
            pass
    async with open_store(url, data_dir=tmp_path, registry=Registry()) as store:
        assert await shape_of(store) == before


async def test_a_user_without_rights_is_told(postgres_url: str, tmp_path: Path) -> None:
    admin = await asyncpg.connect(postgres_url)
    await admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = urlsplit(postgres_url)
    url = guest._replace(netloc=f"guest:guest@{guest.hostname}:{guest.port}").geturl()
    try:
        with pytest.raises(PermissionDeniedError) as refused:
            async with open_store(url, data_dir=tmp_path, registry=Registry()):
                pass
        assert "GRANT" in refused.value.hint
    finally:
        await admin.execute("DROP ROLE guest")
        await admin.close()


async def test_a_failing_first_start_leaves_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(FatalError):
        async with open_store(
            url,
            data_dir=tmp_path,
            registry=Registry(),
            migrations=migrations(tmp_path / "bad", GOOD, BAD),
        ):
            pass
    async with open_store(url, data_dir=tmp_path, registry=Registry()) as store:
        assert "extras" not in await shape_of(store)


async def test_a_newer_database_is_refused_and_not_touched(url: str, tmp_path: Path) -> None:
    newer = migrations(tmp_path / "newer", GOOD)
    async with open_store(url, data_dir=tmp_path, registry=Registry(), migrations=newer) as store:
        before = await shape_of(store)
    with pytest.raises(StoreVersionError, match=GOOD_REVISION):
        async with open_store(url, data_dir=tmp_path, registry=Registry()):
            pass
    async with open_store(url, data_dir=tmp_path, registry=Registry(), migrations=newer) as store:
        assert await shape_of(store) == before


async def test_no_upgrade_without_its_backup(tmp_path: Path) -> None:
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        before = await shape_of(store)
    (tmp_path / "backups").touch()  # no folder can be there
    with pytest.raises(FatalError, match="backup"):
        async with open_store(
            "",
            data_dir=tmp_path,
            registry=Registry(),
            migrations=migrations(tmp_path / "newer", GOOD),
        ):
            pass
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        assert await shape_of(store) == before


def test_the_names_of_the_files_are_the_revisions_in_order() -> None:
    scripts = [s.revision for s in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert list(revisions(MIGRATIONS)) == scripts[::-1]


async def test_a_start_with_nothing_to_migrate_leaves_alembic_out(tmp_path: Path) -> None:
    program = (
        "import sys, anyio\n"
        "from pathlib import Path\n"
        "from dtaas.connectors.registry import Registry\n"
        "from dtaas.store.store import open_store\n"
        "async def main():\n"
        "    async with open_store('', data_dir=Path(sys.argv[1]), registry=Registry()):\n"
        "        print('alembic' in sys.modules)\n"
        "anyio.run(main)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    found = [(await anyio.run_process(command)).stdout.split()[-1] for _ in range(2)]
    assert found == [b"True", b"False"]
