"""The grammar of columns and constraints, as CREATE TABLE and ALTER TABLE share it."""

from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.tsql.call_parser import parse_type
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.expression_parser import parse_expression, parse_value
from dtaas.sandbox.sqlserver.tsql.lexer import Kind, tokenize
from dtaas.sandbox.sqlserver.tsql.tree import Parts, TypeName

_ACTIONS: Final = {"NO": 0, "CASCADE": 1, "SET NULL": 2, "SET DEFAULT": 3}
_CONSTRAINT_WORDS: Final = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "DEFAULT")


def parse_column(cursor: Cursor) -> ddl.Column:
    """Read `name type …` or `name AS expression …`."""
    name = cursor.name()
    if cursor.accept("AS"):
        column = ddl.Column(name=name, computed=expression_text(cursor))
        if cursor.accept("PERSISTED"):
            column = replace(column, persisted=True)
    elif cursor.token.kind is Kind.NAME and cursor.token.word in {"TIMESTAMP", "ROWVERSION"}:
        column = ddl.Column(name=name, type=parse_type(cursor))
    elif not cursor.at_name() and not cursor.at_any("NATIONAL", "DOUBLE"):
        # `timestamp` alone names both the column and its type
        if name.lower() != "timestamp":
            raise cursor.error()
        column = ddl.Column(name=name, type=TypeName(("timestamp",)))
    else:
        column = ddl.Column(name=name, type=parse_type(cursor))
    while True:
        changed = _column_property(cursor, column)
        if changed is None:
            return column
        column = changed


def at_constraint(cursor: Cursor) -> bool:
    """Tell whether a table constraint comes next."""
    return cursor.at_any(*_CONSTRAINT_WORDS)


def parse_constraint(cursor: Cursor, column: str = "") -> ddl.Constraint:
    """Read `[CONSTRAINT name] …`, at a table or, when `column` is given, at a column."""
    name = cursor.name() if cursor.accept("CONSTRAINT") else ""
    if cursor.at_any("PRIMARY", "UNIQUE"):
        return _key(cursor, name, column)
    if cursor.at_any("FOREIGN", "REFERENCES"):
        return _foreign_key(cursor, name, column)
    if cursor.accept("CHECK"):
        cursor.accept("NOT", "FOR", "REPLICATION")
        cursor.expect("(")
        condition = expression_text(cursor)
        cursor.expect(")")
        return ddl.Check(name=name, condition=condition, column=column)
    cursor.expect("DEFAULT")
    expression = value_text(cursor)
    if not column:
        cursor.expect("FOR")
        column = cursor.name()
    return ddl.Default(
        name=name, expression=expression, column=column, with_values=cursor.accept("WITH", "VALUES")
    )


def parse_key_columns(cursor: Cursor) -> tuple[ddl.KeyColumn, ...]:
    """Read `(a [ASC|DESC], b)`."""
    cursor.expect("(")
    columns: list[ddl.KeyColumn] = []
    while not columns or cursor.accept(","):
        name = cursor.name()
        columns.append(ddl.KeyColumn(name, cursor.accept_any("ASC", "DESC") == "DESC"))
    cursor.expect(")")
    return tuple(columns)


def parse_space(cursor: Cursor) -> Parts:
    """Read `[WITH (…)] [ON filegroup | ON scheme(column)] [TEXTIMAGE_ON …]`; () for a filegroup."""
    skip_options(cursor)
    space: Parts = ()
    if cursor.accept("ON"):
        # PRIMARY is a reserved word and, in brackets or quotes, the default filegroup
        name = cursor.take().text
        if cursor.accept("("):
            space = (name, cursor.name())
            cursor.expect(")")
    if cursor.accept("TEXTIMAGE_ON"):
        cursor.take()
    if cursor.accept("FILESTREAM_ON"):
        cursor.take()
    skip_options(cursor)
    return space


def skip_options(cursor: Cursor) -> None:
    """Step over `WITH (…)` and `WITH FILLFACTOR = n`: none of them changes an answer."""
    if cursor.at("WITH", "("):
        cursor.take()
        _skip_parentheses(cursor)
    elif cursor.at("WITH", "FILLFACTOR"):
        for _ in range(4):
            cursor.take()


