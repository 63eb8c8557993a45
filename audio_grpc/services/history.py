"""HistoryService."""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext

from audio_grpc.audio import MAX_PIECE_BYTES
from audio_grpc.convert import from_moment, from_seconds
from audio_grpc.errors import AudioNotKept, InvalidRequest, StorageFailed, quoted
from audio_grpc.services.callers import key_of_caller
from audio_grpc.services.fields import few
from audio_grpc.services.pages import page_token, read_page
from audio_grpc.storage import PastRequest, PastRequests, Selection
from audio_grpc.telemetry.history import HistoryRules
from audio_grpc.v1 import history_pb2 as pb
from audio_grpc.v1.audio_pb2 import AudioFormat
from audio_grpc.v1.conversation_pb2 import ConversationOptions
from audio_grpc.v1.history_pb2_grpc import HistoryServiceServicer
from audio_grpc.v1.speech_to_text_pb2 import StreamingTranscriptionOptions, TranscribeRequest
from audio_grpc.v1.text_to_speech_pb2 import StreamingSynthesisOptions, SynthesizeRequest
from audio_grpc.v1.timing_pb2 import Timing

Context = ServicerContext[Any, Any]
log = logging.getLogger(__name__)

MOST_IDS = 1000
MOST_TOLD = 1000
"""Past requests of which is remembered that the log tells of them."""
STATUSES = frozenset(code.name for code in grpc.StatusCode)
# The field that has a method's options, and their message.
OPTIONS: Mapping[str, tuple[str, type[Message]]] = {
    "Synthesize": ("speech", SynthesizeRequest),
    "StreamingSynthesize": ("live_speech", StreamingSynthesisOptions),
    "Transcribe": ("transcript", TranscribeRequest),
    "TranscribeUpload": ("transcript", TranscribeRequest),
    "StreamingTranscribe": ("live_transcript", StreamingTranscriptionOptions),
    "Converse": ("conversation", ConversationOptions),
}


class HistoryReports(HistoryServiceServicer):
    """Tells callers what became of their requests, also of those before the server was started."""

    def __init__(self, requests: PastRequests, rules: HistoryRules) -> None:
        self._requests = requests
        self._rules = rules
        self._told: set[str] = set()

    async def ListPastRequests(
        self, request: pb.ListPastRequestsRequest, context: Context
    ) -> pb.ListPastRequestsResponse:
        """Returns a page of past requests."""
        size, after = read_page(request.page_size, request.page_token)
        page = await self._requests.page(_selection(request), size, after)
        shown = [described for past in page.entries if (described := self._shown(past)) is not None]
        for past_id in page.too_large:
            self._say_once(past_id, "it is too large")
        return pb.ListPastRequestsResponse(
            requests=shown, next_page_token=page_token(page.next), is_kept=self._rules.is_on
        )

    async def GetPastRequest(
        self, request: pb.GetPastRequestRequest, context: Context
    ) -> pb.GetPastRequestResponse:
        """Returns the past request of this id. Raises RequestNotFound; StorageFailed if it cannot be read."""
        described = self._shown(await self._find(request.id))
        if described is None:
            raise StorageFailed(
                "what was kept of this request cannot be shown; DeletePastRequests forgets it"
            )
        return pb.GetPastRequestResponse(request=described)

    async def GetPastRequestAudio(
        self, request: pb.GetPastRequestAudioRequest, context: Context
    ) -> AsyncIterator[pb.GetPastRequestAudioResponse]:
        """Yields the sound of a past request, in pieces."""
        past = await self._find(request.id)
        if not past.audio_bytes:
            raise AudioNotKept(
                "the sound of this request was not kept; the server's settings history_audio and "
                "max_history_audio_bytes say what is",
                field="id",
            )
        data = await self._requests.audio(past.id)
        yield pb.GetPastRequestAudioResponse(started=_audio(past))
        for start in range(0, len(data), MAX_PIECE_BYTES):
            yield pb.GetPastRequestAudioResponse(audio=data[start : start + MAX_PIECE_BYTES])
        yield pb.GetPastRequestAudioResponse(finished=pb.PastAudioFinished())

    async def DeletePastRequests(
        self, request: pb.DeletePastRequestsRequest, context: Context
    ) -> pb.DeletePastRequestsResponse:
        """Deletes the past requests that ``ids`` and ``before`` select; returns their number.

        Raises InvalidRequest if neither is given.
        """
        if not request.ids and not request.HasField("before"):
            raise InvalidRequest("say which requests are to be forgotten: ids, before, or both", field="ids")
        which = Selection(
            key_id=key_of_caller(),
            ids=list(few("ids", request.ids, MOST_IDS)) or None,
            before=_moment(request, "before"),
        )
        return pb.DeletePastRequestsResponse(deleted=await self._requests.remove(which))

    def _shown(self, past: PastRequest) -> pb.PastRequest | None:
        """Returns the message; None, and a line in the log, if JSON has no form for it (earlier versions)."""
        try:
            described = _described(past)
            MessageToDict(described)
        except (ValueError, DecodeError, SerializeToJsonError) as error:
            self._say_once(past.id, str(error))
            return None
        return described

    def _say_once(self, past_id: str, why: str) -> None:
        if past_id not in self._told:
            self._told = {*self._told, past_id} if len(self._told) < MOST_TOLD else {past_id}
            log.warning("the past request %s cannot be shown: %s", past_id, why)

    async def _find(self, past_id: str) -> PastRequest:
        return await self._requests.find(past_id, key_of_caller())


