"""What a parsed statement needs before fakesnow translates it."""

from collections.abc import Callable
from typing import Final

from fakesnow.transforms import SERVER_VERSION
from sqlglot import Expr, exp

from dtaas.sandbox.snowflake.engine.column_types import MICROSECONDS
from dtaas.sandbox.snowflake.engine.formats import formatted, from_python
from dtaas.sandbox.snowflake.engine.names import Name, complete
from dtaas.sandbox.snowflake.engine.session import Session

_Type = exp.DataType.Type
_INTEGERS: Final = (
    _Type.INT,
    _Type.BIGINT,
    _Type.SMALLINT,
    _Type.TINYINT,
)
_UNSIZED: Final = (
    _Type.BINARY,
    _Type.VARBINARY,
    _Type.TIMESTAMP,
    _Type.TIMESTAMPNTZ,
    _Type.TIMESTAMPLTZ,
    _Type.TIMESTAMPTZ,
)


def prepare(expression: Expr, session: Session) -> Expr:
    """Return a statement with exact types, the session's own values and its temporary tables."""
    if isinstance(expression, exp.Select):
        _name_results(expression)
    prepared = expression.transform(_in_format, copy=False)
    prepared = prepared.transform(_exact_type, copy=False)
    prepared = prepared.transform(lambda node: _own_value(node, session), copy=False)
    if session.temporary:
        for table in list(prepared.find_all(exp.Table)):
            _use_temporary(table, session)
    return prepared


def _name_results(select: exp.Select) -> None:
    """Name what has no name by its own text in capitals, as Snowflake does."""
    named = (exp.Alias, exp.Column, exp.Star, exp.Parameter)
    for value in select.expressions:
        if not isinstance(value, named):
            text = value.sql(dialect="snowflake").upper()
            value.replace(exp.alias_(value.copy(), text, quoted=True))


def wide_integer() -> exp.DataType:
    """Return NUMBER(38,0), so written that fakesnow does not narrow it to 64 bits."""
    parameters: list[Expr] = [exp.DataTypeParam(this=exp.Var(this=text)) for text in ("38", "0")]
    return exp.DataType(this=_Type.DECIMAL, expressions=parameters, nested=False)


def _in_format(node: Expr) -> Expr:
    """Write `TO_VARCHAR(value, format)` out: DuckDB would ignore the format."""
    if not isinstance(node, exp.ToChar | exp.TimeToStr):
        return node
    form = node.args.get("format")
    if not isinstance(form, exp.Literal) or not form.is_string:
        return node
    # Of an operand with a known type sqlglot has turned the format into Python's already.
    text = from_python(form.name) if isinstance(node, exp.TimeToStr) else form.name
    return formatted(node.this, text)


def _exact_type(node: Expr) -> Expr:
    if not isinstance(node, exp.DataType):
        return node
    if node.this in _INTEGERS:
        return wide_integer()
    if node.this == _Type.DECIMAL:
        sizes = [size.name for size in node.expressions]
        if sizes in ([], ["38"], ["38", "0"]):
            return wide_integer()
        if len(sizes) == 1:
            node.append("expressions", exp.DataTypeParam(this=exp.Literal.number(0)))
    elif node.this == _Type.TIME:
        digits = int(node.expressions[0].name) if node.expressions else 9
        return exp.DataType(this=_Type.TIME_NS if digits > MICROSECONDS else _Type.TIME)
    elif node.this in _UNSIZED and node.expressions:
        node.set("expressions", [])
    return node


def table_name(table: exp.Table, session: Session) -> Name:
    """Return the full name of a table in a statement."""
    found = [
        identifier.name if identifier.args.get("quoted") else identifier.name.upper()
        for identifier in (table.args.get("catalog"), table.args.get("db"), table.this)
        if isinstance(identifier, exp.Identifier)
    ]
    return complete(found, session.database, session.schema)


def _use_temporary(table: exp.Table, session: Session) -> None:
    """Point a reference to a temporary table to what it is called in DuckDB."""
    if not isinstance(table.this, exp.Identifier):
        return
    if not (session.database and session.schema) and not table.args.get("catalog"):
        return
    name = table_name(table, session)
    physical = session.temporary.get(name)
    if physical is None:
        return
    reads = isinstance(table.parent, exp.From | exp.Join) or table.arg_key == "using"
    if reads and not table.alias:
        alias = exp.TableAlias(this=exp.to_identifier(name.name, quoted=True))
        table.set("alias", alias)
    for part in ("catalog", "db"):
        table.set(part, None)
    table.set("this", exp.to_identifier(physical, quoted=True))


def _transaction(session: Session) -> str | None:
    return None if session.transaction is None else str(session.transaction)


_VALUES: Final[dict[str, Callable[[Session], str | None]]] = {
    "CURRENT_ACCOUNT": lambda _: "SANDBOX",
    "CURRENT_ACCOUNT_NAME": lambda _: "SANDBOX",
    "CURRENT_DATABASE": lambda session: session.database,
    "CURRENT_REGION": lambda _: "LOOPBACK",
    "CURRENT_ROLE": lambda session: session.role,
    "CURRENT_SCHEMA": lambda session: session.schema,
    "CURRENT_SESSION": lambda session: str(session.id),
    "CURRENT_TRANSACTION": _transaction,
    "CURRENT_USER": lambda session: session.user,
    "CURRENT_VERSION": lambda _: SERVER_VERSION,
    "CURRENT_WAREHOUSE": lambda session: session.warehouse,
    "LAST_QUERY_ID": lambda session: session.last_query_id,
}


def _own_value(node: Expr, session: Session) -> Expr:
    """Replace a function about the session by its value, and `$1` by the column of VALUES."""
    if isinstance(node, exp.Parameter) and node.name.isdigit():
        return exp.column(f"COLUMN{node.name}")
    if isinstance(node, exp.Anonymous):
        name = node.name.upper()
    elif isinstance(node, exp.Func):
        name = node.sql_name()
    else:
        return node
    value = _VALUES.get(name)
    if value is None:
        return node
    text = value(session)
    return exp.Null() if text is None else exp.Literal.string(text)