def expression_text(cursor: Cursor) -> str:
    """Read an expression or condition; return it as written."""
    start = cursor.token.start
    parse_expression(cursor)
    return _text(cursor, start)


def value_text(cursor: Cursor) -> str:
    """Read an expression without conditions, such as a default; return it as written."""
    start = cursor.token.start
    parse_value(cursor)
    return _text(cursor, start)


def _text(cursor: Cursor, start: int) -> str:
    """Return the text from `start` to the next token, without blanks and comments behind it."""
    text = cursor.sql[start : cursor.token.start]
    return text[: tokenize(text)[-2].end]


def _skip_parentheses(cursor: Cursor) -> None:
    cursor.expect("(")
    depth = 1
    while depth:
        token = cursor.take()
        if token.kind is Kind.END:
            raise cursor.error()
        depth += {"(": 1, ")": -1}.get(token.word, 0)


def _column_property(cursor: Cursor, column: ddl.Column) -> ddl.Column | None:
    """Read one property of a column; None when something else comes."""
    flag = _flag(cursor)
    if flag is not None:
        return replace(column, **flag)
    if cursor.accept("COLLATE"):
        return replace(column, collation=cursor.name())
    if cursor.accept("IDENTITY"):
        seed, increment = 1, 1
        if cursor.accept("("):
            seed = _integer(cursor)
            cursor.expect(",")
            increment = _integer(cursor)
            cursor.expect(")")
        cursor.accept("NOT", "FOR", "REPLICATION")
        return replace(column, identity=(seed, increment))
    if cursor.at_any(*_CONSTRAINT_WORDS, "REFERENCES"):
        if cursor.at("CONSTRAINT") and cursor.ahead(2).word in {"NOT", "NULL"}:
            cursor.take()
            cursor.name()
            return column
        constraint = parse_constraint(cursor, column.name)
        return replace(column, constraints=(*column.constraints, constraint))
    return None


def _flag(cursor: Cursor) -> dict[str, bool] | None:
    if cursor.accept("NOT", "NULL"):
        return {"nullable": False}
    if cursor.accept("NULL"):
        return {"nullable": True}
    if cursor.accept("ROWGUIDCOL"):
        return {"rowguidcol": True}
    if cursor.accept("SPARSE"):
        return {"sparse": True}
    return None


def _integer(cursor: Cursor) -> int:
    sign = -1 if cursor.accept("-") else 1
    if cursor.token.kind is not Kind.INTEGER:
        raise cursor.error()
    return sign * int(cursor.take().text)


def _key(cursor: Cursor, name: str, column: str) -> ddl.Key:
    primary = cursor.accept("PRIMARY")
    cursor.expect("KEY" if primary else "UNIQUE")
    kind = cursor.accept_any("CLUSTERED", "NONCLUSTERED")
    columns = parse_key_columns(cursor) if cursor.at("(") else (ddl.KeyColumn(column),)
    space = parse_space(cursor)
    return ddl.Key(
        name=name,
        primary=primary,
        clustered=None if kind is None else kind == "CLUSTERED",
        columns=columns,
        space=space,
    )


def _foreign_key(cursor: Cursor, name: str, column: str) -> ddl.ForeignKey:
    columns: tuple[str, ...] = (column,)
    if cursor.accept("FOREIGN"):
        cursor.expect("KEY")
        if cursor.at("("):
            columns = cursor.names()
    cursor.expect("REFERENCES")
    table = cursor.parts()
    referenced = cursor.names() if cursor.at("(") else ()
    actions = {"DELETE": 0, "UPDATE": 0}
    while cursor.at("ON") and cursor.ahead().word in actions:
        cursor.take()
        event = cursor.take().word
        actions[event] = _action(cursor)
    cursor.accept("NOT", "FOR", "REPLICATION")
    return ddl.ForeignKey(
        name=name,
        columns=columns,
        table=table,
        referenced=referenced,
        delete_action=actions["DELETE"],
        update_action=actions["UPDATE"],
    )


def _action(cursor: Cursor) -> int:
    word = cursor.accept_any("NO", "CASCADE", "SET")
    if word == "NO":
        cursor.expect("ACTION")
    if word == "SET":
        word = f"SET {cursor.accept_any('NULL', 'DEFAULT')}"
    if word not in _ACTIONS:
        raise cursor.error()
    return _ACTIONS[word]
