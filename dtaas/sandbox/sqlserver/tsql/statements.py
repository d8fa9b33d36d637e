"""T-SQL batch text to a `Program`. The whole batch is parsed before anything runs.

Source: Microsoft Learn, "Control-of-flow language (Transact-SQL)".
"""

from collections.abc import Callable
from itertools import count
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import program
from dtaas.sandbox.sqlserver.tsql.batch_cursor import BatchCursor
from dtaas.sandbox.sqlserver.tsql.boundaries import VERBS, is_module, main_verb, statement_end
from dtaas.sandbox.sqlserver.tsql.builder import ProgramBuilder
from dtaas.sandbox.sqlserver.tsql.execute_parser import parse_call, parse_execute
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.parse import parse_statement
from dtaas.sandbox.sqlserver.tsql.program import Program
from dtaas.sandbox.sqlserver.tsql.set_options import parse_options
from dtaas.sandbox.sqlserver.tsql.simple_statements import SIMPLE_STATEMENTS

_DEFINITIONS: Final = frozenset(
    {"CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "DENY", "REVOKE", "DBCC", "CHECKPOINT"}
)
_COMPOUND: Final = frozenset({"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="})
_MAX_NESTING: Final = 64
_TABLE_NUMBERS: Final = count(1)
"""A batch called by another may have a table variable of the same name."""


def parse_batch(
    sql: str, declared: frozenset[str] = frozenset(), *, in_procedure: bool = False
) -> Program:
    """Return the program of a batch.

    Args:
        declared: parameters the batch may use, in lower case with their `@`.
        in_procedure: it is the body of a procedure: RETURN may give a value.

    Raises:
        SqlError: 102, 156, 105, 113 syntax; 137 undeclared and 134 twice declared variables;
            135, 136 BREAK and CONTINUE without WHILE; 111 a module that is not first; 178 RETURN
            with a value.
    """
    return _BatchParser(BatchCursor(sql, declared, in_procedure=in_procedure)).parse()


class _BatchParser:
    """Recursive descent over control flow; statements in between are cut out as text."""

    def __init__(self, cursor: BatchCursor) -> None:
        self._cursor = cursor
        self._build = ProgramBuilder()
        self._nesting = 0
        self._compound: dict[str, Callable[[], None]] = {
            "BEGIN": self._begin,
            "BREAK": self._break,
            "CONTINUE": self._continue,
            "DECLARE": self._declare,
            "GOTO": self._goto,
            "IF": self._if,
            "SET": self._set,
            "WHILE": self._while,
        }

    def parse(self) -> Program:
        cursor = self._cursor
        first = True
        while not cursor.at_end():
            if cursor.accept(";"):
                continue
            if is_module(cursor.tokens, cursor.at) and not first:
                raise self._module_not_first()
            if first and self._at_bare_call():
                line = cursor.line
                self._build.run(parse_call(cursor), line)
            else:
                self._statement()
            first = False
        return self._build.finish()

    def _statement(self) -> None:
        """Read one statement with its optional semicolon."""
        cursor = self._cursor
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise SqlError(
                191,
                "Some part of your SQL statement is nested too deeply. Rewrite the query or break "
                "it up into smaller queries.",
                severity=15,
                line=cursor.line,
            )
        word = cursor.word
        if word in self._compound:
            self._compound[word]()
        elif word in SIMPLE_STATEMENTS:
            line = cursor.line
            self._build.run(SIMPLE_STATEMENTS[word](cursor), line)
        elif word in VERBS or word in {"WITH", "("}:
            self._query()
        elif word in _DEFINITIONS:
            self._define()
        elif cursor.at_name() and cursor.peek().word == ":":
            self._label()
        else:
            raise cursor.error()
        cursor.accept(";")
        self._nesting -= 1

    # --- statements handed on

    def _at_bare_call(self) -> bool:
        cursor = self._cursor
        bare = cursor.at_name() and cursor.peek().word != ":"
        return bare and cursor.word not in SIMPLE_STATEMENTS

    def _query(self) -> None:
        cursor = self._cursor
        if cursor.at_words("UPDATE", "STATISTICS"):
            self._define()
            return
        line, start = cursor.line, cursor.at
        end = statement_end(cursor.tokens, start)
        words = [t.word for t in cursor.tokens[start:end]]
        verb = main_verb(cursor.tokens, start, end)
        execute = next((i for i, w in enumerate(words) if w in {"EXEC", "EXECUTE"}), None)
        if verb == "INSERT" and execute is not None:
            head = cursor.text(start, start + execute)
            cursor.at = start + execute
            self._build.run(program.InsertExecute(head, parse_execute(cursor)), line)
            return
        cursor.check(start, end)
        if verb == "MERGE" and cursor.tokens[end].word == ";":
            end += 1
        text = cursor.text(start, end)
        tree = cursor.checked(lambda: parse_statement(text))
        cursor.at = end
        self._build.run(program.Sql(text, verb, tree), line)

    def _define(self) -> None:
        cursor = self._cursor
        line, start = cursor.line, cursor.at
        end = statement_end(cursor.tokens, start)
        cursor.at = end
        if end == start + 1 and cursor.tokens[start].word != "CHECKPOINT":
            raise cursor.error()
        self._build.run(program.Define(cursor.text(start, end), cursor.tokens[start].word), line)

    def _module_not_first(self) -> SqlError:
        cursor = self._cursor
        tokens = cursor.tokens[cursor.at : cursor.at + 4]
        kind = tokens[3 if tokens[1].word == "OR" else 1].word.replace("PROC ", "PROCEDURE ")
        return SqlError(
            111,
            f"'{tokens[0].word} {kind}' must be the first statement in a query batch.",
            severity=15,
            line=cursor.line,
        )

    # --- control flow

    def _if(self) -> None:
        cursor, build = self._cursor, self._build
        line = cursor.line
        cursor.take()
        otherwise = build.branch(cursor.condition(), line)
        self._statement()
        if not cursor.accept("ELSE"):
            build.land(otherwise)
            return
        end = build.jump(line)
        build.land(otherwise)
        self._statement()
        build.land(end)

    def _while(self) -> None:
        cursor, build = self._cursor, self._build
        line = cursor.line
        cursor.take()
        start = build.here
        done = build.branch(cursor.condition(), line)
        build.enter_loop(start)
        self._statement()
        build.repeat(line)
        build.land(done)
        build.leave_loop()

    def _break(self) -> None:
        self._build.leave(self._in_loop(135, "BREAK"))

    def _continue(self) -> None:
        self._build.repeat(self._in_loop(136, "CONTINUE"))

    def _in_loop(self, number: int, word: str) -> int:
        line = self._cursor.line
        self._cursor.take()
        if not self._build.in_loop:
            text = f"Cannot use a {word} statement outside the scope of a WHILE statement."
            raise SqlError(number, text, severity=15, line=line)
        return line

    def _goto(self) -> None:
        line = self._cursor.line
        self._cursor.take()
        self._build.goto(self._cursor.name().upper(), line)

    def _label(self) -> None:
        line = self._cursor.line
        self._build.label(self._cursor.name().upper(), line)
        self._cursor.take()

    def _begin(self) -> None:
        cursor = self._cursor
        line = cursor.line
        cursor.take()
        if cursor.accept("TRY"):
            self._try(line)
        elif cursor.accept("TRAN", "TRANSACTION"):
            name = cursor.transaction_name()
            self._build.run(program.BeginTransaction(name), line)
        elif cursor.word in {"CATCH", "DISTRIBUTED", "ATOMIC"}:
            raise cursor.error()
        else:
            self._block("END")

    def _block(self, *closing: str) -> None:
        """Read statements up to the closing words; BEGIN … END wants one at least."""
        cursor = self._cursor
        start = cursor.at
        while not cursor.at_words(*closing):
            if cursor.at_end() or cursor.word == "END":
                raise cursor.error()
            if not cursor.accept(";"):
                self._statement()
        if closing == ("END",) and cursor.at == start:
            raise cursor.error()
        cursor.expect(*closing)

    def _try(self, line: int) -> None:
        cursor, build = self._cursor, self._build
        start = build.here
        self._block("END", "TRY")
        cursor.accept(";")
        cursor.expect("BEGIN", "CATCH")
        end = build.here
        after = build.jump(line)
        handler = build.here
        cursor.catches += 1
        self._block("END", "CATCH")
        cursor.catches -= 1
        build.guard(start, end, handler)
        build.land(after)

    # --- variables and options

    def _declare(self) -> None:
        cursor = self._cursor
        cursor.take()
        self._declare_one()
        while cursor.accept(","):
            self._declare_one()

    def _declare_one(self) -> None:
        cursor = self._cursor
        line = cursor.line
        if cursor.token.kind is not Kind.VARIABLE:
            raise cursor.error()
        written = cursor.take().text
        name = written.lower()
        if name in cursor.declared:
            raise SqlError(
                134,
                f"The variable name '{written}' has already been declared. Variable names must be "
                "unique within a query batch or stored procedure.",
                severity=15,
                line=line,
            )
        cursor.accept("AS")
        if cursor.accept("TABLE"):
            start = cursor.at
            if cursor.word != "(":
                raise cursor.error()
            cursor.skip_parentheses()
            definition = cursor.text(start, cursor.at)
            cursor.tables[name] = table = f"[#{name}:{next(_TABLE_NUMBERS)}]"
            self._build.run(program.DeclareTable(table, definition), line)
        elif cursor.word == "CURSOR":  # cursors are refused
            raise cursor.error()
        else:
            self._build.declare(name, cursor.type_text())
            if cursor.accept("="):
                self._build.run(program.SetVariable(name, cursor.expression()), line)
        cursor.declared.add(name)

    def _set(self) -> None:
        cursor = self._cursor
        line = cursor.line
        cursor.take()
        if cursor.token.kind is not Kind.VARIABLE:
            for option in parse_options(cursor):
                self._build.run(option, line)
            return
        cursor.check(cursor.at, cursor.at + 1)
        name = cursor.take().text.lower()
        operator = cursor.word
        if operator != "=" and operator not in _COMPOUND:
            raise cursor.error()
        cursor.take()
        expression = cursor.expression()
        if operator != "=":
            expression = f"{name} {operator[0]} ({expression})"
        self._build.run(program.SetVariable(name, expression), line)
