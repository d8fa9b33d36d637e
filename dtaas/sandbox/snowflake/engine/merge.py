"""MERGE as DuckDB does it, with the counts Snowflake answers."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb
from sqlglot import exp

from dtaas.sandbox.snowflake.engine.answer import MERGE, Answer, counts


def native_merge(
    duck: duckdb.DuckDBPyConnection,
    statement: exp.Merge,
    binds: Sequence[Any] | dict[str, Any] | None,
) -> Answer:
    """Run a translated MERGE and return its counts, a column for each kind of clause it has."""
    clauses = _clauses(statement)
    for clause in clauses:
        _unqualify(clause)
    sql = f"{statement.sql(dialect='duckdb')} RETURNING merge_action"
    found = duck.execute(sql, binds) if binds else duck.execute(sql)
    done = Counter(action for (action,) in found.fetchall())
    kinds = [_kind(clause) for clause in clauses]
    columns = {
        f"number_of_rows_{name}": done.get(action, 0)
        for action, name in (("INSERT", "inserted"), ("UPDATE", "updated"), ("DELETE", "deleted"))
        if action in kinds
    }
    return counts(MERGE, **columns)


def _clauses(statement: exp.Merge) -> list[exp.When]:
    whens = statement.args["whens"]
    return list(whens.expressions if isinstance(whens, exp.Whens) else whens)


def _kind(clause: exp.When) -> str:
    then = clause.args.get("then")
    if isinstance(then, exp.Insert):
        return "INSERT"
    return "UPDATE" if isinstance(then, exp.Update) else "DELETE"


def _unqualify(clause: exp.When) -> None:
    """Take the target's alias from the columns that are set: DuckDB wants them bare."""
    then = clause.args.get("then")
    if isinstance(then, exp.Update):
        for assignment in then.expressions:
            if isinstance(assignment.this, exp.Column):
                assignment.set("this", exp.column(assignment.this.this.copy()))
    elif isinstance(then, exp.Insert) and then.this is not None:
        for column in list(then.this.find_all(exp.Column)):
            column.replace(exp.column(column.this.copy()))
