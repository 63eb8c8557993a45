"""Callers of every RPC of the contract, through every door that takes it, who leave at a random moment."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from audio_grpc.v1.audio_pb2 import AudioEncoding
from audio_grpc.v1.conversation_pb2 import CHAT_ROLE_USER, ChatMessage, ConversationOptions, ConverseRequest
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest
from audio_grpc.v1.speech_to_text_pb2 import (
    StreamingTranscribeRequest,
    StreamingTranscriptionOptions,
    TranscribeRequest,
    TranscribeUploadRequest,
)
from audio_grpc.v1.text_to_speech_pb2 import (
    SpeechCancel,
    SpeechFlush,
    StreamingSynthesisOptions,
    StreamingSynthesizeRequest,
    SynthesizeRequest,
)
from audio_grpc.v1.voice_pb2 import CreateCustomVoiceRequest
from tests.chaos.doors import Door
from tests.chaos.tally import Tally
from tests.contract import Rpc

MOST_SECONDS = 1.0
"""The most seconds after which a caller leaves."""
PAUSE_SECONDS = 0.3
ANSWERED_SHARE = 0.3
"""The share of the calls that are waited for until the answer is there."""
TEXT = "This goes on for a while. " * 8

Make = Callable[[random.Random, bytes], Sequence[Message]]


def _speech(dice: random.Random) -> SynthesizeRequest:
    return SynthesizeRequest(
        text=TEXT[: dice.randint(5, len(TEXT))],
        model=dice.choice(("speaker", "hibari", "slow", "")),
        encoding=dice.choice(AudioEncoding.values()),
        language_code=dice.choice(("", "en")),
    )


def _live_speech(dice: random.Random, _: bytes) -> list[Message]:
    options = StreamingSynthesisOptions(speech=SynthesizeRequest(model="speaker"))
    words = [StreamingSynthesizeRequest(text=word + " ") for word in TEXT.split()[: dice.randint(1, 20)]]
    words.insert(dice.randint(0, len(words)), StreamingSynthesizeRequest(flush=SpeechFlush()))
    words.insert(dice.randint(0, len(words)), StreamingSynthesizeRequest(cancel=SpeechCancel()))
    return [StreamingSynthesizeRequest(options=options), *words]


def _live_hearing(dice: random.Random, recording: bytes) -> list[Message]:
    options = StreamingTranscriptionOptions(
        sample_rate_hertz=24000, model=dice.choice(("listener", "whisper-base")), interim_results=True
    )
    pieces = [recording[start : start + 9600] for start in range(44, len(recording), 9600)]
    opening: list[Message] = [StreamingTranscribeRequest(options=options)]
    return opening + [StreamingTranscribeRequest(audio=piece) for piece in pieces]


def _upload(dice: random.Random, recording: bytes) -> list[Message]:
    pieces = [recording[start : start + 16384] for start in range(0, len(recording), 16384)]
    upload: list[Message] = [TranscribeUploadRequest(audio=piece) for piece in pieces]
    options = TranscribeUploadRequest(
        options=TranscribeRequest(model=dice.choice(("listener", "whisper-base")))
    )
    upload.insert(dice.randint(0, len(upload)), options)
    return upload


def _conversation(dice: random.Random, recording: bytes) -> list[Message]:
    options = ConversationOptions(
        speaking=StreamingSynthesisOptions(speech=SynthesizeRequest(model="speaker")),
        history=[ChatMessage(role=CHAT_ROLE_USER, text="Hello.")],
    )
    said = dice.choice((ConverseRequest(text="How are you?"), ConverseRequest(recording=recording)))
    return [ConverseRequest(options=options), said, ConverseRequest(played=Duration(seconds=1))]


SPECIAL: dict[str, Make] = {
    "TextToSpeechService/Synthesize": lambda dice, _: [_speech(dice)],
    "TextToSpeechService/StreamingSynthesize": _live_speech,
    "SpeechToTextService/Transcribe": lambda dice, recording: [
        TranscribeRequest(audio=recording, model=dice.choice(("listener", "whisper-base")), beam_size=1)
    ],
    "SpeechToTextService/TranscribeUpload": _upload,
    "SpeechToTextService/StreamingTranscribe": _live_hearing,
    "ConversationService/Converse": _conversation,
    "JobService/CreateSpeechJob": lambda dice, _: [CreateSpeechJobRequest(speech=_speech(dice))],
    "VoiceService/CreateCustomVoice": lambda dice, recording: [
        CreateCustomVoiceRequest(name=f"voice {dice.randrange(5)}", sample=recording, consent="given")
    ],
}
"""Requests that take more than names."""


NAMES = ("speaker", "slow", "listener", "hibari", "nobody", "voice 1", "voice 2")


def requests(rpc: Rpc, dice: random.Random, recording: bytes) -> Sequence[Message]:
    """Makes what an ordinary caller of the RPC might send."""
    if make := SPECIAL.get(rpc.name):
        return make(dice, recording)
    request: Any = rpc.request()
    for name in ("id", "name", "alias", "model"):
        if name in rpc.request.DESCRIPTOR.fields_by_name:
            setattr(request, name, dice.choice(NAMES))
    return [request]


async def keep_leaving(
    doors: Sequence[Door],
    rpcs: Sequence[Rpc],
    recording: bytes,
    key: str,
    tally: Tally,
    stop: asyncio.Event,
    seed: int,
) -> None:
    """One caller, until ``stop`` is set, who calls the RPCs in turn so that none is left out."""
    dice = random.Random(seed)
    order: list[Rpc] = []
    while not stop.is_set():
        order = order or dice.sample(rpcs, len(rpcs))
        rpc = order.pop()
        door = dice.choice([door for door in doors if door.takes(rpc)])
        kind, began = f"impatient {rpc.name} by {door.name}", time.monotonic()
        call = asyncio.ensure_future(door.call(rpc, requests(rpc, dice, recording), key))
        patience = (
            None if dice.random() < ANSWERED_SHARE and not rpc.answers_many else dice.uniform(0, MOST_SECONDS)
        )
        done, _ = await asyncio.wait((call,), timeout=patience)
        if not done:
            call.cancel()
            await asyncio.wait((call,))
        if call.cancelled():
            tally.answered(kind, "left", "", began)
        elif error := call.exception():
            tally.answered(kind, type(error).__name__, str(error), began)
        else:
            tally.answered(kind, call.result().code, call.result().message, began)
        await asyncio.sleep(dice.uniform(0, PAUSE_SECONDS))
