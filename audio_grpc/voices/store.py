"""What the service asks of whatever keeps its custom voices."""

import re
import secrets
from typing import Protocol

from audio_grpc.types import CustomVoice

ID = re.compile(r"voice_[0-9a-f]{16}")


def new_id() -> str:
    """An id that no voice has had: 64 random bits."""
    return f"voice_{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Whether ``text`` is an id. No voice is named so, hence ids and names cannot be mixed up."""
    return ID.fullmatch(text) is not None


class VoiceStore(Protocol):
    """Keeps custom voices and their samples. Every method raises StorageFailed if it cannot.

    Names, aliases and ids are never mixed up: no two are the same.
    """

    async def add(self, voice: CustomVoice, sample: bytes) -> None:
        """Keep a voice and its sample whole, or nothing of them. VoiceExists if one has the name."""

    async def all(self) -> list[CustomVoice]:
        """Oldest first."""

    async def find(self, id_or_name: str) -> CustomVoice:
        """One of them, also by an alias. VoiceNotFound."""

    async def sample(self, voice: CustomVoice) -> bytes:
        """Its sample, as it came. VoiceNotFound if it was removed meanwhile."""

    async def rename(self, id_or_name: str, name: str) -> CustomVoice:
        """Give a voice another name; it keeps its id and its aliases. VoiceNotFound, VoiceExists."""

    async def aliases(self) -> dict[str, str]:
        """Further names, and the id of the voice that each stands for."""

    async def add_alias(self, id_or_name: str, alias: str) -> None:
        """Give a voice a further name. VoiceNotFound, VoiceExists."""

    async def remove_alias(self, id_or_name: str, alias: str) -> None:
        """Take a further name from a voice. VoiceNotFound if it does not have it."""

    async def default(self) -> str:
        """The id of the voice for those who name none; empty if there is none."""

    async def set_default(self, voice_id: str) -> None:
        """Make it the voice for those who name none; empty for none."""

    async def clean(self) -> list[str]:
        """Remove what has lost its sample, or the voice that it stood for; the names."""

    async def remove(self, id_or_name: str) -> None:
        """Forget a voice and its sample. VoiceNotFound."""
