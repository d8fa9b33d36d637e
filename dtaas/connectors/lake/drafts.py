"""A file that is written under a hidden name, and gets its own when it is whole."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dtaas.connectors.lake.durable import publish, sync
from dtaas.connectors.lake.errors import from_os_error
from dtaas.connectors.lake.parts import CountingSink


class Draft(CountingSink):
    """A file that appears under its name at `publish`, or never. Raises `DtaasError` only.

    A cancelled call's thread is not waited for, since writing and syncing may take seconds: it
    removes the file itself, when it finds that the draft was given up.
    """

    def __init__(self, what: str, place: Callable[[], tuple[Path, Path]]) -> None:
        """Prepare; there is no file before the first byte.

        Args:
            what: begins the errors, such as `Writing a/b.parquet`.
            place: returns a hidden path of its own and, in the same folder, which exists then,
                what the file is to be called.
        """
        super().__init__()
        self._what = what
        self._place = place
        self._paths: tuple[Path, Path] | None = None
        self._file: IO[bytes] | None = None
        self._at_work = threading.Lock()
        self._given_up = False

    def publish(self) -> None:
        """Make the file durable and give it its name. One without a byte is not made."""
        with self._working():
            if self._file is None or self._paths is None:
                return
            sync(self._file)  # may take seconds
            if not self._given_up:
                publish(self._file, *self._paths)
                self._file.close()
                self._paths = None

    def give_up(self) -> None:
        """Remove the file unless it is published; a thread that is at work on it does so."""
        self._given_up = True
        self._remove_given_up()

    def _take(self, data: bytes) -> None:
        with self._working():
            if self._given_up:
                return
            if self._file is None:
                self._paths = self._place()
                self._file = self._paths[0].open("xb", buffering=0)
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            with self._at_work:
                yield
        except OSError as error:
            raise from_os_error(error, self._what) from error
        finally:
            self._remove_given_up()

    def _remove_given_up(self) -> None:
        """Remove a file that was given up, if nobody is at work on it: who is, does it after."""
        if self._given_up and self._at_work.acquire(blocking=False):
            try:
                if self._file is not None:
                    self._file.close()
                if self._paths is not None:
                    self._paths[0].unlink(missing_ok=True)
            finally:
                self._at_work.release()
