"""ConversationService."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from math import inf
from sys import maxsize
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.audio import CODECS
from audio_grpc.chat import Chat
from audio_grpc.convert import TO_ENCODING, from_seconds
from audio_grpc.pipelines import PipelineSpec
from audio_grpc.runtime.models import Models
from audio_grpc.services.conversation.conversation import Conversation
from audio_grpc.services.conversation.options import ConversationJob, read_conversation
from audio_grpc.services.conversation.recordings import Recordings
from audio_grpc.services.conversation.replies import ReplyGenerator
from audio_grpc.services.live_hearing import LiveHearing
from audio_grpc.services.live_requests import opening
from audio_grpc.services.live_stages import HearingStage, SpeakingStage
from audio_grpc.services.pages import page_of
from audio_grpc.services.requests import Limits
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.v1 import conversation_pb2 as pb
from audio_grpc.v1.conversation_pb2_grpc import ConversationServiceServicer
from audio_grpc.v1.speech_to_text_pb2 import StreamingTranscriptionStarted, TranscriptionUsage
from audio_grpc.v1.text_to_speech_pb2 import SynthesisStarted, SynthesisUsage

Context = ServicerContext[Any, Any]


class ConversationServicer(ConversationServiceServicer):
    """Converses with the configured models, from the configured templates."""

    def __init__(
        self,
        pipelines: Mapping[str, PipelineSpec],
        models: Models,
        limits: Limits,
        hearing: HearingStage,
        speaking: SpeakingStage,
        chat: Chat,
    ) -> None:
        self._pipelines = pipelines
        self._models = models
        self._limits = limits
        self._hearing = hearing
        self._speaking = speaking
        self._chat = chat

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Context
    ) -> AsyncIterator[pb.ConverseResponse]:
        """The events of :class:`Conversation`."""
        call = current_call.get()
        asked = await opening(requests, self._limits.idle_seconds)
        call.arrive()
        job = read_conversation(asked, self._pipelines, self._limits)
        # Neither stage gives up by itself, nor has it seen enough: the conversation counts, turn by turn.
        limits = replace(self._limits, idle_seconds=inf, text_characters=maxsize)
        recordings = Recordings(self._models, job.hearing, self._limits)
        replies = ReplyGenerator(self._chat, job.llm, self._limits.text_characters)
        async with AsyncExitStack() as stack:
            hearing, heard = None, None
            if job.is_heard:
                opened = self._hearing.open(job.hearing, inf)
                hearing, heard = await stack.enter_async_context(opened)
            speech, spoken, _ = await stack.enter_async_context(
                self._speaking.open(job.speaking, limits, skips_unspeakable=True)
            )
            is_bare = not CODECS[TO_ENCODING[spoken.format.encoding]].has_header
            conversation = Conversation(
                job,
                replies,
                hearing,
                speech,
                recordings.transcribe,
                self._limits,
                droppable=is_bare,
            )
            yield _started(job, heard, spoken)
            async with aclosing(conversation.events(requests)) as events:
                async for event in events:
                    yield event
            usage = _heard(recordings, hearing)
            yield pb.ConverseResponse(finished=_finished(usage, replies, conversation, call))

    async def ListPipelines(
        self, request: pb.ListPipelinesRequest, context: Context
    ) -> pb.ListPipelinesResponse:
        """Returns a page of the templates, without addresses and prompts."""
        every = (((number,), _described(*named)) for number, named in enumerate(self._pipelines.items()))
        pipelines, following = page_of(every, request)
        return pb.ListPipelinesResponse(pipelines=pipelines, next_page_token=following)


def _described(name: str, spec: PipelineSpec) -> pb.Pipeline:
    return pb.Pipeline(
        name=name,
        hearing_model=spec.stt.model,
        language_code=spec.stt.language,
        chat_model=spec.llm.model,
        speaking_model=spec.tts.model,
        voice=spec.tts.voice,
    )


def _started(
    job: ConversationJob, hearing: StreamingTranscriptionStarted | None, speaking: SynthesisStarted
) -> pb.ConverseResponse:
    started = pb.ConversationStarted(
        template=job.template, hearing=hearing, chat_model=job.llm.model, speaking=speaking
    )
    return pb.ConverseResponse(started=started)


def _heard(recordings: Recordings, hearing: LiveHearing | None) -> TranscriptionUsage:
    seconds, tokens = recordings.audio_seconds, recordings.output_tokens
    if hearing is not None:
        seconds, tokens = seconds + hearing.recognised_seconds, tokens + hearing.output_tokens
    return TranscriptionUsage(audio_duration=from_seconds(seconds), output_tokens=tokens)


def _finished(
    hearing: TranscriptionUsage, replies: ReplyGenerator, conversation: Conversation, call: Call
) -> pb.ConversationFinished:
    return pb.ConversationFinished(
        hearing=hearing,
        thinking=pb.ChatUsage(
            prompt_tokens=replies.prompt_tokens, completion_tokens=replies.completion_tokens
        ),
        speaking=SynthesisUsage(
            characters=conversation.speaker.written,
            input_tokens=conversation.speaker.total.input_tokens,
            audio_duration=from_seconds(call.audio_seconds_out),
        ),
    )
