"""Pipecat's services with their defaults: speech, transcription of turns, and realtime transcription."""

import asyncio
import sys

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.workers.runner import WorkerRunner
from recorded import RATE_HERTZ, frames

BASE_URL, SOUND = sys.argv[1:]
PARAMS = PipelineParams(audio_in_sample_rate=RATE_HERTZ, audio_out_sample_rate=RATE_HERTZ)


class Collector(FrameProcessor):
    """Keeps what comes out, and says when the last of it has."""

    def __init__(self, last: type[Frame]) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.done = asyncio.Event()
        self._last = last

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        if isinstance(frame, self._last):
            self.done.set()
        await self.push_frame(frame, direction)


async def ran(service: FrameProcessor, sent: list[Frame], last: type[Frame]) -> list[Frame]:
    """Returns what the service makes of these frames."""
    errors, collector = Collector(ErrorFrame), Collector(last)
    worker = PipelineWorker(
        Pipeline([errors, service, collector]), params=PARAMS, cancel_on_idle_timeout=False
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def begin(worker: PipelineWorker, frame: Frame) -> None:
        started.set()

    async def send() -> None:
        await started.wait()
        if isinstance(service, OpenAIRealtimeSTTService):
            while not service._session_ready:  # it sends what comes before that, too
                await asyncio.sleep(0.01)
        for frame in sent:
            await worker.queue_frame(frame)
        await collector.done.wait()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), send())
    assert not errors.done.is_set(), [frame for frame in errors.frames if isinstance(frame, ErrorFrame)]
    return collector.frames


async def main() -> None:
    client = {"api_key": "any", "base_url": f"{BASE_URL}/v1"}
    spoken = await ran(OpenAITTSService(**client), [TTSSpeakFrame("Good morning.")], TTSStoppedFrame)
    print("bytes:", sum(len(frame.audio) for frame in spoken if isinstance(frame, TTSAudioRawFrame)))
    sound: list[Frame] = [InputAudioRawFrame(frame, RATE_HERTZ, 1) for frame in frames(SOUND)]
    turn = [VADUserStartedSpeakingFrame(), *sound, VADUserStoppedSpeakingFrame()]
    realtime = OpenAIRealtimeSTTService(
        api_key="any", base_url=f"ws{BASE_URL.removeprefix('http')}/v1/realtime"
    )
    for name, service in (("heard", OpenAISTTService(**client)), ("realtime", realtime)):
        heard = await ran(service, turn, TranscriptionFrame)
        print(f"{name}:", "".join(frame.text for frame in heard if type(frame) is TranscriptionFrame).strip())


asyncio.run(main())
