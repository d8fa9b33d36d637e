"""Libraries that are read when they are first needed, without holding the event loop up."""

from contextlib import suppress
from importlib import import_module
from typing import Final

from dtaas.concurrency.blocking import Blocking

_DONE: Final[set[str]] = set()


async def imported(*modules: str) -> None:
    """Import modules in a thread: a driver takes a tenth of a second to half of one.

    One that is not installed is left to whoever needs it, who says so in words of his own.
    """
    missing = [module for module in modules if module not in _DONE]
    if missing:
        await Blocking(1)(_import, missing)


def _import(modules: list[str]) -> None:
    for module in modules:
        with suppress(ModuleNotFoundError):
            import_module(module)
        _DONE.add(module)
