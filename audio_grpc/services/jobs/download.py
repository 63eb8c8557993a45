"""The audio of a job, encoded as it is sent: one container over all pieces."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator

import numpy as np

from audio_grpc.audio import Encoder
from audio_grpc.errors import JobIncomplete, StorageFailed
from audio_grpc.storage import Blobs, JobStore
from audio_grpc.telemetry.call import Call
from audio_grpc.types import Audio, Encoding, Job, JobState

FULL_SCALE = np.float32(32768)  # what the encoder multiplies by
FOLLOW_SECONDS = 0.5
"""The seconds between two looks for another spoken piece of a job that is followed."""

Wait = Callable[[float], Awaitable[None]]


class Download:
    """Reads the pieces of a job, and those that follow while it is being spoken, into one file."""

    def __init__(self, store: JobStore, blobs: Blobs, job: Job, call: Call, wait: Wait) -> None:
        self._store = store
        self._blobs = blobs
        self._job = job
        self._call = call
        self._wait = wait

    async def parts(self, encoding: Encoding, sample_rate_hertz: int) -> AsyncGenerator[bytes, None]:
        """Yields the file, at most 16 KiB at a time. Raises JobIncomplete if the job ends before that."""
        encoder = Encoder(encoding, sample_rate_hertz)
        try:
            async for audio in self._pieces():
                for part in await _encoded(encoder.write, audio):
                    self._call.audio_seconds_out = encoder.seconds
                    yield part
            for part in await _encoded(encoder.finish):
                self._call.audio_seconds_out = encoder.seconds
                yield part
        finally:
            encoder.close()

    async def _pieces(self) -> AsyncIterator[Audio]:
        read = 0
        job = self._job
        while True:
            for blob in await self._store.blobs(job.id, read):
                if (data := await self._read(blob)) is None:
                    break
                read += 1
                pcm = np.frombuffer(data, "<i2")
                yield Audio(pcm.astype(np.float32) / FULL_SCALE, job.sample_rate_hertz)
            if read == job.pieces_total:
                return
            require_hope(job)
            await self._wait(FOLLOW_SECONDS)
            job = await self._store.find(job.id, None)

    async def _read(self, blob: str) -> bytes | None:
        """Returns a piece's sound; None if it is gone and will be spoken again before the job completes.

        Raises JobNotFound if the job was deleted meanwhile, and its sound with it.
        """
        try:
            return await self._blobs.read(self._job.id, blob)
        except StorageFailed as error:
            job = await self._store.find(self._job.id, None)
            if job.state.has_ended or not isinstance(error.__cause__, FileNotFoundError):
                raise
            return None


def require_hope(job: Job) -> None:
    """Raises JobIncomplete for one that has ended and is not whole."""
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise JobIncomplete(
            f"the job is {job.state.value}, and {job.pieces_done} of its {job.pieces_total} pieces were "
            "spoken; retry it, or make it again",
            field="id",
        )


async def _encoded(encode: Callable[..., Iterator[bytes]], *audio: Audio) -> list[bytes]:
    """Off the event loop: a minute of MP3 takes 50 ms."""
    work = asyncio.ensure_future(asyncio.to_thread(lambda: list(encode(*audio))))
    try:
        return await asyncio.shield(work)
    finally:
        # Whoever leaves waits for the thread: closing a container that is being written crashes the process.
        await asyncio.wait((work,))
