"""Recursive common tables. Source: Microsoft Learn, "WITH common_table_expression"."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block, Bound
from dtaas.sandbox.sqlserver.tsql.names import CommonTable, Names
from dtaas.sandbox.sqlserver.tsql.selects import Column, Selected, bind_select, select_sql
from dtaas.sandbox.sqlserver.tsql.sources import derived_fields
from dtaas.sandbox.sqlserver.tsql.value import INT, Value

BindBody = Callable[[tree.Body, Names], Bound]
NewBlock = Callable[[Names], Block]

_LEVEL = "lvl"


def is_recursive(table: tree.CommonTable) -> bool:
    """Tell whether a common table names itself."""
    return _mentions(table.query, table.name.lower())


def bind_recursive(
    table: tree.CommonTable,
    names: Names,
    max_recursion: int,
    bind_body: BindBody,
    new_block: NewBlock,
) -> tuple[CommonTable, str]:
    """Bind a recursive common table; a hidden column counts levels for MAXRECURSION.

    Raises:
        SqlError: 252 and 253 for shapes SQL Server refuses, 240 when types differ.
    """
    body = table.query.body
    if not isinstance(body, tree.SetOperation) or body.operator != "UNION ALL":
        raise SqlError(
            252,
            f"Recursive common table expression '{table.name}' does not contain a top-level UNION "
            "ALL operator.",
        )
    name = table.name.lower()
    if _mentions(body.left, name) or not isinstance(body.right, tree.Select):
        raise SqlError(
            253,
            f"Recursive member of a common table expression '{table.name}' has multiple recursive "
            "references.",
        )
    alias, inner, step = (names.compilation.alias() for _ in range(3))
    anchor = bind_body(body.left, names)
    fields = tuple(
        replace(field, nullable=True, identity=False)
        for field in derived_fields(anchor, table.columns, table.name)
    )
    common = CommonTable(sql_name=alias, fields=fields)
    within = Names(names.compilation, common={**names.common, name: common})
    selected = bind_select(_allowed(body.right), new_block(within))
    _check_types(table.name, anchor, selected.columns)
    recursive = select_sql(_with_level(selected, common, within, max_recursion), (), "")
    listed = ", ".join(f"c{i}" for i in range(1, len(fields) + 1))
    sql = (
        f"{alias} ({listed}, {_LEVEL}) AS (SELECT {inner}.*, 0 FROM ({anchor.sql}) AS {inner} "
        f"UNION ALL SELECT {step}.* FROM ({recursive}) AS {step})"
    )
    return common, sql


def _with_level(
    selected: Selected, common: CommonTable, names: Names, max_recursion: int
) -> Selected:
    """Add the level as the last column of the recursive member."""
    own = next(relation for relation in names.relations if relation.fields is common.fields)
    level = Value(sql=f"tsql.next_level({own.alias}.{_LEVEL}, {max_recursion})", type=INT)
    return replace(selected, columns=(*selected.columns, Column(None, level)))


def _allowed(select: tree.Select) -> tree.Select:
    """Return the recursive member.

    Raises:
        SqlError: 460, 467 or 1065 for what may not stand in it.
    """
    shown = {
        460: ("DISTINCT operator is not allowed in the recursive part", select.distinct),
        467: ("GROUP BY, HAVING, or aggregate functions are not allowed in the recursive part",
              bool(select.group)),
        1065: ("The TOP or OFFSET operator is not allowed in the recursive part",
               select.top is not None),
    }  # fmt: skip
    for number, (text, is_used) in shown.items():
        if is_used:
            raise SqlError(number, f"{text} of a recursive common table expression.")
    return select


def _check_types(name: str, anchor: Bound, recursive: Sequence[Column]) -> None:
    if len(anchor.columns) != len(recursive):
        raise SqlError(
            205,
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal "
            "number of expressions in their target lists.",
        )
    for (own, left), column in zip(anchor.columns, recursive, strict=True):
        right = column.value
        same = replace(left.type, collation=None) == replace(right.type, collation=None)
        if not same and not right.is_null:
            raise SqlError(
                240,
                f"Types don't match between the anchor and the recursive part in column "
                f'"{own or ""}" of recursive query "{name}".',
            )


def _mentions(node: object, name: str) -> bool:
    if isinstance(node, tree.TableName):
        return len(node.parts) == 1 and node.parts[0].lower() == name
    if isinstance(node, tuple):
        return any(_mentions(item, name) for item in node)
    fields = getattr(node, "__struct_fields__", ())
    return any(_mentions(getattr(node, field), name) for field in fields)
