"""`dtaas serve`: the daemon."""

import gc
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from dtaas.settings import load_settings


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--host", help="Address to listen on; over [api] host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the daemon's state.")
def serve(config: Path | None, host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C.

    A stop drains: what was read is written and recorded, within [daemon] shutdown_grace_s. A
    second signal cuts it short. Killed at any instant, it goes on where it was at the next start.
    """
    gc.disable()  # until it has started: what it makes stays, and is looked at once
    from dtaas.allocator import return_freed_memory  # noqa: PLC0415
    from dtaas.concurrency.logbook import LOGBOOK  # noqa: PLC0415
    from dtaas.daemon import run_daemon  # noqa: PLC0415 - loads everything
    from dtaas.logs import configure_logs  # noqa: PLC0415

    overrides: dict[str, dict[str, Any]] = {
        "api": {k: v for k, v in {"host": host, "port": port}.items() if v is not None},
        "daemon": {"data_dir": str(data_dir)} if data_dir else {},
    }
    read = partial(load_settings, config, overrides=overrides)
    settings = read()
    configure_logs(level=settings.log.level, form=settings.log.format, book=LOGBOOK)
    return_freed_memory()
    anyio.run(run_daemon, settings, read)
