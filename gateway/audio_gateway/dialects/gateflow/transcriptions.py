"""Transcripts as GateFlow streams them: all that was heard so far, line by line."""

from collections.abc import AsyncGenerator
from typing import Any

from audio_gateway import ndjson
from audio_gateway.answers import Answer
from audio_gateway.dialects.gateflow.errors import failure
from audio_grpc.client import AsyncTranscript


def answer(transcript: AsyncTranscript) -> Answer:
    """``partial`` lines, and at last a ``final`` one."""
    return ndjson.stream(_events(transcript), failure)


async def _events(transcript: AsyncTranscript) -> AsyncGenerator[dict[str, Any] | None, None]:
    async with transcript:
        await transcript.start()
        yield None
        text = ""
        async for segment in transcript:
            text += segment.text
            yield {"type": "partial", "text": text.strip()}
        yield {"type": "final", "text": text.strip()}
