"""Stores the sound of jobs and of past requests in a folder, or in anything that fsspec reaches (S3, ...).

    <id of the job>/<number of the piece>-<random>.pcm   16-bit samples, little-endian
    <id of the past request>/audio                       the sound as its caller got or sent it

A name is used once, and stands in the database only when all of its bytes are kept: what a crash leaves
behind is never heard, and goes when its job is deleted.
"""

import asyncio
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

from audio_grpc import disk
from audio_grpc.errors import ConfigurationError, StorageFailed
from audio_grpc.extras import install

SAMPLE_BYTES = 2

T = TypeVar("T")
log = logging.getLogger(__name__)


class BlobBackend(Protocol):
    """The synchronous operations of both kinds of storage. They raise OSError if they fail."""

    def write(self, folder: str, name: str, data: bytes) -> None:
        """All of the bytes, or nothing."""

    def read(self, folder: str, name: str) -> bytes:
        """Returns the bytes that were written."""

    def sizes(self, folder: str) -> dict[str, int]:
        """The names of all that is there, and how many bytes each has."""

    def remove(self, folder: str, name: str) -> None:
        """Removes a file, if it is there."""

    def clear(self, folder: str) -> None:
        """Removes all files of the folder, if there are any."""


class Blobs:
    """The sound of jobs and of past requests. Every method raises StorageFailed if it cannot."""

    def __init__(self, place: BlobBackend) -> None:
        self._place = place

    async def add(self, job_id: str, number: int, data: bytes) -> str:
        """Keeps the sound of a piece; returns its name."""
        name = f"{number:06}-{secrets.token_hex(4)}.pcm"
        await self.keep(job_id, name, data)
        return name

    async def keep(self, owner_id: str, name: str, data: bytes) -> None:
        """Keep a sound under a name that its owner, a job or a past request, has not used before."""
        await self._off_loop("keep the audio", partial(self._place.write, owner_id, name, data))

    async def read(self, owner_id: str, name: str) -> bytes:
        """Returns the sound that was kept under the name."""
        return await self._off_loop("read the audio", partial(self._place.read, owner_id, name))

    async def sizes(self, owner_id: str) -> dict[str, int]:
        """The names of all sounds of an owner that are there, and how many bytes each has."""
        return await self._off_loop("look for the audio", partial(self._place.sizes, owner_id))

    async def remove(self, job_id: str, name: str) -> None:
        """Forget the sound of a piece."""
        await self._off_loop("remove the audio", partial(self._place.remove, job_id, name))

    async def clear(self, owner_id: str) -> None:
        """Forget all sound of an owner."""
        await self._off_loop("remove the audio", partial(self._place.clear, owner_id))

    async def _off_loop(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            log.error("could not %s: %s", what, error)
            raise StorageFailed(
                f"could not {what}: {error.strerror or type(error).__name__}; the server's operator has to "
                "see to the space and the permissions at its results_url"
            ) from error


def open_blobs(url: str) -> Blobs:
    """The place that ``url`` names: a folder's path, or a URL of fsspec's. Raises ConfigurationError."""
    if "://" not in url:
        return Blobs(FolderBlobs(Path(url)))
    try:
        filesystem, path = import_module("fsspec").core.url_to_fs(url)
    except ImportError as error:
        raise ConfigurationError(
            f"results_url is {url!r}, for which something is missing ({error}); install: "
            f"{install('fsspec')}, and what fsspec needs for this kind of address"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"results_url is {url!r}, which fsspec does not know: {error}") from error
    return Blobs(RemoteBlobs(filesystem, path))


class FolderBlobs:
    """A folder of folders; it is made when the first sound is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, folder: str, name: str, data: bytes) -> None:
        """See :meth:`Place.write`."""
        within = self._path / folder
        within.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = within / name
        try:
            disk.write(path, data)
            disk.sync(within)
        except OSError:
            self.remove(folder, name)
            raise

    def read(self, folder: str, name: str) -> bytes:
        """See :meth:`Place.read`."""
        return (self._path / folder / name).read_bytes()

    def sizes(self, folder: str) -> dict[str, int]:
        """See :meth:`Place.sizes`."""
        with suppress(FileNotFoundError), os.scandir(self._path / folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}
        return {}

    def remove(self, folder: str, name: str) -> None:
        """See :meth:`Place.remove`; an empty folder goes as well."""
        (self._path / folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            (self._path / folder).rmdir()

    def clear(self, folder: str) -> None:
        """See :meth:`Place.clear`."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._path / folder)


class RemoteBlobs:
    """A folder of folders that fsspec reaches: https://filesystem-spec.readthedocs.io."""

    def __init__(self, filesystem: Any, path: str) -> None:
        self._filesystem = filesystem
        self._path = path.rstrip("/")

    def write(self, folder: str, name: str, data: bytes) -> None:
        """See :meth:`Place.write`."""
        self._filesystem.makedirs(f"{self._path}/{folder}", exist_ok=True)
        try:
            self._filesystem.pipe_file(f"{self._path}/{folder}/{name}", data)
        except OSError:
            self.remove(folder, name)
            raise

    def read(self, folder: str, name: str) -> bytes:
        """See :meth:`Place.read`."""
        data: bytes = self._filesystem.cat_file(f"{self._path}/{folder}/{name}")
        return data

    def sizes(self, folder: str) -> dict[str, int]:
        """See :meth:`Place.sizes`."""
        path = f"{self._path}/{folder}"
        self._filesystem.invalidate_cache(path)
        with suppress(FileNotFoundError):
            return {
                file["name"].rpartition("/")[2]: file["size"]
                for file in self._filesystem.ls(path, detail=True)
            }
        return {}

    def remove(self, folder: str, name: str) -> None:
        """See :meth:`Place.remove`."""
        with suppress(FileNotFoundError):
            self._filesystem.rm_file(f"{self._path}/{folder}/{name}")

    def clear(self, folder: str) -> None:
        """See :meth:`Place.clear`."""
        with suppress(FileNotFoundError):
            self._filesystem.rm(f"{self._path}/{folder}", recursive=True)
