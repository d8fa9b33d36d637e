"""Steps and a table's schema to a program, or everything that is wrong with them.

    compilation = compile_steps(spec.steps(table), schema, streaming=False)
    if compilation.program is not None:
        result = compilation.program.run(batch)

The output schema is known before a row is read. A mistake in one step hides no mistake in the
others: what follows is checked as if the step had done what it says.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dtaas.model.errors import TransformationsInvalidError
from dtaas.model.schema import TableSchema
from dtaas.model.table_steps import NameColumns, PlacedStep, SetTypes
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    ConcatenateColumns,
    DropColumn,
    FilterRows,
    OnError,
    RenameColumn,
    ReplaceValue,
    SplitColumn,
    Transformation,
)
from dtaas.model.types import is_lob
from dtaas.transforms.problems import FollowUpError, Problem, StepError
from dtaas.transforms.program import CompiledStep, Program
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.apply_function import compile_apply_function
from dtaas.transforms.steps.cast_type import compile_cast_type
from dtaas.transforms.steps.concatenate_columns import compile_concatenate_columns
from dtaas.transforms.steps.drop_column import compile_drop_column
from dtaas.transforms.steps.name_columns import compile_name_columns
from dtaas.transforms.steps.rename_column import compile_rename_column
from dtaas.transforms.steps.replace_value import compile_replace_value
from dtaas.transforms.steps.set_types import compile_set_types
from dtaas.transforms.steps.split_column import compile_split_column
from dtaas.transforms.steps.step import Kernel

AnyStep: TypeAlias = Transformation | SetTypes | NameColumns
Compiler: TypeAlias = Callable[[Any, Scope], Kernel]
_COMPILERS: Final[Mapping[type[Any], Compiler]] = {
    RenameColumn: compile_rename_column,
    DropColumn: compile_drop_column,
    CastType: compile_cast_type,
    ReplaceValue: compile_replace_value,
    ConcatenateColumns: compile_concatenate_columns,
    SplitColumn: compile_split_column,
    ApplyFunction: compile_apply_function,
    SetTypes: compile_set_types,
    NameColumns: compile_name_columns,
}


@cache
def expression_compilers() -> Mapping[type[Any], Compiler]:
    """Return what compiles steps that have expressions.

    The parser is a tenth of a second and ten megabytes that only they need. Whoever compiles on an
    event loop calls this in a thread before.
    """
    from dtaas.transforms.steps.add_column import compile_add_column  # noqa: PLC0415
    from dtaas.transforms.steps.filter_rows import compile_filter_rows  # noqa: PLC0415

    return {AddColumn: compile_add_column, FilterRows: compile_filter_rows}


class Compilation(Struct, frozen=True, kw_only=True):
    """What came of the steps of one table.

    Attributes:
        program: None when there are problems.
        output: the table as it would arrive; with problems, as far as that can be told.
        problems: all of them, in the order of the steps.
    """

    program: Program | None
    output: TableSchema
    problems: tuple[Problem, ...]


def compile_steps(
    steps: Sequence[PlacedStep],
    schema: TableSchema,
    *,
    streaming: bool = False,
    whole_rows: bool = False,
) -> Compilation:
    """Return the program of a table, or what is wrong.

    Args:
        steps: in order, as `TaskSpec.steps` gives them.
        schema: the table as it is read; its key is the one changes are applied by.
        streaming: changes are applied by key, which must tell rows apart when it arrives.
        whole_rows: changes bring all values of a row. Else those of large columns may be missing
            where an update left them; `Program.reread` says which of them are needed.
    """
    scope, found = Scope(schema), []
    key_steps: list[CompiledStep] = []
    problems: list[Problem] = []
    for placed in steps:
        of_key = _reaches_key(placed.step, scope)
        try:
            found.append(_compiled(placed, scope, streaming=streaming))
            key_steps += found[-1:] if of_key else ()
        except FollowUpError:
            scope.break_off(_undefined(placed.step, scope))
        except StepError as error:
            if placed.skip_missing and error.code == "unknown_column":
                continue
            scope.break_off(_undefined(placed.step, scope))
            field = f"{placed.path}.{error.field}" if error.field else placed.path
            problems.append(
                Problem(code=error.code, field=field, detail=error.detail, hint=error.hint)
            )
    reread = frozenset[str]()
    if streaming and not whole_rows and not problems:
        reread = _reread(steps, scope, schema)
        problems += [_unreadable(reread)] if reread and not schema.key else []
    output = _output(scope)
    program = None
    if not problems:
        program = Program(
            steps=found,
            source=schema,
            output=output,
            columns=scope.known(),
            conditions=frozenset(scope.conditions),
            key_steps=key_steps,
            reread=reread,
        )
    return Compilation(program=program, output=output, problems=tuple(problems))


def require_program(compilation: Compilation) -> Program:
    """Return the program.

    Raises:
        TransformationsInvalidError: there are problems; names the first and counts the others.
    """
    if compilation.program is not None:
        return compilation.program
    first, *others = compilation.problems
    more = f" There are {len(others)} more problems." if others else ""
    raise TransformationsInvalidError(
        f"The transformations of {compilation.output.table} cannot work: {first.detail}{more}",
        hint=first.hint,
        field=first.field,
    )


def _compiled(placed: PlacedStep, scope: Scope, *, streaming: bool) -> CompiledStep:
    step = placed.step
    if placed.skip_missing and isinstance(step, DropColumn):
        there = tuple(name for name in step.columns if name in scope.names)
        if not there:
            raise StepError("unknown_column", "columns", "None of the columns is there.")
        step = replace(step, columns=there)
    kernel = _compiler_of(step)(step, scope)
    if getattr(step, "on_error", None) is OnError.REJECT:
        for name in made_by(step):
            scope.conditions |= scope.find(name).sources
    if streaming:
        _require_key(scope)
    kind = str(step.__struct_config__.tag)
    return CompiledStep(placed.path, kind, kernel)


def _compiler_of(step: AnyStep) -> Compiler:
    return _COMPILERS.get(type(step)) or expression_compilers()[type(step)]


def _require_key(scope: Scope) -> None:
    """Refuse a step after which changes cannot be applied by key.

    Raises:
        StepError: a column of the key is gone, or may not tell rows apart any more.
    """
    known = {column.name: column for column in scope.known()}
    for name in tuple(scope.key):
        column = known.get(name)
        if column is not None and column.one_to_one and not column.nullable:
            continue
        scope.key.remove(name)  # told once
        what = "dropped" if column is None else "changed"
        raise StepError(
            "key_changed", "",
            f"Column {name!r} is part of the key, by which changes are applied, and would be "
            f"{what}.",
            "Rename it if you like; of functions, sha256, reverse, prefix and suffix keep keys "
            "apart. Write a changed form into another column.",
        )  # fmt: skip


def _reread(steps: Sequence[PlacedStep], scope: Scope, schema: TableSchema) -> frozenset[str]:
    """Return the columns whose values are needed also where an update does not log them."""
    lobs = {column.name for column in schema.columns if is_lob(column.type)}
    needed = lobs & scope.conditions
    leaving = any(_lets_go(placed.step) for placed in steps)
    for column in scope.known():
        if leaving or len(column.sources) > 1:
            needed |= lobs & column.sources
    return frozenset(needed)


def _unreadable(needed: frozenset[str]) -> Problem:
    name = min(needed)
    return Problem(
        code="not_streamable",
        field="$.transformations",
        detail=f"Changes do not always log {name!r}, which the steps need, and the table has no "
        "key to read it by.",
        hint="Declare a key in table_mappings, or drop the column.",
    )


def _lets_go(step: AnyStep) -> bool:
    """Return whether rows may be missing at the target because of a step."""
    on_error = step.rule if isinstance(step, SetTypes) else step
    return isinstance(step, FilterRows) or getattr(on_error, "on_error", None) is OnError.REJECT


def made_by(step: AnyStep) -> tuple[str, ...]:
    """Return the columns a step makes."""
    match step:
        case AddColumn(column=name) | RenameColumn(to=name) | ConcatenateColumns(to=name):
            return (name,)
        case SplitColumn(into=names):
            return names
        case ApplyFunction(column=name, to=to):
            return (to or name,)
        case CastType(column=name) | ReplaceValue(column=name):
            return (name,)
        case _:
            return ()


def _reaches_key(step: AnyStep, scope: Scope) -> bool:
    """Return whether a step may change or rename a column of the key where it is."""
    match step:
        case RenameColumn(column=name) | CastType(column=name) | ReplaceValue(column=name):
            return name in scope.key
        case ApplyFunction(column=name, to=None):
            return name in scope.key
        case SetTypes() | NameColumns():
            return True
        case _:
            return False


def _undefined(step: AnyStep, scope: Scope) -> tuple[str, ...]:
    """Return the columns of which nothing can be said after a step that is wrong."""
    in_place = isinstance(step, CastType | ReplaceValue | ApplyFunction)
    return tuple(name for name in made_by(step) if in_place or name not in scope.names)


def _output(scope: Scope) -> TableSchema:
    """Return what arrives. A key that may not tell rows apart any more is none."""
    schema = scope.schema()
    whole = {c.name for c in scope.known() if c.one_to_one and not c.nullable}
    if all(name in whole for name in schema.key):
        return schema
    return msgspec.structs.replace(schema, key=())
