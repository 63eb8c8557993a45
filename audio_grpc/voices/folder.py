"""Custom voices in a folder, which several servers can share:

    <SHA-256 of the name>/   voice.json, and the sample: voice_6f1c0c7be0ab4f2f.sample
    .unfinished/             what a server is writing or removing right now

A voice is written in ``.unfinished`` and appears by being renamed. Renaming a folder fails if there is
another of that name with something in it (rename(2)): so of those who make a voice of one name at once, on
whatever server, one succeeds, and it takes no lock that a crash could leave behind. Removing is a rename too.
"""

import asyncio
import errno
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from pydantic import TypeAdapter

from audio_grpc.errors import StorageFailed, VoiceExists, VoiceNotFound
from audio_grpc.types import CustomVoice
from audio_grpc.voices.store import is_id, new_id

PLACE = re.compile(r"[0-9a-f]{64}")
UNFINISHED = ".unfinished"
ABANDONED_SECONDS = 3600.0
"""What has been unfinished for so long belongs to a server that was killed."""
DESCRIPTION = "voice.json"
JSON = TypeAdapter(CustomVoice)
SHOWN_CHARACTERS = 64
"""Of a name that no voice has: as long as names can be."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class FolderVoices:
    """Implements :class:`VoiceStore`; the folder is made when the first voice is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, voice: CustomVoice, sample: bytes) -> None:
        """See :meth:`VoiceStore.add`."""
        await self._off_loop("keep the voice", partial(self._add, voice, sample))

    async def all(self) -> list[CustomVoice]:
        """See :meth:`VoiceStore.all`; damaged ones are left out, and logged."""
        return await self._off_loop("list the voices", self._all)

    async def find(self, id_or_name: str) -> CustomVoice:
        """See :meth:`VoiceStore.find`."""
        return await self._off_loop("read the voice", partial(self._find, id_or_name))

    async def sample(self, voice: CustomVoice) -> bytes:
        """See :meth:`VoiceStore.sample`."""
        return await self._off_loop("read the voice", partial(self._sample, voice))

    async def remove(self, id_or_name: str) -> None:
        """See :meth:`VoiceStore.remove`; a damaged one can be removed by its name."""
        await self._off_loop("remove the voice", partial(self._remove, id_or_name))

    async def _off_loop(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            log.error("could not %s in %s: %s", what, self._folder, error)
            raise StorageFailed(
                f"could not {what}: {error.strerror or error}; the server's operator has to see to the space "
                "and the permissions at its voices_path"
            ) from error

    # In a thread; an OSError is _off_loop's.

    def _add(self, voice: CustomVoice, sample: bytes) -> None:
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            whole = Path(scratch, "voice")
            whole.mkdir(mode=0o700)  # recordings of persons are nobody else's business
            _write(_sample_of(whole, voice.id), sample)
            _write(whole / DESCRIPTION, JSON.dump_json(voice, indent=2))
            _sync(whole)
            self._publish(whole, voice.name)

    def _publish(self, whole: Path, name: str) -> None:
        """Give a voice its place, unless another has it."""
        place = self._place(name)
        try:
            whole.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise VoiceExists(
                f"there is a custom voice {name!r} already; choose another name, or delete it", field="name"
            ) from error
        try:
            _sync(self._folder)
        except OSError:
            place.rename(whole)  # whoever is told that it failed must not find it
            raise

    def _all(self) -> list[CustomVoice]:
        voices = []
        for place in self._places():
            with suppress(StorageFailed):  # and logged
                if voice := self._read(place):
                    voices.append(voice)
        return sorted(voices, key=lambda voice: (voice.create_time.timestamp(), voice.id))

    def _find(self, id_or_name: str) -> CustomVoice:
        voice = self._read(self._locate(id_or_name))
        if voice is None or id_or_name not in (voice.id, voice.name):
            raise _unknown(id_or_name)
        return voice

    def _sample(self, voice: CustomVoice) -> bytes:
        try:
            return _sample_of(self._place(voice.name), voice.id).read_bytes()
        except FileNotFoundError:
            raise _unknown(voice.id) from None

    def _remove(self, id_or_name: str) -> None:
        place = self._locate(id_or_name)
        # Nothing new is written, so that it works on a full disk.
        going = self._unfinished() / new_id()
        try:
            place.rename(going)
        except FileNotFoundError:
            raise _unknown(id_or_name) from None
        _sync(self._folder)
        with suppress(FileNotFoundError):  # another server is removing it too
            shutil.rmtree(going)

    def _places(self) -> list[Path]:
        """Where all voices are, but nothing that others put beside them (such as lost+found)."""
        try:
            return [path for path in self._folder.iterdir() if PLACE.fullmatch(path.name)]
        except FileNotFoundError:  # no voice was ever made
            return []

    def _place(self, name: str) -> Path:
        """Where the voice of that name is, whatever characters it has."""
        return self._folder / sha256(name.encode()).hexdigest()

    def _locate(self, id_or_name: str) -> Path:
        """Where the voice is; VoiceNotFound."""
        if is_id(id_or_name):
            for place in self._places():
                if _sample_of(place, id_or_name).exists():
                    return place
        elif (place := self._place(id_or_name)).exists():
            return place
        raise _unknown(id_or_name)

    def _read(self, place: Path) -> CustomVoice | None:
        """None if it was removed meanwhile; StorageFailed if it is damaged."""
        try:
            voice = JSON.validate_json((place / DESCRIPTION).read_bytes())
            if place != self._place(voice.name) or not _sample_of(place, voice.id).is_file():
                raise ValueError("it is not in its place, or has no sample")
        except (OSError, ValueError) as error:
            if not place.exists():
                return None
            log.warning("the voice in %s is damaged: %s", place, error)
            raise StorageFailed(
                "the voice is damaged, as the server's log says; delete it by its name, and make it again"
            ) from error
        return voice

    def _unfinished(self) -> Path:
        """The folder of what is unfinished, without what was abandoned."""
        unfinished = self._folder / UNFINISHED
        unfinished.mkdir(parents=True, exist_ok=True)
        for left in unfinished.iterdir():
            with suppress(FileNotFoundError):  # its server has finished
                if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        return unfinished


def _sample_of(place: Path, voice_id: str) -> Path:
    # Under its id, so that it is never taken for that of a later voice of the same name.
    return place / f"{voice_id}.sample"


def _write(path: Path, data: bytes) -> None:
    """The bytes, on the disk when it returns."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """What was made, renamed or removed in it, on the disk when it returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unknown(id_or_name: str) -> VoiceNotFound:
    return VoiceNotFound(
        f"there is no custom voice {id_or_name[:SHOWN_CHARACTERS]!r}; ListCustomVoices lists them", field="id"
    )
