"""Answers of the daemon as tables for people."""

from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dtaas.api.views import ExecutionList, ExecutionView, TaskList, TaskView, Version
from dtaas.model.execution import Execution
from dtaas.services.dashboard import DashboardMetrics

_COLOURS: Final = {
    "running": "cyan",
    "streaming": "cyan",
    "loading": "cyan",
    "completed": "green",
    "retrying": "yellow",
    "partial": "yellow",
    "paused": "yellow",
    "failed": "red",
}
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86400


def show_daemon(version: Version, metrics: DashboardMetrics) -> None:
    """Print how the daemon is."""
    console, figures = Console(), metrics.figures
    present = ", ".join(
        f"{count} {status}" for status, count in figures.tasks_by_status.items() if count
    )
    console.print(f"[bold]DTaaS {version.version}[/bold]")
    console.print(f"Tasks       {figures.tasks} ({present or 'none yet'})")
    console.print(f"Connectors  {figures.connectors}")
    console.print(f"Now         {metrics.rows_s:,.0f} rows/s, {metrics.mb_s:,.1f} MB/s")
    console.print(
        f"Last 24 h   {figures.rows_24h:,} rows, {figures.data_mb_24h:,.0f} MB;"
        f" {figures.completed_24h} completed, {figures.partial_24h} partial,"
        f" {figures.failed_24h} failed, {figures.stopped_24h} stopped"
    )
    for trouble in metrics.needs_attention:
        console.print(
            f"[red]{trouble.kind}[/red] {escape(trouble.name)}, {ago(trouble.since)}:"
            f" {escape(trouble.detail)}"
        )


def show_tasks(tasks: TaskList) -> None:
    """Print a list of tasks."""
    table = _table("Id", "Name", "State", "Mode", "Tables", "Progress", "Last run")
    for task in tasks.items:
        table.add_row(
            str(task.id),
            escape(task.name),
            coloured(task.status),
            task.mode,
            str(len(task.source_tables)),
            f"{task.current_progress_percent:.0f} %",
            ago(task.last_run_at),
        )
    console = Console()
    console.print(table if tasks.items else "There are no tasks.")
    if tasks.total > len(tasks.items):
        console.print(f"and {tasks.total - len(tasks.items)} more")


def show_task(task: TaskView, execution: ExecutionView | None) -> None:
    """Print a task and the tables of its latest execution."""
    console = Console()
    console.print(f"[bold]{escape(task.name)}[/bold] (id {task.id}) {coloured(task.status)}")
    console.print(f"Possible now: {', '.join(task.allowed_actions)}")
    if task.last_error:
        console.print(f"[red]{escape(task.last_error_code or '')}[/red]: {escape(task.last_error)}")
    if execution is None:
        console.print("It never ran.")
        return
    console.print(
        f"Execution {execution.id} {coloured(execution.status)}, began"
        f" {ago(execution.started_at)}, {_rows(execution)}"
    )
    table = _table("Table", "Phase", "Rows", "Rows/s", "MB/s", "Retries", "Error")
    for state in execution.tables:
        total = "" if state.rows_total is None else f" of {state.rows_total:,}"
        table.add_row(
            escape(str(state.table)),
            coloured(state.phase),
            f"{state.rows_done:,}{total}",
            f"{state.rows_s:,.0f}",
            f"{state.mb_s:,.1f}",
            str(state.retries),
            escape(state.error or ""),
        )
    console.print(table)


def show_executions(task: TaskView, executions: ExecutionList) -> None:
    """Print the executions of a task."""
    console = Console()
    if not executions.items:
        console.print(f"Task {escape(repr(task.name))} never ran.")
        return
    table = _table("Id", "Result", "Began", "Seconds", "Rows", "Rows/s", "MB", "Error")
    for execution in executions.items:
        seconds = execution.duration_seconds
        table.add_row(
            str(execution.id),
            coloured(execution.status),
            ago(execution.started_at),
            "" if seconds is None else f"{seconds:,.1f}",
            f"{execution.processed_rows:,}",
            f"{execution.rows_per_second:,.0f}",
            f"{execution.data_size_mb:,.1f}",
            escape(execution.error_message or ""),
        )
    console.print(table)


def coloured(state: str) -> str:
    """Return a state in its colour."""
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else state


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago a moment was, in one unit; `never` for None."""
    if moment is None:
        return "never"
    seconds = max(0, round(((now or datetime.now(UTC)) - moment).total_seconds()))
    if seconds < _MINUTE_S:
        return f"{seconds} s ago"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min ago"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S} h ago"
    return f"{seconds // _DAY_S} d ago"


def _rows(execution: Execution) -> str:
    total = "" if execution.total_rows is None else f" of {execution.total_rows:,}"
    return f"{execution.processed_rows:,}{total} rows"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = {"Tables", "Progress", "Rows", "Rows/s", "MB/s", "MB", "Seconds", "Retries"}
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table
