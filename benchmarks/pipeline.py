"""A spoken question, answered in speech: how long each stage of a conversation takes."""

import asyncio
import statistics
import time
from typing import Any

from audio_grpc.client import AsyncClient, AsyncConversation, Encoding
from audio_grpc.v1.conversation_pb2 import ReplyAudio, ReplyToken, TurnFailed, TurnFinished
from audio_grpc.v1.speech_to_text_pb2 import UtteranceTranscript
from benchmarks import served

QUESTION = "What is the capital of France?"
RATE_HERTZ = 16_000
PIECE_SECONDS = 0.1
SILENCE_SECONDS = 1.5
TURNS, UNCOUNTED = 12, 2
CONFIG = """
log_level = "WARNING"
[synthesizers.hibari]
[transcribers.whisper-base]
resident = true
[pipelines.voice-agent-fast.llm]
base_url = "{base_url}"
temperature = 0.0
"""
FIRSTS = {UtteranceTranscript: "transcript", ReplyToken: "token", ReplyAudio: "audio", TurnFinished: "total"}
Figures = dict[str, Any]


async def measure() -> dict[str, Figures]:
    """Returns median milliseconds for questions ended by the caller, and by half a second of silence."""
    with (
        served.process(served.COMMAND, "llm", "--port", "0", announces=r"language model on (\S+)") as (
            _,
            base_url,
        ),
        served.configured(CONFIG.format(base_url=base_url)) as (_, address),
    ):
        async with AsyncClient(address) as client:
            question = await _question(client)
            return {
                "caller": await _converse(client, question, told=True),
                "silence": await _converse(client, question, told=False),
            }


async def _question(client: AsyncClient) -> bytes:
    options: Any = {"encoding": Encoding.PCM_S16LE, "sample_rate_hertz": RATE_HERTZ}
    return b"".join([data async for data in client.synthesize(QUESTION, **options)])


async def _converse(client: AsyncClient, question: bytes, *, told: bool) -> Figures:
    """One conversation of several turns, each with the same question, sent in real time."""
    turns = []
    for _ in range(TURNS):
        options: Any = {"speaking": {"encoding": Encoding.PCM_S16LE}, "sample_rate_hertz": RATE_HERTZ}
        async with client.converse(**options) as conversation:
            await conversation.start()
            turns.append(await _ask(conversation, question, told))
    counted = turns[UNCOUNTED:]
    return {f"{name}_ms": statistics.median(turn[name] for turn in counted) * 1000 for name in counted[0]}


async def _ask(conversation: AsyncConversation, question: bytes, told: bool) -> dict[str, float]:
    """Seconds from the end of the question in the sound to the first of each."""
    began = time.perf_counter()
    over = began + len(question) / 2 / RATE_HERTZ
    speaking = asyncio.create_task(_speak(conversation, question, began, told))
    firsts: dict[str, float] = {}
    async for event in conversation:
        assert not isinstance(event, TurnFailed), event
        if (name := FIRSTS.get(type(event))) is not None:
            firsts.setdefault(name, time.perf_counter() - over)
    await speaking
    return firsts


async def _speak(conversation: AsyncConversation, question: bytes, began: float, told: bool) -> None:
    """Each piece when its last sample has sounded, and then silence, as a microphone does."""
    sound = question if told else question + bytes(round(SILENCE_SECONDS * RATE_HERTZ) * 2)
    size = round(PIECE_SECONDS * RATE_HERTZ) * 2
    for start in range(0, len(sound), size):
        piece = sound[start : start + size]
        await asyncio.sleep(began + (start + len(piece)) / 2 / RATE_HERTZ - time.perf_counter())
        await conversation.write(piece)
    if told:
        await conversation.end_utterance()
    await conversation.end()
