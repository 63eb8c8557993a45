"""Synthesize over the wire: what the stream says, and that the text comes through whole."""

import asyncio
import io
import wave

import pytest

from audio_grpc.client import AsyncClient, Encoding, ServiceError, Strategy
from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_OPUS, AudioFormat
from tests.conftest import Start
from tests.headers import headed

TEXT = "First, a word. Then 3.14 more!\n\nA new paragraph, “quoted”: 世界 🎉 … and the end."


async def heard(client: AsyncClient, audio: bytes) -> str:
    return "".join([segment.text async for segment in client.transcribe(audio)])


async def spoken(client: AsyncClient, text: str, **options: object) -> bytes:
    return b"".join([data async for data in client.synthesize(text, **options)])  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", list(Encoding))
async def test_every_character_comes_through_every_encoding(start: Start, encoding: Encoding) -> None:
    _, client = await start()
    async with client.synthesize(TEXT, encoding=encoding) as speech:
        rate = (await speech.start()).format.sample_rate_hertz
        data = b"".join([piece async for piece in speech])
    assert await heard(client, headed(data, encoding, rate)) == TEXT


@pytest.mark.parametrize(
    ("encoding", "media_type"), [(Encoding.MULAW, "audio/pcmu"), (Encoding.ALAW, "audio/pcma")]
)
async def test_telephone_codes_are_at_8_khz_unless_asked_otherwise(
    start: Start, encoding: Encoding, media_type: str
) -> None:
    _, client = await start()
    for asked, rate in ((None, 8000), (16000, 16000)):
        async with client.synthesize("Hello.", encoding=encoding, sample_rate_hertz=asked) as speech:
            told = (await speech.start()).format
            data = b"".join([piece async for piece in speech])
        assert (told.media_type, told.sample_rate_hertz, told.channel_count) == (media_type, rate, 1)
        assert len(data) == 6 * rate // 10, "a byte for each sample of the six tones of 100 ms"


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("target_size", [10, None, 1000])
async def test_every_character_comes_through_every_strategy(
    start: Start, strategy: Strategy, target_size: int | None
) -> None:
    _, client = await start()
    audio = await spoken(client, TEXT, strategy=strategy, target_size=target_size, sample_rate_hertz=8000)
    assert await heard(client, audio) == TEXT


async def test_the_stream_states_its_format_first_and_its_usage_last(start: Start) -> None:
    _, client = await start()
    async with client.synthesize("Hé!", encoding=Encoding.OPUS, sample_rate_hertz=16000) as speech:
        started = await speech.start()
        audio = b"".join([data async for data in speech])
    assert started.model == "speaker"
    assert started.voice == "tone"
    assert started.format == AudioFormat(
        encoding=AUDIO_ENCODING_OPUS, sample_rate_hertz=16000, channel_count=1, media_type="audio/ogg"
    )
    assert audio.startswith(b"OggS")
    usage, timing = speech.finished.usage, speech.finished.timing
    assert (usage.characters, usage.input_tokens) == (3, 4)  # é is two bytes, and the speaker says bytes
    assert usage.audio_duration.ToMilliseconds() == 400
    assert (
        timing.queued.ToNanoseconds() <= timing.first_result.ToNanoseconds() <= timing.total.ToNanoseconds()
    )


async def test_a_streamed_wav_opens_with_the_standard_library(start: Start) -> None:
    _, client = await start()
    audio = await spoken(client, "Wave.")
    assert audio[4:8] == audio[40:44] == b"\xff\xff\xff\xff"
    with wave.open(io.BytesIO(audio)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
    assert len(audio) == 44 + 5 * 4800


async def test_audio_arrives_while_the_rest_is_still_being_made(start: Start) -> None:
    """The speaker breaks at its fourth byte: what came before it has arrived by then."""
    _, client = await start(options={"fail_after": 3}, read_ahead=1)
    received = 0
    with pytest.raises(ServiceError, match="broke") as failure:
        async for data in client.synthesize("abcdef", encoding=Encoding.PCM_S16LE):
            received += len(data)
    assert received == 3 * 4800
    assert failure.value.reason == "MODEL_FAILED"


async def test_options_that_the_model_has_no_use_for_are_named(start: Start) -> None:
    _, client = await start()
    async with client.synthesize("a", speed=1.5, instructions="loudly", seed=3) as speech:
        assert (await speech.start()).ignored_fields == ["speed", "instructions", "seed"]


async def test_many_speak_at_once_and_none_hears_another(start: Start) -> None:
    _, client = await start(threads=2, concurrency=16, queue=64)
    texts = [f"Caller number {number} has this to say." for number in range(40)]
    audio = await asyncio.gather(*(spoken(client, text, encoding=Encoding.WAV) for text in texts))
    assert [await heard(client, one) for one in audio] == texts


async def test_a_model_and_a_voice_answer_to_their_aliases(start: Start) -> None:
    _, client = await start(voice_aliases={"alloy": "tone"})
    async with client.synthesize("a", model="tts-1", voice="alloy") as speech:
        started = await speech.start()
    assert (started.model, started.voice) == ("speaker", "tone")
    voices = await client.list_voices("tts-1")
    assert [(voice.name, list(voice.aliases)) for voice in voices] == [("tone", ["alloy"])]
