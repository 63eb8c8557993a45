"""Fixtures and helpers of the tests of jobs."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.types import Speech, SynthesisOptions
from audio_grpc.v1.job_pb2 import SpeechJob

TEXT = " ".join(f"This is sentence number {number}, to be heard." for number in range(12))
PIECES: dict[str, Any] = {"target_size": 40}
"""One sentence each."""


class Speaker:
    """Watches what the tone speaker is asked to say, and holds it where it comes to a word.

    Of what has the endless word it makes sound until it is closed.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.closed: list[str] = []
        self.held_word = ""
        self.endless_word = ""
        self.failing_word = ""
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def hold(self, word: str) -> None:
        """Holds the next text with this word; one that is held goes on by the event of before."""
        self.held_word = word
        self.reached, self.go_on = threading.Event(), threading.Event()

    def wrap(self, synthesize: Callable[..., Iterator[Speech]]) -> Callable[..., Iterator[Speech]]:
        def watched(speaker: ToneSpeaker, text: str, options: SynthesisOptions) -> Iterator[Speech]:
            self.said.append(text.strip())
            if self.failing_word and self.failing_word in text:
                raise RuntimeError("told to fail by a test")
            try:
                for speech in synthesize(speaker, text, options):
                    if self.held_word and self.held_word in text:
                        go_on = self.go_on
                        self.reached.set()
                        assert go_on.wait(60)
                    yield speech
                    while self.endless_word and self.endless_word in text and not self.go_on.is_set():
                        self.reached.set()
                        self.go_on.wait(0.01)  # as a model takes its time
                        yield speech
            except GeneratorExit:
                self.closed.append(text.strip())
                raise

        return watched


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Speaker]:
    """Watches the tone speakers of this process."""
    speaker = Speaker()
    monkeypatch.setattr(ToneSpeaker, "synthesize", speaker.wrap(ToneSpeaker.synthesize))
    yield speaker
    speaker.go_on.set()


async def ended(client: AsyncClient, job_id: str) -> SpeechJob:
    """The job, once it has."""
    return [job async for job in client.watch_job(job_id)][-1]


async def reached(client: AsyncClient, job_id: str, condition: Callable[[SpeechJob], bool]) -> SpeechJob:
    """The job, once it fulfils the condition."""
    async for job in client.watch_job(job_id):
        if condition(job):
            return job
    raise AssertionError("the job ended before")


async def sound(client: AsyncClient, job_id: str, **options: Any) -> bytes:
    """The audio of a job."""
    return b"".join([data async for data in client.download_job(job_id, **options)])


async def spoken(client: AsyncClient, text: str, **options: Any) -> bytes:
    """Returns the audio that Synthesize makes of a text."""
    return b"".join([data async for data in client.synthesize(text, **options)])


async def refused(call: Any) -> ServiceError:
    """Returns the error of a call, or of a stream."""
    with pytest.raises(ServiceError) as failure:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    return failure.value


def files(folder: Path) -> list[Path]:
    """Every file below the folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
