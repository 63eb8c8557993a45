"""Files that are on the disk, whatever happens next."""

import os
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """A new file with the bytes, which are on the disk when it returns; OSError."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """What was made, renamed or removed in it, on the disk when it returns; OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
