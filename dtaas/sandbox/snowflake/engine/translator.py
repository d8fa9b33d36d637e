"""Statements that fakesnow translates and DuckDB runs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import pyarrow as pa
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one
from fakesnow.statement_type import statement_type_id
from sqlglot import Expr, exp

from dtaas.sandbox.snowflake.engine.answer import INSERT, Answer, counts
from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.merge import native_merge
from dtaas.sandbox.snowflake.engine.preparation import prepare, table_name
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.transactions import definition, transaction

Binds = Sequence[Any] | dict[str, Any] | None

_CHANGES: Final = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)
_LOCKING: Final = (exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)
_DEFINITIONS: Final = (exp.Create, exp.Drop, exp.Alter, exp.Comment)
_ELSEWHERE: Final = ("text_lengths", "table_comment")  # fakesnow writes these to another database


class Translator(FakeSnowflakeCursor):
    """fakesnow's cursor over a session of ours."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.fake, session.duck)
        self._session = session

    def run(self, text: str, binds: Binds = None) -> Answer:
        """Run one statement."""
        return self.run_parsed(parse_one(self._inline_variables(text)), binds)

    def run_parsed(self, expression: Expr, binds: Binds = None) -> Answer:
        """Run a parsed statement, in a transaction when it changes something."""
        with self._bounds(expression):
            return self.run_within(expression, binds)

    def run_within(self, expression: Expr, binds: Binds = None) -> Answer:
        """Run a parsed statement in the transaction the caller opened."""
        kind = statement_type_id(expression)
        self.check_db_and_schema(expression)
        if isinstance(expression, exp.Merge):
            return self._merge(expression, binds)
        for statement in self._transform_explode(expression):
            changed = self._transform(statement, None)
            for name in _ELSEWHERE:
                changed.args.pop(name, None)
            self._execute(changed, binds if changed.find(exp.Placeholder) else None)  # type: ignore[arg-type]
        return self._answer(kind)

    def run_many(self, text: str, rows: list[list[Any]]) -> Answer:
        """Run an INSERT for every row of bound values; return how many there were."""
        expression = parse_one(text)
        with self._bounds(expression):
            self._session.duck.executemany(self.translated(expression).sql("duckdb"), rows)
        return counts(INSERT, number_of_rows_inserted=len(rows))

    def define(self, expression: Expr) -> None:
        """Run a definition in the transaction the caller opened."""
        self.check_db_and_schema(expression)
        for statement in self._transform_explode(expression):
            self._session.duck.execute(self.translated(statement).sql(dialect="duckdb"))

    def translated(self, expression: Expr) -> Expr:
        """Return a statement as DuckDB reads it."""
        return self._transform(expression, None)

    def _transform(self, expression: Expr, params: Any) -> Expr:
        return super()._transform(prepare(expression, self._session), params)

    def _bounds(self, expression: Expr) -> AbstractContextManager[None]:
        """Return the transaction a statement runs in, with the lock it needs held."""
        if isinstance(expression, _DEFINITIONS):
            return definition(self._session)
        if not isinstance(expression, _CHANGES):
            return nullcontext()
        if isinstance(expression, _LOCKING):
            target = expression.this
            if isinstance(expression, exp.TruncateTable):
                target = expression.expressions[0]
            if isinstance(target, exp.Table):
                self._session.take_lock(table_name(target, self._session))
        return transaction(self._session)

    def _merge(self, expression: exp.Merge, binds: Binds) -> Answer:
        changed = self._transform(expression, None)
        assert isinstance(changed, exp.Merge)  # noqa: S101 - no transform makes it another one
        try:
            return native_merge(self._session.duck, changed, binds)
        except StatementError:
            self._session.spoil()
            raise

    def _answer(self, kind: int) -> Answer:
        rows: pa.Table = self._arrow_table
        described = self._session.duck.description or []
        types = tuple(str(column[1]) for column in described)
        if [column[0] for column in described] != rows.column_names:
            types = ("VARCHAR",) * rows.num_columns  # RESULT_SCAN: nothing was run
        return Answer(rows=rows, types=types, kind=kind)
