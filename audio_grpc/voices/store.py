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
    """Keeps custom voices and their samples. Every method raises StorageFailed if it cannot."""

    async def add(self, voice: CustomVoice, sample: bytes) -> None:
        """Keep a voice and its sample whole, or nothing of them. VoiceExists if one has the name."""

    async def all(self) -> list[CustomVoice]:
        """Oldest first."""

    async def find(self, id_or_name: str) -> CustomVoice:
        """One of them. VoiceNotFound."""

    async def sample(self, voice: CustomVoice) -> bytes:
        """Its sample, as it came. VoiceNotFound if it was removed meanwhile."""

    async def remove(self, id_or_name: str) -> None:
        """Forget a voice and its sample. VoiceNotFound."""
