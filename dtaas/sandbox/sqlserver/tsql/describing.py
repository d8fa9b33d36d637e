"""The columns of a batch's first result set, without running it."""

from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.declarations import parse_declarations, resolve_variables
from dtaas.sandbox.sqlserver.tsql.error_effects import CompileError
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.program import Program, Run, Sql
from dtaas.sandbox.sqlserver.tsql.statements import parse_batch


async def describe(
    sql: str, declarations: str, caller: Frame, context: Context
) -> tuple[ResultColumn, ...]:
    """Return the columns, empty when no statement of the batch returns rows.

    Raises:
        SqlError: the batch does not compile.
    """
    catalog, _ = await context.storage.catalogs()
    declared = parse_declarations(declarations, catalog)
    parsed = parse_batch(sql, frozenset(d.name for d in declared))
    types = resolve_variables(parsed.variables, catalog)
    types.update({d.name: d.type for d in declared})
    frame = Frame(Program((), {}), types, caller.options)
    for instruction in parsed.instructions:
        if not isinstance(instruction, Run) or not isinstance(instruction.action, Sql):
            continue
        try:
            compiled = await context.statement(
                instruction.action.text, frame, instruction.action.tree
            )
        except CompileError as exc:
            exc.error.line += instruction.line - 1
            raise exc.error from exc
        if compiled.columns is not None and not compiled.assignments:
            return compiled.columns
    return ()
