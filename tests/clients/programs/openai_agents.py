"""The voice pipeline of openai-agents with its default models: a recording, and a microphone."""

import asyncio
import sys
from collections.abc import AsyncIterator

import numpy as np
from agents import set_tracing_disabled
from agents.voice import (
    AudioInput,
    OpenAIVoiceModelProvider,
    StreamedAudioInput,
    VoicePipeline,
    VoicePipelineConfig,
    VoiceWorkflowBase,
)
from recorded import frames, samples

BASE_URL, SOUND = sys.argv[1:]
set_tracing_disabled(True)


class Echo(VoiceWorkflowBase):
    """Answers what was said with the same."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def run(self, transcription: str) -> AsyncIterator[str]:
        print("heard:", transcription)
        self.heard.set()
        yield transcription


def pipeline(workflow: Echo) -> VoicePipeline:
    provider = OpenAIVoiceModelProvider(api_key="any", base_url=f"{BASE_URL}/v1")
    return VoicePipeline(workflow=workflow, config=VoicePipelineConfig(model_provider=provider))


async def main() -> None:
    sound = np.frombuffer(samples(SOUND), np.int16)
    result = await pipeline(Echo()).run(AudioInput(buffer=sound))
    size = sum(
        [len(event.data) async for event in result.stream() if event.type == "voice_stream_event_audio"]
    )
    print("samples:", size)

    microphone, workflow = StreamedAudioInput(), Echo()
    result = await pipeline(workflow).run(microphone)
    for frame in frames(SOUND):
        await microphone.add_audio(np.frombuffer(frame, np.int16))
    await microphone.add_audio(None)
    size = sum(
        [len(event.data) async for event in result.stream() if event.type == "voice_stream_event_audio"]
    )
    print("samples:", size)


asyncio.run(main())
