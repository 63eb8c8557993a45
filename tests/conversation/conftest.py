"""Conversations on the tone backends, with a chat endpoint that the test plays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from audio_grpc.client import AsyncClient, AsyncConversation, Encoding, LiveSpeechOptions
from audio_grpc.server import Server
from audio_grpc.v1.conversation_pb2 import ConversationFinished, ReplyAudio
from tests.conftest import PATIENCE_SECONDS, Start
from tests.conversation.chat_double import ChatDouble
from tests.eventually import eventually

RATE = 24000
"""The rate of the tone speaker."""
PCM: LiveSpeechOptions = {"encoding": Encoding.PCM_S16LE}
BYTE = RATE // 10 * 2
"""100 ms of 16-bit samples: one byte of text."""


class House:
    """A server, its client, and the chat endpoint."""

    def __init__(self, server: Server, client: AsyncClient, chat: ChatDouble) -> None:
        self.server = server
        self.client = client
        self.chat = chat

    async def spoken(self, text: str) -> bytes:
        """Samples in which somebody says the text."""
        return b"".join([data async for data in self.client.synthesize(text, encoding=Encoding.PCM_S16LE)])

    async def until_free(self) -> None:
        """Wait until no place is taken."""
        speaking = self.server.models.synthesizer("").admission
        hearing = self.server.models.transcriber("")
        await eventually(
            lambda: not (speaking.running or hearing.live_admission.running or hearing.admission.running)
        )


Open = Callable[..., Awaitable[House]]


@pytest.fixture
async def chat() -> AsyncIterator[ChatDouble]:
    async with ChatDouble() as double:
        yield double


@pytest.fixture
def open_house(start: Start, chat: ChatDouble) -> Open:
    """Starts a server whose pipelines ask the double; ``llm`` changes how."""

    async def open_one(llm: dict[str, Any] | None = None, **changes: Any) -> House:
        table = {"base_url": chat.base_url, "system_prompt": "Be brief.", **(llm or {})}
        pipelines = changes.pop("pipelines", {"agent": {}})
        named = {name: {**spec, "llm": table} for name, spec in pipelines.items()}
        server, client = await start(pipelines=named, **changes)
        return House(server, client, chat)

    return open_one


@pytest.fixture
async def house(open_house: Open) -> House:
    return await open_house()


async def following(conversation: AsyncConversation, kind: type[Any]) -> Any:
    """The next event of that kind."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in conversation:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the conversation ended without a {kind.__name__}")


async def rest(conversation: AsyncConversation) -> tuple[list[Any], ConversationFinished]:
    """All events that are still to come."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [event async for event in conversation], conversation.finished


def sound(events: list[Any]) -> bytes:
    """Returns the sound of all audio events."""
    return b"".join(event.audio.data for event in events if isinstance(event, ReplyAudio))


def kinds(events: list[Any]) -> list[str]:
    """The names of the events, neighbours of one name as one."""
    names = [type(event).__name__ for event in events]
    return [name for place, name in enumerate(names) if names[place - 1 : place] != [name]]
