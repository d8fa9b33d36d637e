"""UPDATE and DELETE, with FROM, TOP and OUTPUT."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.forms import to_wire
from dtaas.sandbox.sqlserver.tsql import changes, tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.compiled import Assignment
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.errors import invalid_column
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Names, Relation
from dtaas.sandbox.sqlserver.tsql.output import Written, check_table, returning
from dtaas.sandbox.sqlserver.tsql.queries import bind_with, new_block
from dtaas.sandbox.sqlserver.tsql.sources import bind_source, table_relation
from dtaas.sandbox.sqlserver.tsql.storing import check_writable, default_value, store
from dtaas.sandbox.sqlserver.tsql.tree import JoinKind
from dtaas.sandbox.sqlserver.tsql.value import BIGINT, Value


class Target(Struct, frozen=True, kw_only=True):
    """The table a statement changes, and how it meets the rest of its FROM.

    Attributes:
        rest: SQL of the other tables of FROM.
        conditions: that join them with the target.
        own: FROM as it stands, when the target cannot be taken out of it (outer joins).
    """

    table: TableDef
    database: str
    alias: str
    rest: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    own: str | None = None


def bind_update(update: changes.Update, names: Names) -> Written:
    """Bind an UPDATE; all expressions see the old values.

    Raises:
        SqlError: 207, 264, 271, 272, 8102 and all that binding raises.
    """
    prefix = bind_with(update.with_tables, names, update.max_recursion)
    target = _target(update.table, update.source, names)
    block = new_block(names)
    assigned = _assigned(update, target, block)
    others = _others(names, target)
    returned, columns = returning(
        update.output, target.table, target.database, names, others=others
    )
    variables, assignments = _variables(update, target, names)
    if variables and (returned or target.own is not None or update.top is not None):
        raise SqlError(102, "Incorrect syntax near '='.", severity=15)
    if target.own is None and update.top is None:
        where = _where(target, update.where, block)
        rest = f" FROM {', '.join(target.rest)}" if target.rest else ""
        listed = ", ".join(f"{name} = {sql}" for name, sql in assigned.items())
        head = f"UPDATE {target.table.storage_name} AS {target.alias} SET {listed}"
        return Written(
            sql=f"{prefix}{head}{rest}{where}{returned}{variables}",
            columns=columns,
            command=0xC5,
            assignments=assignments,
        )
    _refuse_others(update.output, returned, others)
    picked = names.compilation.alias()
    values = ", ".join(f"{sql} AS {name}" for name, sql in assigned.items())
    source = _picked(target, update.where, update.top, block, f", {values}")
    listed = ", ".join(f"{name} = {picked}.{name}" for name in assigned)
    sql = (
        f"{prefix}UPDATE {target.table.storage_name} AS u SET {listed} FROM ({source}) AS {picked} "
        f"WHERE u.ctid = {picked}.row{returned}"
    )
    return Written(sql=sql, columns=columns, command=0xC5)


def _assigned(update: changes.Update, target: Target, block: Block) -> dict[str, str]:
    """Return the new values of columns by their names in the storage."""
    assigned: dict[str, str] = {}
    for assignment in update.assignments:
        if assignment.column is None:
            continue
        column = _column(assignment.column[-1], target.table)
        check_writable(column, inserting=False)
        if column.storage_name in assigned:
            raise SqlError(
                264,
                f"The column name '{column.name}' is specified more than once in the SET clause.",
            )
        value = (
            default_value(column, block)
            if isinstance(assignment.value, tree.Default)
            else bind(assignment.value, block)
        )
        assigned[column.storage_name] = store(value, column, target.table, target.database)
    if not assigned:  # only variables are set, yet the rows are locked as if changed
        own = target.table.columns[0].storage_name
        assigned[own] = f"{target.alias}.{own}"
    return assigned


def _variables(
    update: changes.Update, target: Target, names: Names
) -> tuple[str, tuple[Assignment, ...]]:
    """Return what gives `@v = x` its value: of the old row, or the new value of a column."""
    old = Names(names.compilation, common=names.common)
    old.relations = [
        replace(r, alias="old") if r.alias == target.alias else r for r in names.relations
    ]
    block = new_block(old)
    listed: list[str] = []
    assignments: list[Assignment] = []
    for assignment in update.assignments:
        if assignment.variable is None:
            continue
        if assignment.column is not None:
            column = _column(assignment.column[-1], target.table)
            value = Value(sql=f"new.{column.storage_name}", type=column.type)
        else:
            value = bind(assignment.value, block)
        value = convert(value, names.compilation.variable_type(assignment.variable))
        assignments.append(Assignment(variable=assignment.variable, index=len(listed)))
        listed.append(to_wire(value.sql, value.type))
    return (f" RETURNING {', '.join(listed)}" if listed else ""), tuple(assignments)


def bind_delete(delete: changes.Delete, names: Names) -> Written:
    """Bind a DELETE.

    Raises:
        SqlError: all that binding raises.
    """
    prefix = bind_with(delete.with_tables, names, delete.max_recursion)
    target = _target(delete.table, delete.source, names)
    block = new_block(names)
    others = _others(names, target)
    returned, columns = returning(
        delete.output, target.table, target.database, names, inserted=False, others=others
    )
    if target.own is None and delete.top is None:
        where = _where(target, delete.where, block)
        using = f" USING {', '.join(target.rest)}" if target.rest else ""
        head = f"DELETE FROM {target.table.storage_name} AS {target.alias}"
        return Written(sql=f"{prefix}{head}{using}{where}{returned}", columns=columns, command=0xC4)
    _refuse_others(delete.output, returned, others)
    source = _picked(target, delete.where, delete.top, block, "")
    picked = names.compilation.alias()
    sql = (
        f"{prefix}DELETE FROM {target.table.storage_name} AS u USING ({source}) AS {picked} "
        f"WHERE u.ctid = {picked}.row{returned}"
    )
    return Written(sql=sql, columns=columns, command=0xC4)


def _target(parts: tree.Parts, source: tree.Source | None, names: Names) -> Target:
    """Find the target in FROM, or in the catalog when FROM does not name it."""
    leaf = _leaf(parts, source) if source is not None else None
    if source is None or leaf is None:
        table, catalog = names.compilation.table(parts)
        check_table(table)
        alias = names.compilation.alias()
        others = [bind_source(source, new_block(names))] if source is not None else []
        relation = table_relation(table, alias, None, catalog.database, ".".join(parts))
        names.relations.insert(0, relation)
        return Target(table=table, database=catalog.database, alias=alias, rest=tuple(others))
    table, catalog = names.compilation.table(leaf.parts)
    check_table(table)
    flat = _flatten(source)
    if flat is None:
        own = bind_source(source, new_block(names))
        relation = _relation_of(leaf, names)
        return Target(table=table, database=catalog.database, alias=relation.alias, own=own)
    leaves, conditions = flat
    block = new_block(names)
    rest = tuple(sql for item in leaves if (sql := bind_source(item, block)) and item is not leaf)
    bound = tuple(bind_condition(condition, block, bind) for condition in conditions)
    relation = _relation_of(leaf, names)
    return Target(
        table=table, database=catalog.database, alias=relation.alias, rest=rest, conditions=bound
    )


def _leaf(parts: tree.Parts, source: tree.Source) -> tree.TableName | None:
    """Return the element of FROM that the target's name means: an alias first, then a table."""
    wanted = tuple(part.lower() for part in parts)
    leaves = list(_leaves(source))
    for leaf in leaves:
        if len(wanted) == 1 and leaf.alias is not None and leaf.alias.lower() == wanted[0]:
            return leaf
    same = [leaf for leaf in leaves if _same_table(leaf.parts, parts)]
    if len(same) > 1:
        raise SqlError(8154, f"The table '{'.'.join(parts)}' is ambiguous.", severity=15)
    return same[0] if same else None


