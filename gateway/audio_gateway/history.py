"""Past requests for a page: what there were, their sound in a form that browsers play, and forgetting them.

It belongs to no dialect. Moments are seconds since 1970, as OpenAI writes them.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel
from starlette.responses import Response

from audio_gateway.answers import Answer, AnswerHead, AnswerResponse
from audio_gateway.caller import Service
from audio_gateway.errors import ApiError, ErrorBody, from_service, speaks
from audio_gateway.speech import wave_file
from audio_grpc.client import AsyncClient
from audio_grpc.convert import to_seconds
from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE
from audio_grpc.v1.history_pb2 import PastAudio, PastRequest

LAST_MOMENT = 253402300799
"""The end of the year 9999, which is where protobuf's timestamps end."""
# What a browser is told that sound is; anything else that callers sent could be a page with a script in it.
EXTENSIONS = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
}
UNKNOWN = "application/octet-stream"

Moment = Annotated[float, Query(ge=0, le=LAST_MOMENT, description="Seconds since 1970.")]


class AudioLink(BaseModel):
    """The sound of a request, to be played."""

    media_type: str
    url: str


class HistoryEntry(BaseModel):
    """A request that has ended; protos/audio_grpc/v1/history.proto says what each is."""

    id: str
    object: Literal["past_request"] = "past_request"
    created: float
    request_id: str
    key: str
    method: str
    model: str
    voice: str
    status: str
    reason: str
    field: str
    seconds: float
    queued_seconds: float | None
    first_result_seconds: float | None
    characters: int
    audio_seconds_in: float
    audio_seconds_out: float
    input_tokens: int
    output_tokens: int
    text: str
    is_whole_text: bool
    options: dict[str, Any]
    """The fields that were set, by their names in the contract."""
    audio: AudioLink | None
    audio_problem: str


class HistoryPage(BaseModel):
    """Requests, the last first."""

    object: Literal["list"] = "list"
    data: list[HistoryEntry]
    next: str | None
    """The value of ``after`` for the next page."""
    is_kept: bool
    """True if the server keeps a history now."""


class Forgotten(BaseModel):
    """The number of requests that were deleted."""

    deleted: int


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request has to be changed; param names the field."},
    401: {"model": ErrorBody, "description": "The key is missing or unknown."},
    404: {"model": ErrorBody, "description": "There is no such request, or its sound was not kept."},
    500: {"model": ErrorBody, "description": "The database or the disk of the history fails."},
}
SOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound, as it was; bare samples as WAV.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*EXTENSIONS, UNKNOWN)
        },
    }
}
PARAMS = {"page_token": "after", "id": "past_id"}
router = APIRouter(
    prefix="/v1/past-requests",
    tags=["history"],
    responses=ERRORS,
    dependencies=[Depends(speaks(partial(from_service, params=PARAMS)))],
)


@router.get("")
async def list_history(
    service: Service,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str = "",
    model: str = "",
    method: str = "",
    status: str = "",
    since: Moment | None = None,
    before: Moment | None = None,
) -> HistoryPage:
    """List past requests, the last first; only those of the caller's key, where keys are asked for."""
    page = await service.list_past_requests(
        page_size=limit,
        page_token=after,
        model=model,
        method=method,
        status=status,
        since=_datetime(since),
        before=_datetime(before),
    ).page()
    return HistoryPage(
        data=[_entry(past) for past in page.requests],
        next=page.next_page_token or None,
        is_kept=page.is_kept,
    )


@router.delete("")
async def clear_history(service: Service, before: Moment) -> Forgotten:
    """Delete all requests that started before a moment."""
    return Forgotten(deleted=await service.delete_past_requests(before=_datetime(before)))


@router.get("/{past_id}")
async def get_past_request(past_id: str, service: Service) -> HistoryEntry:
    """Get one past request."""
    return _entry(await service.get_past_request(past_id))


@router.delete("/{past_id}")
async def delete_past_request(past_id: str, service: Service) -> Forgotten:
    """Delete one past request, its text and its sound."""
    if not (deleted := await service.delete_past_requests([past_id])):
        message = "there is no such past request; GET /v1/past-requests lists them"
        raise ApiError(404, message, code="request_not_found")
    return Forgotten(deleted=deleted)


@router.get("/{past_id}/audio", response_class=Response, responses=SOUND)
async def get_past_audio(past_id: str, service: Service, download: bool = False) -> Response:
    """Play the sound that a request sent or got, or download it."""
    return AnswerResponse(_answer(past_id, service, download))


async def _answer(past_id: str, service: AsyncClient, download: bool) -> Answer:
    async with service.past_audio(past_id) as sound:
        started = await sound.start()  # from here on the id is one that the service knows
        media_type = _media_type(started)
        is_shown = media_type in EXTENSIONS and not download
        name = f"{past_id}.{EXTENSIONS.get(media_type, 'bin')}"
        headers = {
            "content-disposition": f'{"inline" if is_shown else "attachment"}; filename="{name}"',
            "x-content-type-options": "nosniff",
            "cache-control": "private",
        }
        yield AnswerHead(media_type, headers)
        if _is_bare(started):
            samples = b"".join([data async for data in sound])
            yield wave_file(samples, started.format.sample_rate_hertz)
            return
        async for data in sound:
            yield data


def _is_bare(audio: PastAudio) -> bool:
    return audio.format.encoding == AUDIO_ENCODING_PCM_S16LE


def _media_type(audio: PastAudio) -> str:
    if _is_bare(audio):
        return "audio/wav"
    media_type = audio.format.media_type
    return media_type if media_type in EXTENSIONS else UNKNOWN


def _datetime(moment: float | None) -> datetime | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC)


def _entry(past: PastRequest) -> HistoryEntry:
    options = past.WhichOneof("options")
    timing = past.timing if past.HasField("timing") else None
    asked = MessageToDict(getattr(past, options), preserving_proto_field_name=True) if options else {}
    return HistoryEntry(
        id=past.id,
        created=past.start_time.ToMicroseconds() / 1e6,
        request_id=past.request_id,
        key=past.key,
        method=past.method,
        model=past.model,
        voice=past.voice,
        status=past.status,
        reason=past.reason,
        field=past.field,
        seconds=to_seconds(past.duration),
        queued_seconds=to_seconds(timing.queued) if timing else None,
        first_result_seconds=to_seconds(timing.first_result)
        if timing and timing.HasField("first_result")
        else None,
        characters=past.characters,
        audio_seconds_in=to_seconds(past.audio_in),
        audio_seconds_out=to_seconds(past.audio_out),
        input_tokens=past.input_tokens,
        output_tokens=past.output_tokens,
        text=past.text,
        is_whole_text=past.is_whole_text,
        options=asked,
        audio=AudioLink(media_type=_media_type(past.audio), url=f"{router.prefix}/{past.id}/audio")
        if past.HasField("audio")
        else None,
        audio_problem=past.audio_problem,
    )
