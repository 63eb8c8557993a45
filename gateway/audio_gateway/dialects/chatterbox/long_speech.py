"""Asking for long texts as Chatterbox's clients do, following them, and fetching their sound."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator

from audio_gateway import sse
from audio_gateway.answers import Answer, AnswerHead
from audio_gateway.dialects.chatterbox.jobs import STATES, percentage, progress
from audio_gateway.dialects.chatterbox.speech import SpokenText
from audio_gateway.speech import Format
from audio_grpc.client import AsyncClient, DownloadOptions, Encoding
from audio_grpc.convert import TO_ENCODING
from audio_grpc.v1.job_pb2 import SpeechJob

OTHER_NAMES = {
    "chunk_size": "streaming_chunk_size",
    "chunking_strategy": "streaming_strategy",
    "quality_preset": "streaming_quality",
}
"""Jobs' names of options that have other names for speech."""


class LongSpeechRequest(SpokenText):
    """A text of any length, and how to say it. Fields that are not listed are ignored.

    The options may have the names chunk_size, chunking_strategy and quality_preset as well. What the model
    has no use for is named in the header x-ignored-fields of the answer.
    """

    response_format: Format = "mp3"

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        others = {OTHER_NAMES[name]: value for name, value in body.items() if name in OTHER_NAMES}
        return {**others, **body}


class RetryRequest(BaseModel):
    """A request to speak the rest of a job as it was asked for; the pieces that are spoken are kept."""

    preserve_chunks: bool = Field(True, description="Whether to keep what is spoken; only true.")
    new_parameters: dict[str, Any] | None = Field(None, description="Other options; none can be given.")

    @field_validator("preserve_chunks")
    @classmethod
    def _keep(cls, keep: bool) -> bool:
        if not keep:
            raise ValueError("a retried job keeps what is spoken; make a new job to speak all of it again")
        return keep

    @field_validator("new_parameters")
    @classmethod
    def _same(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if parameters:
            raise ValueError("a job is retried as it was made; make a new job to have other options")
        return parameters


async def events(service: AsyncClient, job_id: str) -> AsyncGenerator[sse.Event, None]:
    """The progress of a job whenever it has changed, and at last how it has ended."""
    async with aclosing(service.watch_job(job_id)) as states:
        async for job in states:
            yield {"type": "progress", **progress(job), "progress": percentage(job)}
    state = STATES[job.state]
    end = {"job_id": job.id, "status": state}
    if state == "completed":
        yield {"type": "completed", **end, "message": "Job completed successfully"}
    else:
        yield {"type": "error", **end, **_failure(job)}


async def download(service: AsyncClient, job_id: str, form: Format | None, follow: bool) -> Answer:
    """The sound of a job as a file (RFC 6266)."""
    options: DownloadOptions = {"encoding": Encoding(form) if form else None, "follow": follow}
    async with service.download_job(job_id, **options) as sound:
        started = await sound.start()
        first = await anext(sound, b"")  # one that can have no sound any more is refused only here
        ending = TO_ENCODING[started.format.encoding].value
        disposition = f'attachment; filename="long_text_{job_id}.{ending}"'
        yield AnswerHead(started.format.media_type, {"content-disposition": disposition})
        yield first
        async for data in sound:
            yield data


def _failure(job: SpeechJob) -> dict[str, Any]:
    message = job.error.message or "the job was cancelled"
    code = job.error.reason.lower() or "job_cancelled"
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return {"message": message, "error": error}
