"""Arguments of a call: what EXECUTE or the wire gives, matched to declared parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import OutputValue, Parameter, SqlError
from dtaas.sandbox.sqlserver.tsql.declarations import Declaration
from dtaas.sandbox.sqlserver.types import SqlType


class Bound(Struct, frozen=True, kw_only=True):
    """An argument with its value.

    Attributes:
        source: caller's variable an OUTPUT argument goes back to, empty for other arguments.
        is_default: DEFAULT was written, `value` does not count.
    """

    name: str
    type: SqlType
    value: Any
    source: str = ""
    is_default: bool = False


def bound_of(parameter: Parameter) -> Bound:
    """Return a parameter of the wire as an argument."""
    return Bound(
        name=parameter.name.lower(),
        type=parameter.type,
        value=parameter.value,
        source=(parameter.name.lower() or "@") if parameter.output else "",
    )


def match_arguments(
    declared: Sequence[Declaration], arguments: Sequence[Bound], procedure: str
) -> Mapping[str, Bound]:
    """Return arguments by the parameters they go to.

    Raises:
        SqlError: 8144 too many, 8145 an unknown name, 119 a positional one behind a named one.
    """
    given: dict[str, Bound] = {}
    named = False
    for ordinal, argument in enumerate(arguments):
        named |= bool(argument.name)
        if named and not argument.name:
            raise SqlError(
                119,
                f"Must pass parameter number {ordinal + 1} and subsequent parameters as "
                "'@name = value'. After the form '@name = value' has been used, all subsequent "
                "parameters must be passed in the form '@name = value'.",
                severity=15,
            )
        if not argument.name and ordinal >= len(declared):
            raise SqlError(
                8144,
                f"Procedure or function {procedure} has too many arguments specified.",
                state=2,
            )
        name = argument.name or declared[ordinal].name
        if name not in {d.name for d in declared}:
            raise SqlError(8145, f"{name} is not a parameter for procedure {procedure}.")
        given[name] = argument
    return given


def missing_argument(procedure: str, name: str, query: str) -> SqlError:
    """Return error 201 of a procedure, or 8178 of a parameterized query."""
    if not procedure:
        return SqlError(
            8178,
            f"The parameterized query '{query}' expects the parameter '{name}', which was not "
            "supplied.",
        )
    return SqlError(
        201,
        f"Procedure or function '{procedure}' expects parameter '{name}', which was not supplied.",
        state=4,
    )


def text_argument(procedure: str, name: str, arguments: Sequence[Bound], index: int) -> str:
    """Return an argument of sp_executesql that must be Unicode text; NULL counts as empty.

    Raises:
        SqlError: 201 it is missing, 214 it is no such text.
    """
    if index >= len(arguments):
        raise SqlError(
            201,
            f"Procedure or function '{procedure}' expects parameter '{name}', which was not "
            "supplied.",
            state=10,
        )
    value = arguments[index].value
    if value is None:
        return ""
    if not isinstance(value, str) or arguments[index].type.name in {"varchar", "char"}:
        raise SqlError(
            214,
            f"Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'.",
            state=2,
        )
    return value


def output_values(
    declared: Sequence[Declaration], arguments: Sequence[Bound], values: Mapping[str, Any]
) -> list[OutputValue]:
    """Return what OUTPUT arguments get back; ordinals count the arguments from 0."""
    outputs = []
    for ordinal, argument in enumerate(arguments):
        name = argument.name or (declared[ordinal].name if ordinal < len(declared) else "")
        declaration = next((d for d in declared if d.name == name), None)
        if argument.source and declaration is not None and declaration.output:
            outputs.append(
                OutputValue(
                    ordinal=ordinal,
                    name=name,
                    type=declaration.type,
                    value=values.get(name),
                )
            )
    return outputs
