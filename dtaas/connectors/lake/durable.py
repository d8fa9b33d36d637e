"""File system calls that survive a power cut, and small questions about folders."""

import os
from pathlib import Path
from typing import IO


def sync(file: IO[bytes]) -> None:
    """Make a file's content durable."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(file: IO[bytes], draft: Path, path: Path) -> None:
    """Give a draft its name, durable in content and name."""
    sync(file)
    draft.replace(path)
    sync_folder(path.parent)


def make_folders(folder: Path) -> None:
    """Make a folder and its parents, durable."""
    missing = [folder]
    while not missing[-1].exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing[:-1]):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def any_entry(folder: Path) -> bool:
    """Return whether a folder holds anything; a missing one does not."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False


def remove_empty(folder: Path) -> None:
    """Remove a folder that was empty a moment ago; a file that came meanwhile keeps it."""
    if folder.is_dir() and not any_entry(folder):
        folder.rmdir()
