"""Fixtures and helpers of the tests of the history."""

from functools import partial
from typing import Any

import pytest

from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.v1.history_pb2 import PastRequest
from tests.conftest import Start
from tests.eventually import eventually

TEXT = "This is said once. And it is kept."


@pytest.fixture
def keeping(start: Start) -> Start:
    """Starts servers that keep all that they can."""
    return partial(start, history=True, history_audio="all", history_texts=True)


async def kept(client: AsyncClient, count: int = 1, **which: Any) -> list[PastRequest]:
    """The past requests, once there are so many: they are written just after their callers were answered."""

    found: list[PastRequest] = []

    async def enough() -> bool:
        found[:] = (await client.list_past_requests(**which).page()).requests
        return len(found) >= count

    await eventually(enough)
    assert len(found) == count
    return found


async def speak(client: AsyncClient, text: str = TEXT, **options: Any) -> bytes:
    """Returns the audio that Synthesize makes of a text."""
    return b"".join([data async for data in client.synthesize(text, **options)])


async def hear(client: AsyncClient, recording: bytes, **options: Any) -> str:
    """Returns the text that Transcribe makes of a recording."""
    return "".join([segment.text async for segment in client.transcribe(recording, **options)])


async def played(client: AsyncClient, past: PastRequest) -> bytes:
    """The sound of a past request."""
    return b"".join([data async for data in client.past_audio(past.id)])


async def refused(call: Any) -> ServiceError:
    """Returns the error of a call, or of a stream."""
    with pytest.raises(ServiceError) as failure:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    return failure.value
