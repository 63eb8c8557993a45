"""Reads the options of a conversation: a template of the configuration, overridden by the caller's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from audio_grpc.chat import Message
from audio_grpc.convert import from_seconds
from audio_grpc.errors import InvalidRequest, PipelineNotFound, quoted
from audio_grpc.pipelines import LlmSpec, PipelineSpec
from audio_grpc.services.fields import given, short, within
from audio_grpc.services.requests import Limits, require_length
from audio_grpc.v1 import conversation_pb2 as pb
from audio_grpc.v1.speech_to_text_pb2 import Endpointing, StreamingTranscriptionOptions
from audio_grpc.v1.text_to_speech_pb2 import StreamingSynthesisOptions, SynthesizeRequest

MAX_PROMPT_CHARACTERS = 100_000
ROLES = {pb.CHAT_ROLE_USER: "user", pb.CHAT_ROLE_ASSISTANT: "assistant"}


@dataclass(frozen=True)
class ConversationJob:
    """The contents of ConversationOptions, checked and completed from the template."""

    template: str
    hearing: StreamingTranscriptionOptions
    is_heard: bool
    """True if the caller's speech comes as it is spoken."""
    llm: LlmSpec
    system_prompt: str
    history: tuple[Message, ...]
    speaking: StreamingSynthesisOptions
    speaks_early: bool
    """True if speech starts before the reply is complete."""
    reports_playback: bool


def read_conversation(
    asked: pb.ConversationOptions, pipelines: Mapping[str, PipelineSpec], limits: Limits
) -> ConversationJob:
    """Reads the options. Raises PipelineNotFound; InvalidRequest for errors that show without the models."""
    name = asked.template or next(iter(pipelines), "")
    if name not in pipelines:
        known = ", ".join(pipelines) or "none"
        raise PipelineNotFound(f"no pipeline is named {quoted(name)}; there are: {known}", field="template")
    spec = pipelines[name]
    return ConversationJob(
        template=name,
        hearing=_hearing(spec, asked.hearing),
        is_heard=asked.HasField("hearing"),
        llm=_thinking(spec.llm, asked.thinking),
        system_prompt=_system_prompt(spec.llm, asked),
        history=tuple(_history(asked, limits)),
        speaking=_speaking(spec, asked.speaking),
        speaks_early=spec.tts.streaming,
        reports_playback=asked.reports_playback,
    )


def _hearing(spec: PipelineSpec, asked: StreamingTranscriptionOptions) -> StreamingTranscriptionOptions:
    vad = spec.stt.vad
    silence = from_seconds(vad.silence_threshold_ms / 1000)
    options = StreamingTranscriptionOptions(
        model=spec.stt.model,
        language_code="" if asked.language_codes else spec.stt.language,
        interim_results=spec.stt.streaming,
        endpointing=Endpointing(manual=not vad.enabled, silence=silence),
    )
    options.MergeFrom(asked)
    return options


def _speaking(spec: PipelineSpec, asked: StreamingSynthesisOptions) -> StreamingSynthesisOptions:
    speech = SynthesizeRequest(model=spec.tts.model, voice=spec.tts.voice)
    options = StreamingSynthesisOptions(speech=speech)
    options.MergeFrom(asked)
    if asked.speech.model and not asked.speech.voice:
        options.speech.voice = ""  # the template's voice is one of the template's model
    return options


def _thinking(llm: LlmSpec, asked: pb.ChatOptions) -> LlmSpec:
    max_tokens = within("options.thinking.max_tokens", given(asked, "max_tokens"), 1, 100_000)
    temperature = within("options.thinking.temperature", given(asked, "temperature"), 0.0, 2.0)
    changes = {"model": asked.model or None, "max_tokens": max_tokens, "temperature": temperature}
    return llm.model_copy(update={name: value for name, value in changes.items() if value is not None})


def _system_prompt(llm: LlmSpec, asked: pb.ConversationOptions) -> str:
    own = short(
        "options.thinking.system_prompt", given(asked.thinking, "system_prompt"), MAX_PROMPT_CHARACTERS
    )
    context = short("options.context", asked.context, MAX_PROMPT_CHARACTERS)
    return "\n\n".join(part for part in (llm.system_prompt if own is None else own, context) if part)


def _history(asked: pb.ConversationOptions, limits: Limits) -> list[Message]:
    require_length(sum(len(message.text) for message in asked.history), limits)
    messages = []
    for message in asked.history:
        if message.role not in ROLES:
            raise InvalidRequest(
                f"a message of the history has the role {message.role}; it is USER or ASSISTANT",
                field="options.history",
            )
        messages.append(Message(ROLES[message.role], message.text))  # type: ignore[arg-type]
    return messages
