"""Named points of a load's way, and a way to know the moment one is reached.

A point is a function of the product. While it is watched, its first call says so on the event loop
and goes on; what is cancelled then is cancelled while that call is at work, mostly in a thread.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from dtaas.connectors.lake import drafts
from dtaas.connectors.lake.drafts import Draft
from dtaas.connectors.lake.encode import ParquetEncoder
from dtaas.connectors.lake.s3_upload import S3Upload
from dtaas.tds.session import Result, Session

READING: dict[str, tuple[Any, str]] = {
    "connecting": (Session, "connect"),
    "asking": (Session, "query"),
    "reading rows": (Result, "next"),
    "encoding": (ParquetEncoder, "write"),
    "ending a file": (ParquetEncoder, "close"),
}
FOLDER: dict[str, tuple[Any, str]] = {
    "writing a part": (Draft, "_take"),
    "syncing a file": (drafts, "sync"),
    "naming a file": (drafts, "publish"),
}
S3: dict[str, tuple[Any, str]] = {
    "starting an upload": (S3Upload, "_create"),
    "sending a part": (S3Upload, "_send_part"),
    "completing an upload": (S3Upload, "_complete"),
}


@contextmanager
def watched(owner: Any, name: str) -> Iterator[anyio.Event]:
    """Give the event that is set when the function is called first."""
    original = getattr(owner, name)
    reached = anyio.Event()
    loop = asyncio.get_running_loop()
    wrapper = _wrapper(original, lambda: loop.call_soon_threadsafe(reached.set))
    setattr(owner, name, wrapper)
    try:
        yield reached
    finally:
        setattr(owner, name, original)


def _wrapper(original: Callable[..., Any], say: Callable[[], object]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        async def waiting(*args: Any, **kwargs: Any) -> Any:
            say()
            return await original(*args, **kwargs)

        return waiting

    def blocking(*args: Any, **kwargs: Any) -> Any:
        say()
        return original(*args, **kwargs)

    return blocking
