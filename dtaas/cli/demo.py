"""`dtaas demo`: the whole product on this machine, with nothing else installed."""

import sys
from pathlib import Path

import anyio
import click

from dtaas.cli.sandbox import require_sandbox


@click.command()
@click.option("--once", is_flag=True, help="Load, verify, print one JSON line and exit.")
@click.option(
    "--scale",
    type=click.FloatRange(0.001, 1000),
    default=0.1,
    show_default=True,
    help="TPC-H scale; 0.1 is 866,602 rows.",
)
@click.option(
    "--destination",
    type=click.Choice(["s3", "file", "snowflake"]),
    default="s3",
    show_default=True,
    help="Where the tables go.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave the loaded files in this folder.",
)
@click.option(
    "--corrupt",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Alter N destination rows before verifying, which must then fail.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="API port; 0: a free one.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".dtaas/demo"),
    show_default=True,
    help="Scratch folder of the demo; emptied at its start.",
)
def demo(
    *,
    once: bool,
    scale: float,
    destination: str,
    out: Path | None,
    corrupt: int,
    port: int,
    data_dir: Path,
) -> None:
    """Move the TPC-H tables from a private SQL Server to a private S3, live, and prove it.

    Starts a simulated SQL Server that speaks the real wire protocol, a real S3 server and the
    daemon, fills the source, loads it into Parquet and compares both ends. Then it goes on running
    so that you can look around; Ctrl-C ends everything and leaves no process behind.
    """
    require_sandbox()
    from dtaas.cli.demo_run import Demo, run_demo  # noqa: PLC0415 - loads everything
    from dtaas.logs import configure_logs  # noqa: PLC0415

    configure_logs(level="error", form="auto")

    if out is not None and destination == "snowflake":
        raise click.UsageError("--out is for files: use --destination s3 or file.")
    plan = Demo(
        once=once,
        scale=scale,
        destination=destination,
        out=out.absolute() if out else None,
        corrupt=corrupt,
        port=port,
        data_dir=data_dir.absolute(),
    )
    sys.exit(anyio.run(run_demo, plan))
