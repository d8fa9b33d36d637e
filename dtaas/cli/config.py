"""`dtaas check-config`, `openapi` and `version`."""

import json
import platform
from pathlib import Path

import click
import msgspec

from dtaas import __version__
from dtaas.settings import load_settings
from dtaas.tds.library import why_missing


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the settings in force as JSON.")
def check_config(file: Path | None, *, as_json: bool) -> None:
    """Check a configuration FILE and the environment; print what is in force.

    Every mistake is named by its path, such as $.api.port. Exit code 1 when there is one. What may
    be secret is not shown.
    """
    settings = load_settings(file)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(settings.shown())).decode())
        return
    for section, values in settings.shown().items():
        for key, value in values.items():
            click.echo(f"{section}.{key} = {json.dumps(value)}")
    click.echo("ok")


@click.command()
@click.option("--output", type=click.Path(path_type=Path), help="Write to a file.")
def openapi(output: Path | None) -> None:
    """Print the OpenAPI document of the REST API."""
    from dtaas.api.document import openapi_document  # noqa: PLC0415 - loads the whole API

    text = openapi_document()
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def version(*, as_json: bool) -> None:
    """Print the version of DTaaS, the Python it runs on, and what reads SQL Server's tables."""
    found = {"dtaas": __version__, "python": platform.python_version()}
    missing = why_missing()
    found["reader"] = f"odbc ({missing})" if missing else "native"
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"dtaas {__version__}, Python {found['python']}, reader: {found['reader']}")
