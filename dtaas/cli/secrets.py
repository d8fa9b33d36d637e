"""`dtaas secrets`: the key that the connectors' secrets are sealed with."""

import os
from pathlib import Path

import anyio
import click
import msgspec


@click.group()
def secrets() -> None:
    """The key of the connectors' secrets."""


@secrets.command()
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's TOML file.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the daemon's state.")
@click.option(
    "--new-key-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the new key (64 hex digits); without, one is made.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def rotate(
    config: Path | None, data_dir: Path | None, new_key_file: Path | None, *, as_json: bool
) -> None:
    """Seal the secrets of connectors and alert channels with a new key; no daemon may run.

    All or nothing, whenever it is cut off. The old key stays beside the new one for older backups:
    keep it where they are, or remove it. Access tokens of machines end.
    """
    from dtaas.settings import load_settings  # noqa: PLC0415
    from dtaas.store.address import parse_address  # noqa: PLC0415 - slow to load
    from dtaas.store.key_place import key_place  # noqa: PLC0415
    from dtaas.store.rotation import Rotated, rotate_key  # noqa: PLC0415
    from dtaas.store.store import utc_now  # noqa: PLC0415

    overrides = {"daemon": {"data_dir": str(data_dir)}} if data_dir else {}
    settings = load_settings(config, overrides=overrides)
    folder = settings.data_dir(os.environ)

    async def work() -> Rotated:
        return await rotate_key(
            parse_address(settings.store.url, folder),
            key_place(settings.store, folder, os.environ),
            utc_now,
            new_key_file=new_key_file,
        )

    done = anyio.run(work)
    if as_json:
        click.echo(msgspec.json.encode(done))
        return
    click.echo(
        f"Sealed anew: {done.connectors} connectors, {done.alert_channels} alert channels."
        f" The key is {done.new_key} now, it was {done.old_key}."
    )
    if done.kept:
        click.echo(f"Backups made before need the old key: {done.kept}")
    if done.install:
        click.echo(done.install)
