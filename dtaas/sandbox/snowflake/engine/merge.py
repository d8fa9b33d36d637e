"""MERGE as DuckDB does it, with the counts Snowflake answers and the ambiguity it refuses."""

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from dtaas.sandbox.snowflake.engine.answer import MERGE, Answer, counts
from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.names import quoted

_ACTION: Final = "merge_action"
_LOOKED_AT: Final = 100  # keys that several rows of the target share are rare


def native_merge(
    duck: duckdb.DuckDBPyConnection,
    statement: exp.Merge,
    binds: Sequence[Any] | dict[str, Any] | None,
) -> Answer:
    """Run a translated MERGE and return its counts, a column for each kind of clause it has.

    Raises:
        StatementError: 100090, several rows of the source want to update one row. What the
            statement did stays: the transaction must be rolled back.
    """
    clauses = _clauses(statement)
    for clause in clauses:
        _unqualify(clause)
    kinds = [_kind(clause) for clause in clauses]
    keys = _keys(statement) if "UPDATE" in kinds else []
    returned = ", ".join([_ACTION, *map(quoted, keys)])
    sql = f"{statement.sql(dialect='duckdb')} RETURNING {returned}"
    ran = duck.execute(sql, binds) if binds else duck.execute(sql)
    done: pa.Table = ran.to_arrow_table()
    if keys:
        _refuse_ambiguity(duck, statement, done)
    by_action = done.group_by(_ACTION).aggregate([(_ACTION, "count")]).to_pylist()
    tally = {row[_ACTION]: row[f"{_ACTION}_count"] for row in by_action}
    columns = {
        f"number_of_rows_{name}": tally.get(action, 0)
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


def _keys(statement: exp.Merge) -> list[str]:
    """Return the columns of the target that ON compares."""
    target, condition = statement.this, statement.args.get("on")
    if not isinstance(target, exp.Table) or condition is None:
        return []
    alias = target.alias_or_name
    return sorted({c.name for c in condition.find_all(exp.Column) if c.table == alias})


def _refuse_ambiguity(
    duck: duckdb.DuckDBPyConnection, statement: exp.Merge, done: pa.Table
) -> None:
    """Compare how often each key was updated with how many rows have it: not more, or refuse."""
    keys = done.column_names[1:]
    updated = done.filter(pc.equal(done[_ACTION], "UPDATE"))
    tally = updated.group_by(keys).aggregate([(_ACTION, "count")])
    often = tally.filter(pc.greater(tally[f"{_ACTION}_count"], 1))
    if often.num_rows == 0:
        return
    target = exp.Table(**{k: v for k, v in statement.this.args.items() if k != "alias"})
    same = " AND ".join(f"{quoted(key)} = ?" for key in keys)
    counting = f"SELECT count(*) FROM {target.sql(dialect='duckdb')} WHERE {same}"
    for row in often.slice(0, _LOOKED_AT).to_pylist():
        found = duck.execute(counting, [row[key] for key in keys]).fetchone()
        if found is None or row[f"{_ACTION}_count"] > found[0]:
            raise StatementError(100090, "42P18", "Duplicate row detected during DML action")
