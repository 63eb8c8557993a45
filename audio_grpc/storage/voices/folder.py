"""Custom voices in a folder, off the event loop; ``places.py`` says what is in it."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from audio_grpc.errors import StorageFailed
from audio_grpc.storage.voices.files import VoiceFiles
from audio_grpc.storage.voices.store import Viewer
from audio_grpc.types import CustomVoice

T = TypeVar("T")
log = logging.getLogger(__name__)


class FolderVoices:
    """Implements :class:`VoiceStore`; the folder is made when the first voice is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = VoiceFiles(folder)

    async def add(self, voice: CustomVoice, sample: bytes) -> None:
        """See :meth:`VoiceStore.add`."""
        await self._off_loop("keep the voice", partial(self._places.add, voice, sample))

    async def all(self, viewer: Viewer) -> list[CustomVoice]:
        """See :meth:`VoiceStore.all`; damaged ones are left out, and logged."""
        return await self._off_loop("list the voices", partial(self._places.all, viewer))

    async def find(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """See :meth:`VoiceStore.find`."""
        return await self._off_loop("read the voice", partial(self._places.find, id_or_name, viewer))

    async def sample(self, voice: CustomVoice) -> bytes:
        """See :meth:`VoiceStore.sample`."""
        return await self._off_loop("read the voice", partial(self._places.sample, voice))

    async def remove(self, id_or_name: str, viewer: Viewer) -> None:
        """See :meth:`VoiceStore.remove`; a damaged one can be removed by its name."""
        await self._off_loop("remove the voice", partial(self._places.remove, id_or_name, viewer))

    async def share(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """See :meth:`VoiceStore.share`; a server that is killed midway leaves the voice in both places."""
        return await self._off_loop("share the voice", partial(self._places.share, id_or_name, viewer))

    async def update(
        self, id_or_name: str, name: str | None, aliases: Sequence[str] | None, viewer: Viewer
    ) -> None:
        """See :meth:`VoiceStore.update`; a server that is killed midway leaves the voice under both names."""
        work = partial(self._places.update, id_or_name, name, aliases, viewer)
        await self._off_loop("update the voice", work)

    async def aliases(self) -> Mapping[str, Sequence[str]]:
        """See :meth:`VoiceStore.aliases`."""
        return await self._off_loop("list the voices", self._places.aliases)

    async def default(self, viewer: Viewer) -> str:
        """See :meth:`VoiceStore.default`."""
        return await self._off_loop("read the default voice", partial(self._places.default, viewer))

    async def set_default(self, voice_id: str) -> None:
        """See :meth:`VoiceStore.set_default`."""
        await self._off_loop("keep the default voice", partial(self._places.set_default, voice_id))

    async def clean(self) -> list[str]:
        """See :meth:`VoiceStore.clean`; what cannot be read for another reason is left alone."""
        return await self._off_loop("clean up the voices", self._places.clean)

    async def _off_loop(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            log.error("could not %s in %s: %s", what, self._folder, error)
            raise StorageFailed(
                f"could not {what}: {error.strerror or error}; the server's operator has to see to the space "
                "and the permissions at its voices_path"
            ) from error
