"""Live progress in the terminal: a line a table and the sum."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from dtaas.cli.demo_task import DemoProgress
from dtaas.model.execution import TableProgress

_COLOURS = {"completed": "green", "failed": "red", "retrying": "yellow", "loading": "cyan"}


class ProgressScreen:
    """Redraws a table of figures while `live`; otherwise shows nothing."""

    def __init__(self, *, live: bool) -> None:
        self._live = Live(console=Console(), refresh_per_second=8) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: DemoProgress) -> None:
        """Draw the figures."""
        if self._live is not None:
            self._live.update(_screen(progress))


def _screen(progress: DemoProgress) -> Table:
    screen = Table(box=None, pad_edge=False)
    for heading, justify in (
        ("table", "left"),
        ("state", "left"),
        ("", "left"),
        ("rows", "right"),
        ("rows/s", "right"),
        ("MB/s", "right"),
        ("left", "right"),
    ):
        screen.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for table in progress.tables.values():
        colour = _COLOURS.get(table.phase, "white")
        screen.add_row(
            str(table.table),
            f"[{colour}]{table.phase}[/]",
            ProgressBar(total=max(1, table.rows_total or 1), completed=table.rows_done, width=24),
            _rows(table),
            f"{table.rows_s:,.0f}" if table.rows_s else "",
            f"{table.mb_s:,.1f}" if table.mb_s else "",
            f"{table.eta_s:.0f} s" if table.eta_s is not None else "",
        )
    screen.add_row(
        "[bold]all[/]",
        f"{progress.percent:.0f} %",
        ProgressBar(total=100, completed=progress.percent, width=24),
        f"{progress.rows_done:,}",
        f"{progress.rows_s:,.0f}" if progress.rows_s else "",
        "",
        f"{progress.elapsed_s:.1f} s",
    )
    return screen


def _rows(table: TableProgress) -> str:
    if table.rows_total is None:
        return f"{table.rows_done:,}"
    return f"{table.rows_done:,} / {table.rows_total:,}"
