import pytest

from audio_grpc.audio import CODECS, choose_rate
from audio_grpc.errors import InvalidRequest
from audio_grpc.types import Encoding


def test_every_encoding_has_a_row() -> None:
    assert {encoding: codec.media_type for encoding, codec in CODECS.items()} == {
        Encoding.WAV: "audio/wav",
        Encoding.MP3: "audio/mpeg",
        Encoding.OPUS: "audio/ogg",
        Encoding.FLAC: "audio/flac",
        Encoding.AAC: "audio/aac",
        Encoding.PCM_S16LE: "audio/pcm",
        Encoding.MULAW: "audio/pcmu",
        Encoding.ALAW: "audio/pcma",
    }


@pytest.mark.parametrize(
    ("encoding", "requested", "native", "rate"),
    [
        (Encoding.WAV, None, 22_050, 22_050),
        (Encoding.WAV, None, 4_000, 8_000),
        (Encoding.WAV, None, 96_000, 48_000),
        (Encoding.PCM_S16LE, 11_111, 24_000, 11_111),
        (Encoding.FLAC, 8_000, 24_000, 8_000),
        (Encoding.FLAC, 48_000, 24_000, 48_000),
        (Encoding.MP3, None, 22_050, 22_050),
        (Encoding.MP3, None, 22_051, 24_000),
        (Encoding.MP3, 44_100, 24_000, 44_100),
        (Encoding.AAC, None, 24_000, 24_000),
        (Encoding.OPUS, None, 22_050, 24_000),
        (Encoding.OPUS, None, 44_100, 48_000),
        (Encoding.OPUS, None, 96_000, 48_000),
        (Encoding.OPUS, 16_000, 24_000, 16_000),
    ],
)
def test_the_request_or_else_the_next_rate_up(
    encoding: Encoding, requested: int | None, native: int, rate: int
) -> None:
    assert choose_rate(encoding, requested, native) == rate


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("requested", [-1, 0, 7_999, 48_001, 96_000])
def test_rates_out_of_range_are_refused(encoding: Encoding, requested: int) -> None:
    with pytest.raises(InvalidRequest, match=f"not available at {requested} Hz") as refusal:
        choose_rate(encoding, requested, 24_000)
    assert refusal.value.field == "sample_rate_hertz"


@pytest.mark.parametrize(
    ("encoding", "requested", "possible"),
    [
        (Encoding.OPUS, 44_100, "choose from 8000, 12000, 16000, 24000, 48000"),
        (Encoding.MP3, 20_000, "8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000"),
        (Encoding.AAC, 20_000, "8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000"),
        (Encoding.WAV, 1, "any from 8000 to 48000"),
    ],
)
def test_a_refusal_lists_what_is_possible(encoding: Encoding, requested: int, possible: str) -> None:
    with pytest.raises(InvalidRequest, match=possible):
        choose_rate(encoding, requested, 24_000)
