"""A conversation in GateFlow's events."""

from base64 import b64encode
from typing import Any

from audio_gateway.dialects.gateflow.errors import turn_event
from audio_grpc.client import ConversationEvent
from audio_grpc.v1.conversation_pb2 import (
    ReplyAudio,
    ReplyDone,
    ReplyInterrupted,
    ReplyToken,
    TurnFailed,
    TurnTiming,
)
from audio_grpc.v1.speech_to_text_pb2 import (
    SpeechStarted,
    SpeechStopped,
    TranscriptHypothesis,
    UtteranceTranscript,
)


def event(said: ConversationEvent) -> dict[str, Any] | None:
    """Returns GateFlow's event for one of ours; None if it has none, or for a turn's end (:func:`done`)."""
    match said:
        case TranscriptHypothesis():
            return {"type": "transcription.partial", "text": (said.stable_text + said.unstable_text).strip()}
        case UtteranceTranscript():
            return {"type": "transcription.final", "text": said.text.strip()}
        case ReplyToken():
            return {"type": "llm.token", "token": said.text}
        case ReplyDone():
            return {"type": "llm.done", "text": said.text, "finish_reason": said.finish_reason, **usage(said)}
        case ReplyAudio():
            mark = said.audio.mark
            return {
                "type": "audio.chunk",
                "data": b64encode(said.audio.data).decode(),
                "text_start": mark.text_start,
                "text_end": mark.text_end,
            }
        case ReplyInterrupted():
            return {"type": "interrupted", "text": said.heard_text}
        case TurnFailed():
            return turn_event(said)
        case SpeechStarted():
            return {"type": "speech.started"}
        case SpeechStopped():
            return {"type": "speech.stopped"}
        case _:
            return None


def done(timing: TurnTiming) -> dict[str, Any]:
    """Returns the event for a turn that is complete."""
    return {"type": "done", "timing": milliseconds(timing)}


def milliseconds(timing: TurnTiming) -> dict[str, float]:
    """Returns milliseconds from the end of speech to the first transcript, token and sound, and the end."""
    return {f"{field.name}_ms": moment.ToMicroseconds() / 1000 for field, moment in timing.ListFields()}


def usage(said: ReplyDone) -> dict[str, Any]:
    """Tokens, as far as the language model's endpoint states them."""
    if not said.HasField("usage"):
        return {}
    counts = said.usage
    return {
        "usage": {
            "prompt_tokens": counts.prompt_tokens,
            "completion_tokens": counts.completion_tokens,
            "total_tokens": counts.prompt_tokens + counts.completion_tokens,
        }
    }
