"""`dtaas drift`: how the columns of a task's tables changed, and decisions about it."""

from pathlib import Path

import click

from dtaas.cli.client import daemon_options
from dtaas.model.drift import DriftDecision, SchemaChangeState


@click.command()
@click.argument("task")
@click.option("--table", help="Only changes of this table, as schema.name.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in SchemaChangeState]),
    help="Only changes in this state.",
)
@click.option("--approve", type=int, metavar="ID", help="Let the table go on with this change.")
@click.option("--ignore", type=int, metavar="ID", help="Let it go on without this change.")
@click.option("--reject", type=int, metavar="ID", help="Leave the table standing still.")
@click.option("--backfill", is_flag=True, help="With --approve: rows that are there get values.")
@daemon_options
def drift(
    *,
    task: str,
    table: str | None,
    state: str | None,
    approve: int | None,
    ignore: int | None,
    reject: int | None,
    backfill: bool,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """List how tables of TASK (id or name) changed at the source, or decide about one change.

    What is done by itself says the task's schema_drift_policy: evolve, add_columns_only, ignore,
    pause or fail. With schema_drift_approval every change of a destination waits here. A column
    that was ignored can be approved later.
    """
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.drift_actions import decide, show_changes  # noqa: PLC0415

    asked = {
        DriftDecision.APPROVE: approve,
        DriftDecision.IGNORE: ignore,
        DriftDecision.REJECT: reject,
    }
    wanted = [(decision, number) for decision, number in asked.items() if number is not None]
    if len(wanted) > 1:
        raise click.UsageError("Give one of --approve, --ignore and --reject.")
    if backfill and approve is None:
        raise click.UsageError("--backfill goes with --approve.")
    with connected(socket, config) as client:
        if wanted:
            decision, number = wanted[0]
            decide(client, task, number, decision, backfill=backfill, as_json=as_json)
        else:
            show_changes(client, task, table=table, state=state, as_json=as_json)
