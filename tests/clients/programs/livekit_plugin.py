"""LiveKit's plugin for OpenAI with its defaults: speech, transcription, and realtime by its own VAD."""

import asyncio
import sys

from livekit import rtc
from livekit.agents import stt
from livekit.agents.utils import http_context
from livekit.plugins import openai
from recorded import RATE_HERTZ, frames, samples

BASE_URL, SOUND = sys.argv[1:]
CLIENT = {"api_key": "any", "base_url": f"{BASE_URL}/v1"}


def frame(data: bytes) -> rtc.AudioFrame:
    """The samples as the room gives them."""
    return rtc.AudioFrame(data, RATE_HERTZ, 1, len(data) // 2)


async def final(stream: stt.SpeechStream) -> str:
    """The first final transcript."""
    async for event in stream:
        if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
            return event.alternatives[0].text
    raise AssertionError("no transcript came")


async def main() -> None:
    async with http_context.open():
        async with openai.TTS(**CLIENT).synthesize("Good morning.") as spoken:
            print("samples:", sum([piece.frame.samples_per_channel async for piece in spoken]))
        for model in ("gpt-4o-mini-transcribe", "whisper-1"):
            heard = await openai.STT(model=model, **CLIENT).recognize(frame(samples(SOUND)))
            print("heard:", heard.alternatives[0].text, heard.alternatives[0].language)
        for model in ("gpt-realtime-whisper", "gpt-live-transcribe", "gpt-4o-mini-transcribe"):
            service = openai.STT(model=model, use_realtime=True, **CLIENT)
            async with service.stream() as stream:
                for data in frames(SOUND):
                    stream.push_frame(frame(data))
                print(f"{model}:", await final(stream))
            await service.aclose()


asyncio.run(main())
