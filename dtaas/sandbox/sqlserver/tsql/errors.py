"""SQL Server's compile-time errors, and the convention that carries run-time ones.

The PostgreSQL functions of schema `tsql` raise with SQLSTATE `TS001` and a message
`TSQL|number|severity|state|text`. PostgreSQL's own errors that mean the same as one of SQL
Server's are told apart by SQLSTATE. `from_postgres` reads both.
"""

from collections.abc import Mapping
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError

SQLSTATE: Final = "TS001"
"""SQLSTATE of every error the functions of schema `tsql` raise."""

_PREFIX: Final = "TSQL"
_PARTS: Final = 4

_OUT_OF_RANGE: Final[Mapping[str, str]] = {
    "smallint out of range": "smallint",
    "integer out of range": "int",
    "bigint out of range": "bigint",
    "numeric field overflow": "numeric",
    "value overflows numeric format": "numeric",
}
"""Texts of SQLSTATE 22003: PostgreSQL tells the type in no other way."""


def from_postgres(sqlstate: str, message: str) -> SqlError | None:
    """Return the error SQL Server would give for a failed statement, None for an unknown one."""
    if sqlstate == SQLSTATE:
        _, number, severity, state, text = message.split("|", _PARTS)
        return SqlError(int(number), text, severity=int(severity), state=int(state))
    match sqlstate:
        case "22012":
            return SqlError(8134, "Divide by zero error encountered.")
        case "22003":
            return overflow("expression", _OUT_OF_RANGE.get(message, "float"))
        case "21000":
            return SqlError(
                512,
                "Subquery returned more than 1 value. This is not permitted when the subquery "
                "follows =, !=, <, <= , >, >= or when the subquery is used as an expression.",
            )
        case "2201W" | "2201X":
            return SqlError(1014, "A TOP or FETCH clause contains an invalid value.", severity=15)
        case "2201F":
            return SqlError(3623, "An invalid floating point operation occurred.")
        case "2201E":
            return SqlError(3623, "An invalid floating point operation occurred.")
        case _:
            return None


def overflow(source: str, target: str) -> SqlError:
    """Return error 8115."""
    return SqlError(
        8115, f"Arithmetic overflow error converting {source} to data type {target}.", state=2
    )


def syntax(text: str, *, line: int = 1) -> SqlError:
    """Return error 102 for a token that cannot stand where it stands."""
    return SqlError(102, f"Incorrect syntax near '{text}'.", severity=15, line=line)


def keyword_syntax(text: str, *, line: int = 1) -> SqlError:
    """Return error 156, the twin of 102 for reserved words."""
    return SqlError(156, f"Incorrect syntax near the keyword '{text}'.", severity=15, line=line)


def unclosed_quote(text: str, *, line: int = 1) -> SqlError:
    """Return error 105 for a string that does not end."""
    return SqlError(
        105,
        f"Unclosed quotation mark after the character string '{text}'.",
        severity=15,
        line=line,
    )


def unclosed_comment(*, line: int = 1) -> SqlError:
    """Return error 113 for a comment that does not end."""
    return SqlError(113, "Missing end comment mark '*/'.", severity=15, line=line)


def undeclared(variable: str, *, line: int = 1) -> SqlError:
    """Return error 137."""
    return SqlError(
        137,
        f'Must declare the scalar variable "{variable}".',
        severity=15,
        state=2,
        line=line,
    )


def invalid_column(name: str) -> SqlError:
    """Return error 207."""
    return SqlError(207, f"Invalid column name '{name}'.")


def invalid_object(name: str) -> SqlError:
    """Return error 208."""
    return SqlError(208, f"Invalid object name '{name}'.")


def column_count(name: str, *, more: bool) -> SqlError:
    """Return error 8158 or 8159: a table has more or fewer columns than its column list."""
    return SqlError(
        8158 if more else 8159,
        f"'{name}' has {'more' if more else 'fewer'} columns than were specified in the column "
        "list.",
    )


def ambiguous_column(name: str) -> SqlError:
    """Return error 209."""
    return SqlError(209, f"Ambiguous column name '{name}'.")


def unbound_identifier(name: str) -> SqlError:
    """Return error 4104: a qualified name whose qualifier names no table of the query."""
    return SqlError(4104, f'The multi-part identifier "{name}" could not be bound.')


def unknown_function(name: str) -> SqlError:
    """Return error 195."""
    return SqlError(
        195, f"'{name}' is not a recognized built-in function name.", severity=15, state=10
    )


def argument_count(name: str, count: str) -> SqlError:
    """Return error 174: a function called with another number of arguments."""
    return SqlError(174, f"The {name} function requires {count} argument(s).", severity=15)


def type_clash(left: str, right: str) -> SqlError:
    """Return error 206."""
    return SqlError(206, f"Operand type clash: {left} is incompatible with {right}")


def incompatible_types(left: str, right: str, operator: str) -> SqlError:
    """Return error 402."""
    return SqlError(
        402, f"The data types {left} and {right} are incompatible in the {operator} operator."
    )


def invalid_operand(type_name: str, operator: str) -> SqlError:
    """Return error 8117."""
    return SqlError(8117, f"Operand data type {type_name} is invalid for {operator} operator.")


def invalid_argument_type(type_name: str, position: int, function: str) -> SqlError:
    """Return error 8116."""
    return SqlError(
        8116,
        f"Argument data type {type_name} is invalid for argument {position} of {function} "
        "function.",
    )


def explicit_conversion(source: str, target: str) -> SqlError:
    """Return error 529: no conversion between the types exists."""
    return SqlError(
        529,
        f"Explicit conversion from data type {source} to {target} is not allowed.",
        state=2,
    )


def implicit_conversion(source: str, target: str) -> SqlError:
    """Return error 257: the conversion has to be written."""
    return SqlError(
        257,
        f"Implicit conversion from data type {source} to {target} is not allowed. "
        "Use the CONVERT function to run this query.",
        state=3,
    )


def collation_conflict(left: str, right: str, operation: str) -> SqlError:
    """Return error 468."""
    return SqlError(
        468,
        f'Cannot resolve the collation conflict between "{left}" and "{right}" '
        f"in the {operation} operation.",
        state=9,
    )


def not_grouped(column: str, clause: str) -> SqlError:
    """Return error 8120, 8121 or 8127 by clause: 'select list', 'HAVING' or 'ORDER BY'."""
    if clause == "HAVING":
        return SqlError(
            8121,
            f"Column '{column}' is invalid in the HAVING clause because it is not contained in "
            "either an aggregate function or the GROUP BY clause.",
        )
    if clause == "ORDER BY":
        return SqlError(
            8127,
            f'Column "{column}" is invalid in the ORDER BY clause because it is not contained in '
            "either an aggregate function or the GROUP BY clause.",
        )
    return SqlError(
        8120,
        f"Column '{column}' is invalid in the select list because it is not contained in either "
        "an aggregate function or the GROUP BY clause.",
    )
