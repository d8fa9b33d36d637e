"""The command line. Commands that run something import it when called, so that help is quick."""

import sys
from collections.abc import Sequence

import click

from dtaas import __version__
from dtaas.cli.chaos import chaos
from dtaas.cli.client import CLIENT_COMMANDS
from dtaas.cli.config import check_config, openapi, version
from dtaas.cli.demo import demo
from dtaas.cli.drift import drift
from dtaas.cli.files import FILE_COMMANDS
from dtaas.cli.identity import admin, audit
from dtaas.cli.positions import positions
from dtaas.cli.sandbox import sandbox
from dtaas.cli.secrets import secrets
from dtaas.cli.serve import serve
from dtaas.cli.upkeep import UPKEEP_COMMANDS
from dtaas.cli.verify import verify
from dtaas.engine.failures import InternalError, explain
from dtaas.model.errors import DtaasError

EXIT_FAILED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dtaas")
def cli() -> None:
    """DTaaS moves tables from SQL Server to S3: full load, live progress, proof of arrival.

    `dtaas demo` shows all of it on this machine. `dtaas serve` is the daemon; `status`, `start`,
    `stop`, `pause`, `resume`, `executions`, `verify`, `drift`, `positions`, `logs`, `doctor`,
    `backup`, `drain`, `export`, `diff`, `apply` and `plan` talk to it over its admin socket.

    Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 daemon unreachable.
    """


for _command in (
    serve,
    demo,
    chaos,
    sandbox,
    check_config,
    openapi,
    version,
    *CLIENT_COMMANDS,
    verify,
    positions,
    drift,
    *FILE_COMMANDS,
    *UPKEEP_COMMANDS,
    admin,
    audit,
    secrets,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. An error of ours is two lines on standard error."""
    try:
        cli.main(args=arguments, prog_name="dtaas")
    except DtaasError as error:
        show_error(error)
        sys.exit(EXIT_FAILED)
    except ExceptionGroup as group:  # one cause is what a person can act on
        cause = explain(group)
        if isinstance(cause, InternalError):
            raise
        show_error(cause)
        sys.exit(EXIT_FAILED)


def show_error(error: DtaasError) -> None:
    """Print an error as people read it: code, what is wrong, what to do."""
    click.secho(f"{error.code}: ", fg="red", bold=True, nl=False, err=True)
    click.echo(error.detail, err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


if __name__ == "__main__":
    main()
