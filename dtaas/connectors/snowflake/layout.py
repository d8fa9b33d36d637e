"""Where things are in Snowflake: tables, the stage, and the tables of our own records.

    <database>.<schema>.<table>                      the target
    <database>.<schema>.<table>__DTAAS_<load>_<try>  a load that is not visible yet
    <database>.<metadata_schema>.STAGE               files on their way
    <database>.<metadata_schema>.OWNERS              which task writes a target
    <database>.<metadata_schema>.LOADS               loads that are visible
    <database>.<metadata_schema>.POSITIONS           windows that are merged; rows are only added

All lie in one database, because a transaction writes one.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from dtaas.connectors.snowflake.names import (
    cased,
    column_names,
    derived,
    path,
    quoted,
    text,
    why_not,
)
from dtaas.connectors.snowflake.types import StoredType, stored_type
from dtaas.model.connectors import SnowflakeConfig, SnowflakeDeletes
from dtaas.model.errors import TargetCollisionError, ValidationFailedError
from dtaas.model.ids import LoadId
from dtaas.model.load import TargetTable, WriteOptions
from dtaas.model.schema import Column, TableRef, TableSchema

DELETED: Final = "_DTAAS_DELETED"
VALID_FROM: Final = "_DTAAS_VALID_FROM"
VALID_TO: Final = "_DTAAS_VALID_TO"
CURRENT: Final = "_DTAAS_CURRENT"
POSITION: Final = "_DTAAS_POSITION"
_LOAD_ID: Final = "[0-9a-f]{32}"
_LOAD_SUFFIX: Final = len("__DTAAS_") + 32 + len("_") + 8
STAGING_PREFIX: Final = "__DTAAS_"
"""Begins the names of our columns in the tables of a batch."""


class Shape(StrEnum):
    """What a target keeps of rows that are deleted: nothing, a mark, or every version of all."""

    PLAIN = "plain"
    SOFT = "soft"
    HISTORY = "history"


OWN_COLUMNS: Final[Mapping[Shape, Mapping[str, str]]] = {
    Shape.PLAIN: {},
    Shape.SOFT: {DELETED: "BOOLEAN"},
    Shape.HISTORY: {
        VALID_FROM: "TIMESTAMP_NTZ(6)",
        VALID_TO: "TIMESTAMP_NTZ(6)",
        CURRENT: "BOOLEAN",
        POSITION: "VARCHAR(20)",
    },
}
"""Columns a target has beside those of its source."""
_RESERVED: Final = frozenset(name for own in OWN_COLUMNS.values() for name in own)


class TargetColumn:
    """One column of a target.

    Attributes:
        source: its name at the source.
        name: its quoted name at the target.
    """

    def __init__(self, column: Column, name: str, *, key: bool) -> None:
        self.column = column
        self.source = column.name
        self.name = quoted(name)
        self.bare = name
        self.stored: StoredType = stored_type(column.type)
        self.key = key

    def definition(self) -> str:
        """Return its definition in the target: only the key is NOT NULL."""
        return f"{self.name} {self.stored.ddl}{' NOT NULL' if self.key else ''}"


class Places:
    """Names of everything one connector's tasks use."""

    def __init__(self, config: SnowflakeConfig, *, task_name: str, database: str) -> None:
        self._config = config
        self._given = {"task": task_name, "database": database}
        meta = (config.database, config.metadata_schema)
        self.meta_schema = path(*meta)
        self.stage = path(*meta, "STAGE")
        self.owners = path(*meta, "OWNERS")
        self.loads = path(*meta, "LOADS")
        self.positions = path(*meta, "POSITIONS")

    def target_of(self, table: TableRef, mapped: tuple[str, ...] | None) -> TargetTable:
        """Return schema and name: the mapping's last two parts, else what the template makes.

        Raises:
            ValidationFailedError: one of them can be no identifier.
        """
        case = self._config.identifiers
        if mapped:
            schema, name = ("PUBLIC", *mapped)[-2:]
        else:
            made = self._config.schema.format(schema=table.schema, table=table.name, **self._given)
            schema, name = cased(made, case), cased(table.name, case)
        for part in (schema, name):
            if reason := why_not(part):
                raise ValidationFailedError(
                    f"Table {table} cannot go to {part[:40]!r} in Snowflake: {reason}.",
                    hint="Give it another target in table_mappings.",
                    field="$.table_mappings",
                )
        return TargetTable(path=(schema, name))

    def schema(self, target: TargetTable) -> str:
        """Return the target's schema, qualified."""
        return path(self._config.database, target.path[0])

    def table(self, target: TargetTable) -> str:
        """Return the target, qualified."""
        return path(self._config.database, *target.path)

    def load(self, target: TargetTable, load_id: LoadId, attempt: str = "") -> str:
        """Return the table of a load that is not visible yet.

        Args:
            attempt: a name of its own for each time the table is made.
        """
        schema, name = target.path
        suffix = f"__DTAAS_{load_id}_{attempt}" if attempt else f"__DTAAS_{load_id}"
        return path(self._config.database, schema, derived(name, suffix))

    def is_load(self, target: TargetTable, name: str, load_id: LoadId | None) -> bool:
        """Return whether a table of the target's schema is one that `load` names.

        Args:
            load_id: of which load, None for any.
        """
        one = _LOAD_ID if load_id is None else re.escape(load_id)
        stem = derived(target.path[1], "." * _LOAD_SUFFIX)[:-_LOAD_SUFFIX]
        return re.fullmatch(rf"{re.escape(stem)}__DTAAS_{one}_[0-9a-f]{{8}}", name) is not None

    def staging(self, target: TargetTable, suffix: str) -> str:
        """Return the temporary table of a batch."""
        schema, name = target.path
        return path(self._config.database, schema, derived(name, f"__DTAAS_{suffix}"))

    def columns(self, schema: TableSchema) -> list[TargetColumn]:
        """Return the target's columns.

        Raises:
            TargetCollisionError: two would have one name, or one has a name of ours.
            UnsupportedTypeError: a name is too long.
        """
        names = column_names(
            [c.name for c in schema.columns], self._config.identifiers, where=str(schema.table)
        )
        for source, name in names.items():
            if name in _RESERVED or name.startswith(STAGING_PREFIX):
                raise TargetCollisionError(
                    f"Column {source!r} of {schema.table} has a name this connector uses itself.",
                    hint="Leave it out with `exclude_columns` in the task's table_mappings.",
                    field="$.table_mappings",
                )
        return [
            TargetColumn(c, names[c.name], key=c.name in schema.key and not c.nullable)
            for c in schema.columns
        ]

    def shape(self, options: WriteOptions) -> Shape:
        """Return what targets keep of deleted rows."""
        if options.history:
            return Shape.HISTORY
        return Shape.SOFT if self.soft else Shape.PLAIN

    @property
    def soft(self) -> bool:
        """Return whether deleted rows stay, marked, where no history is kept."""
        return self._config.deletes is SnowflakeDeletes.SOFT


def names_of(columns: Sequence[TargetColumn]) -> str:
    """Return the columns' names as a list."""
    return ", ".join(column.name for column in columns)


def key_of(target: TargetTable) -> str:
    """Return the literal by which our records speak of a target: no two have the same."""
    return text("/".join(part.replace("\\", "\\\\").replace("/", "\\/") for part in target.path))
