"""Shows the plan of a run."""

from collections.abc import Sequence
from urllib.parse import urlencode

import click

from dtaas.admin.client import AdminClient
from dtaas.cli.client_actions import EXIT_FAILED, find_task, print_json
from dtaas.model.plan import RunPlan, TablePlan

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000


def show_plan(client: AdminClient, name: str, tables: Sequence[str], *, as_json: bool) -> None:
    """Print what a run would do; ends with 1 when some table could not be planned."""
    task = find_task(client, name)
    query = urlencode([("table", table) for table in tables])
    plan = client.post(f"/api/tasks/{task.id}/plan?{query}", {}, RunPlan)
    if as_json:
        print_json(plan)
    else:
        click.secho(f"A run of {task.name!r} would:", bold=True)
        for table in plan.tables:
            _show_table(table)
        _show_sum(plan)
    if any(table.error_code for table in plan.tables):
        raise click.exceptions.Exit(EXIT_FAILED)


def _show_table(plan: TablePlan) -> None:
    figures = [
        "" if plan.rows is None else f"about {plan.rows:,} rows",
        "" if plan.bytes is None else _size(plan.bytes),
        "" if plan.files is None else f"{plan.files:,} files or more",
    ]
    told = ", ".join(filter(None, figures))
    click.echo(f"{plan.table} -> {plan.target}" + (f": {told}" if told else ""))
    for step in plan.steps:
        click.secho(f"  {step.text}", fg="red" if step.destructive else None)
        for statement in step.ddl:
            click.secho(f"    {statement};", dim=True)
    if plan.error_code:
        click.secho(f"  {plan.error_code}: {plan.error}", fg="red")
        if plan.hint:
            click.echo(f"    {plan.hint}")


def _show_sum(plan: RunPlan) -> None:
    if plan.new_tables:
        click.echo(f"New tables: {', '.join(map(str, plan.new_tables))}.")
    if plan.gone_tables:
        click.secho(f"Gone tables: {', '.join(map(str, plan.gone_tables))}.", fg="yellow")
    click.echo(f"In all about {plan.rows:,} rows, {_size(plan.bytes)}.", nl=False)
    if plan.seconds_low is None or plan.seconds_high is None:
        click.echo(" How long it takes is not known before it ran once.")
    else:
        click.echo(
            f" It would take {plan.seconds_low:.0f} to {plan.seconds_high:.0f} s"
            f" by the last {plan.executions} executions."
        )
    if plan.destructive:
        click.secho(f"{len(plan.destructive)} steps replace or drop something.", fg="red")


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < _STEP or unit == _UNITS[-1]:
            return f"{count:.3g} {unit}"
        count /= _STEP
    return ""