def _selection(request: pb.ListPastRequestsRequest) -> Selection:
    if request.status and request.status not in STATUSES:
        raise InvalidRequest(
            f"status is {quoted(request.status)}, which is no gRPC status; there are: "
            f"{', '.join(sorted(STATUSES))}",
            field="status",
        )
    return Selection(
        key_id=key_of_caller(),
        model=request.model or None,
        method=request.method or None,
        status=request.status or None,
        since=_moment(request, "start_time"),
        before=_moment(request, "end_time"),
    )


def _moment(message: Any, field: str) -> float | None:
    """Returns the field's time in seconds since 1970; None if it is not set."""
    if not message.HasField(field):
        return None
    stamp = getattr(message, field)
    return float(stamp.seconds + stamp.nanos / 1e9)


def _described(past: PastRequest) -> pb.PastRequest:
    described = pb.PastRequest(
        id=past.id,
        request_id=past.request_id,
        key=past.key,
        key_id=past.key_id,
        method=past.method,
        model=past.model,
        voice=past.voice,
        status=past.status,
        reason=past.reason,
        field=past.field,
        start_time=from_moment(past.started),
        duration=from_seconds(past.seconds),
        timing=_timing(past),
        characters=past.characters,
        audio_in=from_seconds(past.audio_seconds_in),
        audio_out=from_seconds(past.audio_seconds_out),
        input_tokens=past.input_tokens,
        output_tokens=past.output_tokens,
        text=past.text,
        is_whole_text=past.is_whole_text,
        audio=_audio(past) if past.audio_bytes else None,
        audio_problem=past.audio_problem,
    )
    if past.options is not None:
        name, options = OPTIONS[past.method]
        getattr(described, name).CopyFrom(options.FromString(past.options))
    return described


def _audio(past: PastRequest) -> pb.PastAudio:
    return pb.PastAudio(format=AudioFormat.FromString(past.audio_format), size_bytes=past.audio_bytes)


def _timing(past: PastRequest) -> Timing | None:
    if past.queued_seconds is None:
        return None
    first = past.first_result_seconds
    return Timing(
        queued=from_seconds(past.queued_seconds),
        first_result=None if first is None else from_seconds(first),
        total=from_seconds(past.total_seconds),
    )
