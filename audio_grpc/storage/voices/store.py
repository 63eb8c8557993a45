"""The interface that a store of custom voices implements."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audio_grpc.types import CustomVoice

ID = re.compile(r"voice_[0-9a-f]{16}")


def new_id() -> str:
    """Returns an id that no voice has had: 64 random bits."""
    return f"voice_{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Tells if ``text`` is an id. No voice has such a name, so ids and names cannot be mixed up."""
    return ID.fullmatch(text) is not None


@dataclass(frozen=True)
class Viewer:
    """The view of one key, of its own voices and the shared ones."""

    key_id: str = ""
    sees_all: bool = False
    """True if the viewer sees those of all other keys as well."""

    def sees(self, owner: str) -> bool:
        """Tells if the voices of this owner are there, for this viewer."""
        return self.sees_all or owner in ("", self.key_id)

    def may_change(self, owner: str) -> bool:
        """Tells if they are this viewer's to change; what is shared concerns everybody."""
        return self.sees_all or (owner == self.key_id and owner != "")


EVERYBODYS = Viewer(sees_all=True)


class VoiceStore(Protocol):
    """Keeps custom voices and their samples. Every method raises StorageFailed if it cannot.

    Ids are never mixed up with names and aliases, and no two voices have the same id. No two voices of one
    key have the same name or alias, nor two that are shared, and nobody can give a voice the name of a shared
    one. A name stands for a voice of the viewer's own before a shared one. What a ``viewer`` does not see is
    not there, VoiceNotFound; who sees a voice and may not change it gets ScopeMissing.
    """

    async def add(self, voice: CustomVoice, sample: bytes) -> None:
        """Keep a voice and its sample whole, or nothing of them. Raises VoiceExists if one has the name."""

    async def all(self, viewer: Viewer) -> list[CustomVoice]:
        """Oldest first."""

    async def find(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """Returns the voice of that id, name or alias. Raises VoiceNotFound."""

    async def sample(self, voice: CustomVoice) -> bytes:
        """Returns a voice's sample as it came. Raises VoiceNotFound if the voice was removed meanwhile."""

    async def share(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """Let everybody have a voice, with its name and those aliases that are free. See :meth:`add`."""

    async def update(
        self, id_or_name: str, name: str | None, aliases: Sequence[str] | None, viewer: Viewer
    ) -> None:
        """Give a voice another name, other aliases, or both; None leaves them. All of it, or nothing.

        It keeps its id. Raises VoiceNotFound, VoiceExists.
        """

    async def aliases(self) -> Mapping[str, Sequence[str]]:
        """The further names of voices, by the id of each."""

    async def default(self, viewer: Viewer) -> str:
        """The id of the voice for those who name none; empty if there is none that the viewer sees."""

    async def set_default(self, voice_id: str) -> None:
        """Make it the voice for those who name none; empty for none."""

    async def clean(self) -> list[str]:
        """Remove what has lost its sample, or the voice that it stood for; the names."""

    async def remove(self, id_or_name: str, viewer: Viewer) -> None:
        """Deletes a voice and its sample. Raises VoiceNotFound."""
