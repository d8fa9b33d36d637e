"""The account: its databases in DuckDB files, its stages in folders."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
from fakesnow import info_schema, macros
from fakesnow.transforms import show

from dtaas.sandbox.snowflake.engine.columns_view import COLUMNS_VIEW
from dtaas.sandbox.snowflake.engine.errors import compilation, exists
from dtaas.sandbox.snowflake.engine.file_formats import FileFormats
from dtaas.sandbox.snowflake.engine.load_history_table import extend_history
from dtaas.sandbox.snowflake.engine.locks import TableLocks
from dtaas.sandbox.snowflake.engine.names import quoted
from dtaas.sandbox.snowflake.engine.stages import Stages

_GLOBAL: Final = "_fs_global"  # where fakesnow looks for what spans databases
_MEMORY: Final = "1GB"
_HIDDEN: Final = ("memory", "system", "temp", _GLOBAL)


if TYPE_CHECKING:
    from dtaas.sandbox.snowflake.engine.session import Session


class Store:
    """What outlives sessions, and a restart. One process at a time uses a folder.

    Attributes:
        sessions: the open ones, by their numbers.
        definitions: held while a definition changes; DuckDB would refuse the second one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.databases_folder = folder / "databases"
        self.databases_folder.mkdir(parents=True, exist_ok=True)
        self.stages = Stages(folder / "stages")
        self.formats = FileFormats(folder / "file_formats")
        self.locks = TableLocks()
        self.definitions = threading.RLock()
        self.sessions: dict[int, Session] = {}
        # fakesnow's macros are written with the older arrow lambdas.
        config: dict[str, str | bool | int | float | list[str]] = {
            "lambda_syntax": "ENABLE_SINGLE_ARROW",
            "memory_limit": _MEMORY,
            "temp_directory": str(folder / "spilt"),
        }
        self._duck = duckdb.connect(":memory:", config=config)
        self._duck.execute(f"ATTACH '{folder / 'account.duckdb'}' AS {_GLOBAL}")
        self._duck.execute(info_schema.fs_global_creation_sql())
        self._duck.execute(COLUMNS_VIEW)
        self._duck.execute(show.fs_global_creation_sql())
        self._duck.execute("SET GLOBAL TimeZone = 'UTC'")
        for file in sorted(self.databases_folder.glob("*.db")):
            self._attach(file.stem)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own transactions, time zone and temporary tables."""
        return self._duck.cursor()

    def databases(self) -> list[str]:
        """Return the names of the databases."""
        found = self._rows("SELECT database_name FROM duckdb_databases() WHERE NOT internal")
        return sorted(name for (name,) in found if name not in _HIDDEN)

    def schemas(self, database: str) -> list[str]:
        """Return the names of a database's schemas."""
        found = self._rows(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal",
            [database],
        )
        return sorted(name for (name,) in found if name != "_fs_information_schema")

    def create_database(self, name: str, *, if_not_exists: bool = False) -> bool:
        """Make a database with the schema PUBLIC; return whether it is new.

        Raises:
            StatementError: 2002, it exists; 1003, a name the emulator cannot keep.
        """
        with self.definitions:
            if name in self.databases():
                if if_not_exists:
                    return False
                raise exists(name)
            if not name.replace("_", "").replace("$", "").isalnum() or name != name.upper():
                raise compilation(f"the emulator cannot keep a database named {quoted(name)}")
            self._attach(name)
            with self.connect() as duck:
                duck.execute(f"CREATE SCHEMA {quoted(name)}.PUBLIC")
            return True

    def drop_database(self, name: str) -> None:
        """Remove a database, its stages and file formats."""
        with self.definitions:
            with self.connect() as duck:
                duck.execute(f"DETACH {quoted(name)}")
            for file in self.databases_folder.glob(f"{name}.db*"):
                file.unlink()
            self.stages.drop_all(name)
            self.formats.drop_all(name)

    def close(self) -> None:
        """Write everything to the files."""
        self._duck.close()

    def _attach(self, name: str) -> None:
        with self.connect() as duck:
            duck.execute(f"ATTACH '{self.databases_folder / name}.db' AS {quoted(name)}")
            duck.execute(info_schema.per_db_creation_sql(name))
            duck.execute(macros.creation_sql(name))
            duck.execute(extend_history(name))

    def _rows(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with self.connect() as duck:
            return duck.execute(sql, parameters).fetchall()
