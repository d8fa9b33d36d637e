"""`dtaas admin` and `dtaas audit`: the way back in, and the proof of what happened."""

import sys
from pathlib import Path

import click

from dtaas.cli.client import daemon_options


@click.group()
def admin() -> None:
    """Get back in."""


@admin.command()
@click.argument("username", default="admin")
@daemon_options
def reset(username: str, socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Make USERNAME an admin with a new password, which is printed.

    Only root and the user of the daemon may do this. It is in the audit log.
    """
    from dtaas.api.controllers.auth import ResetResult  # noqa: PLC0415 - slow to load
    from dtaas.cli.client_actions import connected, print_json  # noqa: PLC0415

    with connected(socket, config) as client:
        result = client.post("/api/auth/reset", {"username": username}, ResetResult)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result.username} is an admin. New password: {result.password}")
        click.echo("Log in and change it.", err=True)


@click.group()
def audit() -> None:
    """Who did what."""


@audit.command()
@daemon_options
def verify(socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Check the audit log's chain of hashes; exit code 1 when an entry was altered or removed.

    Keep the head somewhere else: that it is gone shows that the end of the log was cut off.
    """
    from dtaas.cli.client_actions import connected, print_json  # noqa: PLC0415
    from dtaas.store.audit import ChainCheck  # noqa: PLC0415

    with connected(socket, config) as client:
        check = client.get("/api/audit/verify", ChainCheck)
    if as_json:
        print_json(check)
    elif check.ok:
        click.secho(f"{check.entries} entries, none altered or removed.", fg="green")
        click.echo(f"head {check.head}")
    else:
        click.secho(
            f"Entry {check.broken_at} was altered or removed; {check.entries} before it fit.",
            fg="red",
            err=True,
        )
    if not check.ok:
        sys.exit(1)
