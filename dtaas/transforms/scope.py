"""The columns a step finds, as known before a row is read."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from dtaas.model.schema import Column, TableSchema
from dtaas.model.type_text import type_text
from dtaas.model.types import ColumnType
from dtaas.transforms.problems import FollowUpError, StepError


class Known(Struct, frozen=True, kw_only=True):
    """A column between two steps.

    Attributes:
        sources: columns of the source its values come from.
        one_to_one: whether different values of the one source stay different.
        untouched: whether they are those of the source.
    """

    name: str
    type: ColumnType
    nullable: bool
    sources: frozenset[str] = frozenset()
    one_to_one: bool = False
    untouched: bool = False
    native_type: str = ""


class Scope:
    """Columns in order. Steps look them up, add, replace, rename and drop them.

    Attributes:
        read: source columns that a condition or value depends on.
        conditions: source columns that decide whether a row arrives.
    """

    def __init__(self, schema: TableSchema) -> None:
        self._columns = {
            c.name: Known(
                name=c.name,
                type=c.type,
                nullable=c.nullable,
                sources=frozenset((c.name,)),
                one_to_one=True,
                untouched=True,
                native_type=c.native_type,
            )
            for c in schema.columns
        }
        self.table = schema.table
        self._origins = {c.name: c for c in schema.columns}
        self._unnamed = {c.name for c in schema.columns}
        self.key = list(schema.key)
        self.conditions: set[str] = set()
        self._broken: set[str] = set()

    @property
    def names(self) -> list[str]:
        """Return the names in order."""
        return list(self._columns)

    def find(self, name: str, field: str = "column") -> Known:
        """Return a column.

        Raises:
            StepError: there is none; the hint names what it could have been.
            FollowUpError: an earlier mistake left it undefined.
        """
        if name in self._broken:
            raise FollowUpError
        found = self._columns.get(name)
        if found is None:
            raise StepError(
                "unknown_column", field, f"Table {self.table} has no column {name!r} at this step.",
                self._like(name),
            )  # fmt: skip
        return found

    def _like(self, name: str) -> str:
        same = [n for n in self._columns if n.casefold() == name.casefold()]
        if same:
            return f"Upper and lower case differ: write {same[0]}."
        return f"Columns here: {', '.join(self._columns)}."

    def add(self, column: Known, field: str = "column") -> None:
        """Add a column at the end.

        Raises:
            StepError: the name is taken.
        """
        self._require_free(column.name, field)
        self._columns[column.name] = column

    def replace(self, column: Known) -> None:
        """Put another form of a column in its place."""
        self._columns[column.name] = column

    def rename(self, old: str, new: str, field: str = "to") -> None:
        """Give a column another name; the key follows."""
        self._require_free(new, field, but=old)
        self._renamed({old: new})
        self._unnamed.discard(new)

    def rename_all(self, names: Mapping[str, str]) -> None:
        """Give columns other names at once: names must be free when all of it is done.

        Raises:
            StepError: two columns would have one name; names both.
        """
        taken: dict[str, str] = {}
        for old in self._columns:
            new = names.get(old, old)
            other = taken.setdefault(new.casefold(), old)
            if other != old:
                raise StepError(
                    "duplicate_column", "",
                    f"Columns {other!r} and {old!r} of {self.table} would both be called "
                    f"{new!r}.",
                    "Rename one of them with rename_column, leave one out, or change the template.",
                )  # fmt: skip
        self._renamed(names)

    def _renamed(self, names: Mapping[str, str]) -> None:
        self._columns = {
            names.get(name, name): replace(c, name=names.get(name, name))
            for name, c in self._columns.items()
        }
        self.key = [names.get(name, name) for name in self.key]
        self._origins = {names.get(name, name): c for name, c in self._origins.items()}
        self._unnamed = {names.get(name, name) for name in self._unnamed}

    def drop(self, name: str) -> None:
        """Leave a column out."""
        del self._columns[name]
        self._origins.pop(name, None)
        self._unnamed.discard(name)

    def origin(self, name: str) -> Column | None:
        """Return the source's column that one still is in type; None for others."""
        found = self._origins.get(name)
        return found if found is not None and self._columns[name].type == found.type else None

    def settle_type(self, name: str) -> None:
        """Note that a column's type is decided on: it counts as the source's no more."""
        self._origins.pop(name, None)

    def is_named(self, name: str) -> bool:
        """Return whether a step gave a column its name."""
        return name not in self._unnamed

    def break_off(self, names: Sequence[str]) -> None:
        """Note columns that a step should have made and did not."""
        self._broken.update(names)

    def is_key(self, name: str) -> bool:
        """Return whether a column is part of the key."""
        return name in self.key

    def known(self) -> tuple[Known, ...]:
        """Return all columns in order."""
        return tuple(self._columns.values())

    def schema(self) -> TableSchema:
        """Return what the table looks like here."""
        key = tuple(self.key) if all(k in self._columns for k in self.key) else ()
        columns = (
            Column(name=c.name, type=c.type, nullable=c.nullable, native_type=c.native_type)
            for c in self._columns.values()
        )
        return TableSchema(table=self.table, columns=tuple(columns), key=key)

    def _require_free(self, name: str, field: str, but: str = "") -> None:
        taken = [n for n in self._columns if n != but and n.casefold() == name.casefold()]
        if taken:
            raise StepError(
                "duplicate_column", field, f"There is already a column {taken[0]!r}.",
                "Choose another name, or drop or rename that column first.",
            )  # fmt: skip


def words(kind: ColumnType) -> str:
    """Return a type for a sentence."""
    return type_text(kind)
