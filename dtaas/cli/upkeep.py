"""Commands for those who keep the daemon running."""

from pathlib import Path
from typing import Final

import click

from dtaas.cli.client import daemon_options

LEVELS: Final = click.Choice(["debug", "info", "warning", "error"])


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes.")
@click.option("-n", "--lines", type=click.IntRange(1, 1000), default=50, help="Newest lines.")
@click.option("--level", type=LEVELS, default="info", help="The least grave lines shown.")
@click.option("--task", help="Only lines of this task (id or name).")
@click.option("--execution", type=int, help="The stored log of one execution.")
@daemon_options
def logs(
    *,
    follow: bool,
    lines: int,
    level: str,
    task: str | None,
    execution: int | None,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show the newest lines of the daemon's log, or the log of an execution."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415 - slow to load
    from dtaas.cli.upkeep_actions import show_execution_log, show_log  # noqa: PLC0415

    with connected(socket, config) as client:
        if execution is not None:
            show_execution_log(client, execution, lines=lines, level=level, as_json=as_json)
        else:
            show_log(client, task, follow=follow, lines=lines, level=level, as_json=as_json)


@click.command()
@daemon_options
def doctor(socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Examine machine, own state, connectors and tasks; exit code 1 when something failed.

    Without a running daemon it looks at the machine and at the daemon's files.
    """
    from dtaas.cli.upkeep_actions import examine  # noqa: PLC0415

    examine(socket, config, as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--with-key", is_flag=True, help="Put the key of the secrets into it, too.")
@daemon_options
def backup(
    file: Path | None, socket: Path | None, config: Path | None, *, with_key: bool, as_json: bool
) -> None:
    """Write a backup of the metadata to FILE while the daemon works.

    Without --with-key keep the key file elsewhere: the secrets cannot be read without it.
    """
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.upkeep_actions import back_up  # noqa: PLC0415

    with connected(socket, config) as client:
        back_up(client, file, with_key=with_key, as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's TOML file.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the daemon's state.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def restore(file: Path, config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Put the backup FILE in the place of the metadata; the daemon must not run.

    The old database is kept beside it. Afterwards no task starts by itself.
    """
    from dtaas.cli.upkeep_actions import restore_backup  # noqa: PLC0415

    restore_backup(file, config, data_dir, as_json=as_json)


@click.command()
@daemon_options
def drain(socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """End the daemon gently and wait for its end; tasks go on at the next start."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.upkeep_actions import drain_daemon  # noqa: PLC0415

    with connected(socket, config) as client:
        drain_daemon(client, as_json=as_json)


@click.command("log-level")
@click.argument("level", type=LEVELS, required=False)
@daemon_options
def log_level(
    level: str | None, socket: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Show the log level, or change it until the daemon stops."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.upkeep_actions import change_log_level  # noqa: PLC0415

    with connected(socket, config) as client:
        change_log_level(client, level, as_json=as_json)


@click.group("config")
def config_group() -> None:
    """The daemon's settings."""


@config_group.command("show")
@daemon_options
def config_show(socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Show the settings in force, without secrets."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.upkeep_actions import show_config  # noqa: PLC0415

    with connected(socket, config) as client:
        show_config(client, as_json=as_json)


@click.command("support-bundle")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@daemon_options
def support_bundle(file: Path, socket: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Write what a supporter needs to FILE (tar.gz): no secrets, no rows of your tables."""
    from dtaas.cli.client_actions import connected  # noqa: PLC0415
    from dtaas.cli.support_bundle import write_bundle  # noqa: PLC0415

    with connected(socket, config) as client:
        write_bundle(client, file, as_json=as_json)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete dtaas commands: eval "$(dtaas completion bash)"."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from dtaas.cli.main import cli  # noqa: PLC0415

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the three that click knows
    click.echo(kind(cli, {}, "dtaas", "_DTAAS_COMPLETE").source())


UPKEEP_COMMANDS: Final = (
    logs,
    doctor,
    backup,
    restore,
    drain,
    log_level,
    config_group,
    support_bundle,
    completion,
)
