"""The emulator as a process: `python -m dtaas.sandbox.snowflake.process FOLDER PORT`."""

import signal
import sys
from pathlib import Path
from typing import Final

import anyio
import uvicorn

from dtaas.sandbox.snowflake.account import Account
from dtaas.sandbox.snowflake.http.app import App

HOST: Final = "127.0.0.1"
_GRACE_S: Final = 3


class _Server(uvicorn.Server):
    """uvicorn without its own handling of signals."""

    def install_signal_handlers(self) -> None:
        """Leave the signals to `serve`."""


async def serve(folder: Path, port: int) -> None:
    """Serve the account in a folder until SIGTERM or SIGINT."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    async with anyio.create_task_group() as group:
        account = Account(folder, group)
        config = uvicorn.Config(
            App(account),
            host=HOST,
            port=port,
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = _Server(config)
        group.start_soon(_stop_on_signal, server)
        await server.serve()
        for session in account.logins.sessions:
            await account.close_session(session)
        account.store.close()
        group.cancel_scope.cancel()


async def _stop_on_signal(server: uvicorn.Server) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            server.should_exit = True


if __name__ == "__main__":
    anyio.run(serve, Path(sys.argv[1]), int(sys.argv[2]))
