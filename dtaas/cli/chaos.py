"""`dtaas chaos`: kills and faults against a sandbox of its own, and the table of crashes."""

import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click
import msgspec
from rich.console import Console
from rich.table import Table

from dtaas.cli.sandbox import require_sandbox

if TYPE_CHECKING:
    from dtaas.sandbox.chaos.crashes import Crash

_COLUMNS = ("at s", "fault", "recovery s", "changes", "lost", "doubled", "wrong")
_SEEDS = 100_000


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    default=60,
    show_default=True,
    help="No crash begins after so long.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Draws workload and faults; random if missing."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave logs and data below this folder.",
)
def chaos(*, seconds: float, seed: int | None, as_json: bool, data_dir: Path | None) -> None:
    """Kill and fault a daemon in the middle of its work, and prove that nothing is lost.

    Starts a simulated SQL Server, a private S3 and a daemon, all of its own: no configured
    connector is ever touched. A stream runs under a random workload; the daemon is killed, its
    connections break, S3 fails and loses replies, capture stops. After each fault both ends are
    compared, every change once and in order. Exit code 1 when anything was lost or doubled.
    """
    require_sandbox()
    from dtaas.logs import configure_logs  # noqa: PLC0415 - loads everything

    configure_logs(level="error", form="auto")
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="dtaas-chaos-") as scratch:
            crashes = _run(Path(scratch), seconds, seed, as_json=as_json)
    else:
        data_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=data_dir.absolute()))
        crashes = _run(folder, seconds, seed, as_json=as_json)
        click.echo(f"Logs and data: {folder}", err=True)
    if as_json:
        click.echo(msgspec.json.encode(_summary(crashes, seed)).decode())
    else:
        _show(crashes, seed)
    sys.exit(0 if all(c.is_clean for c in crashes) else 1)


def _run(folder: Path, seconds: float, seed: int, *, as_json: bool) -> "list[Crash]":
    from dtaas.sandbox.chaos.crashes import crash_test  # noqa: PLC0415 - loads everything

    def tell(crash: "Crash") -> None:
        if not as_json:
            ended = "never recovered" if crash.recovery_s is None else f"{crash.recovery_s:.2f} s"
            click.echo(f"{crash.at_s:8.2f} s  {crash.fault:20} {ended}  {crash.note}")

    if not as_json:
        click.echo(f"Starting a private SQL Server, S3 and daemon; seed {seed} ...")

    async def run() -> "list[Crash]":
        return await crash_test(folder, seconds=seconds, seed=seed, tell=tell)

    return anyio.run(run)


def _summary(crashes: "list[Crash]", seed: int) -> dict[str, object]:
    """Return what `--json` prints."""
    recoveries = [c.recovery_s for c in crashes if c.recovery_s is not None]
    return {
        "seed": seed,
        "crashes": crashes,
        "kills": sum(c.fault == "kill" for c in crashes),
        "changes": sum(c.changes for c in crashes),
        "lost": sum(c.lost for c in crashes),
        "doubled": sum(c.doubled for c in crashes),
        "slowest_recovery_s": max(recoveries, default=None),
    }


def _show(crashes: "list[Crash]", seed: int) -> None:
    table = Table(title=f"{len(crashes)} crashes, seed {seed}")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "fault" else "right")
    for crash in crashes:
        recovery = "never" if crash.recovery_s is None else f"{crash.recovery_s:.2f}"
        wrong = crash.wrong + crash.disordered
        table.add_row(
            f"{crash.at_s:.2f}",
            crash.fault,
            recovery,
            f"{crash.changes:,}",
            f"{crash.lost}",
            f"{crash.doubled}",
            f"{wrong}",
            style=None if crash.is_clean else "red",
        )
    Console().print(table)