def _same_table(left: tree.Parts, right: tree.Parts) -> bool:
    def full(parts: tree.Parts) -> tuple[str, str]:
        return ((tree.owner(parts) or "dbo").lower(), parts[-1].lower())

    return full(left) == full(right)


def _leaves(source: tree.Source) -> list[tree.TableName]:
    match source:
        case tree.TableName():
            return [source]
        case tree.Join(_, left, right):
            return _leaves(left) + _leaves(right)
        case _:
            return []


def _flatten(
    source: tree.Source,
) -> tuple[list[tree.Source], list[tree.Expression]] | None:
    """Take inner and cross joins apart; None when there are others."""
    if not isinstance(source, tree.Join):
        return [source], []
    if source.kind not in {JoinKind.INNER, JoinKind.CROSS}:
        return None
    left, right = _flatten(source.left), _flatten(source.right)
    if left is None or right is None:
        return None
    own = [source.condition] if source.condition is not None else []
    return left[0] + right[0], left[1] + right[1] + own


def _relation_of(leaf: tree.TableName, names: Names) -> Relation:
    shown = leaf.alias or ".".join(leaf.parts)
    return next(relation for relation in names.relations if relation.shown == shown)


def _column(name: str, table: TableDef) -> ColumnDef:
    for column in table.columns:
        if column.name.lower() == name.lower():
            return column
    raise invalid_column(name)


def _where(target: Target, where: tree.Expression | None, block: Block) -> str:
    conditions = list(target.conditions)
    if where is not None:
        conditions.append(bind_condition(where, replace(block, clause="WHERE"), bind))
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _picked(
    target: Target, where: tree.Expression | None, top: tree.Top | None, block: Block, values: str
) -> str:
    """Return a query of the rows to change: their places, once each, and new values."""
    source = target.own or ", ".join(
        (f"{target.table.storage_name} AS {target.alias}", *target.rest)
    )
    limit = ""
    if top is not None:
        if top.percent or top.ties:
            raise SqlError(102, "Incorrect syntax near 'PERCENT'.", severity=15)
        limit = f" LIMIT {convert(bind(top.count, block), BIGINT).sql}"
    return (
        f"SELECT DISTINCT ON ({target.alias}.ctid) {target.alias}.ctid AS row{values} "
        f"FROM {source}{_where(target, where, block)} ORDER BY {target.alias}.ctid{limit}"
    )


def _others(names: Names, target: Target) -> Names | None:
    others = Names(names.compilation)
    others.relations = [r for r in names.relations if r.alias != target.alias]
    return others if others.relations else None


def _refuse_others(output: Sequence[tree.SelectItem], returned: str, others: Names | None) -> None:
    """Refuse OUTPUT of other tables where the rows are picked beforehand."""
    if output and others and any(f"{r.alias}." in returned for r in others.relations):
        raise SqlError(4104, "The multi-part identifier of the OUTPUT clause could not be bound.")
