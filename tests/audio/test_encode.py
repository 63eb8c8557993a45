import io
import struct
import wave
from collections.abc import Iterable, Iterator

import av
import numpy as np
import pytest
from av.container import OutputContainer
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audio_grpc.audio import CODECS, MAX_PIECE_BYTES, Encoder, decode, encode, wav_header
from audio_grpc.audio import encode as encode_function
from audio_grpc.audio.encode import to_pcm
from audio_grpc.errors import InvalidRequest
from audio_grpc.types import Audio, Encoding
from tests.headers import BARE, headed

NATIVE = 24_000
RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
LOSSLESS = (Encoding.WAV, Encoding.PCM_S16LE, Encoding.FLAC)
COMPRESSED = tuple(encoding for encoding in Encoding if CODECS[encoding].muxer)
SUPPORTED = [(e, rate) for e in Encoding for rate in RATES if CODECS[e].supports(rate)]


def tone(seconds: float = 1.0, rate: int = NATIVE, hertz: float = 440.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def chunks(samples: np.ndarray, size: int = 2_400, rate: int = NATIVE) -> list[Audio]:
    return [Audio(samples[at : at + size], rate) for at in range(0, len(samples), size)]


def encoded(source: Iterable[Audio], encoding: Encoding, rate: int = NATIVE) -> bytes:
    return b"".join(encode(source, encoding, rate))


def heard(data: bytes, encoding: Encoding, rate: int) -> np.ndarray:
    return decode(headed(data, encoding, rate), sample_rate_hertz=rate, max_seconds=60).samples


def frequency(samples: np.ndarray, rate: int) -> float:
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), n=8 * len(middle)))
    return float(np.argmax(spectrum)) * rate / (8 * len(middle))


@pytest.mark.parametrize(("encoding", "rate"), SUPPORTED)
def test_duration_and_pitch_survive(encoding: Encoding, rate: int) -> None:
    samples = heard(encoded(chunks(tone()), encoding, rate), encoding, rate)
    # The MPEG codecs begin with their delay and end with a full frame.
    padding = 4 * 1152 if encoding in (Encoding.MP3, Encoding.AAC) else 0
    assert 0 <= len(samples) - rate <= padding
    assert frequency(samples, rate) == pytest.approx(440, abs=2)
    assert np.abs(samples[rate // 4 : -rate // 4]).max() == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize(("encoding", "rate"), [(e, r) for e, r in SUPPORTED if e in COMPRESSED])
def test_the_file_has_the_rate_that_was_asked_for(encoding: Encoding, rate: int) -> None:
    with av.open(io.BytesIO(encoded(chunks(tone(0.2)), encoding, rate))) as container:
        stream = container.streams.audio[0]
        assert stream.channels == 1
        assert stream.rate == (48_000 if encoding is Encoding.OPUS else rate)  # what Opus decodes to


@pytest.mark.parametrize(
    ("encoding", "rate"),
    [
        (e, r)
        for e, r in SUPPORTED
        if e in COMPRESSED and CODECS[e].bit_rates and r in (8_000, 24_000, 48_000)
    ],
)
def test_the_bit_rate_is_that_of_the_table(encoding: Encoding, rate: int) -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 3 * rate).astype(np.float32)
    bits = 8 * len(encoded([Audio(noise, rate)], encoding, rate)) / 3
    bit_rates = CODECS[encoding].bit_rates
    assert bit_rates is not None
    pages = 11_500 if encoding is Encoding.OPUS else 0
    assert bits - pages == pytest.approx(bit_rates[rate], rel=0.25)


@pytest.mark.parametrize("encoding", LOSSLESS)
def test_lossless_is_exact(encoding: Encoding) -> None:
    samples = np.random.default_rng(3).uniform(-1, 1, 10_000).astype(np.float32)
    back = heard(encoded(chunks(samples), encoding), encoding, NATIVE)
    np.testing.assert_array_equal(back, to_pcm(samples) / np.float32(32_768))


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
@pytest.mark.parametrize("encoding", Encoding)
def test_the_first_bytes_come_out_before_the_second_chunk_goes_in(encoding: Encoding, rate: int) -> None:
    pulled = []

    def source() -> Iterator[Audio]:
        for number, chunk in enumerate(chunks(tone(2.5), size=NATIVE // 2)):
            pulled.append(number)
            yield chunk

    pieces = encode(source(), encoding, rate)
    assert pulled == []
    sizes = dict.fromkeys(range(5), 0)
    for piece in pieces:
        sizes[pulled[-1]] += len(piece)
    # Each half second gives about as much as the next: little is hoarded until the end.
    assert min(sizes.values()) > max(sizes.values()) / 5


def test_plain_samples_come_out_whole_with_each_chunk() -> None:
    pieces = list(encode(chunks(tone(0.3)), Encoding.PCM_S16LE, NATIVE))
    assert [len(piece) for piece in pieces] == [4_800, 4_800, 4_800]


def test_a_long_chunk_is_not_encoded_at_one_go() -> None:
    assert len(list(encode([Audio(tone(10), NATIVE)], Encoding.OPUS, NATIVE))) > 10


BEGINNINGS = {
    Encoding.WAV: b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0",
    Encoding.MP3: b"\xff\xf3",
    Encoding.OPUS: b"OggS\0\2",
    Encoding.FLAC: b"fLaC\0\0\0\x22",
    Encoding.AAC: b"\xff\xf1",
    Encoding.PCM_S16LE: b"\0\0",
    Encoding.MULAW: b"\xff",
    Encoding.ALAW: b"\xd5",
}


@pytest.mark.parametrize("encoding", Encoding)
def test_all_pieces_are_one_container(encoding: Encoding) -> None:
    data = encoded(chunks(tone()), encoding)
    assert data.startswith(BEGINNINGS[encoding])
    if len(BEGINNINGS[encoding]) > 2:
        assert data.count(BEGINNINGS[encoding]) == 1
    assert encoded(chunks(tone()), encoding) == data, "the same sound gives the same bytes"


def test_an_ogg_ends_with_its_last_page() -> None:
    data = encoded(chunks(tone()), Encoding.OPUS)
    assert data[data.rindex(b"OggS") + 5] & 4


def test_an_mp3_says_nothing_about_a_length_it_cannot_know() -> None:
    data = encoded(chunks(tone()), Encoding.MP3)
    assert not any(tag in data for tag in (b"ID3", b"Xing", b"Info"))


@pytest.mark.parametrize("encoding", Encoding)
def test_pieces_are_small_and_never_empty(encoding: Encoding) -> None:
    noise = np.random.default_rng(4).uniform(-1, 1, 5 * NATIVE).astype(np.float32)
    sizes = [len(piece) for piece in encode([Audio(noise, NATIVE)] * 2, encoding, 48_000)]
    assert min(sizes) > 0
    assert max(sizes) <= MAX_PIECE_BYTES


class Source:
    """An endless source that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Iterator[Audio]:
        return self

    def __next__(self) -> Audio:
        return Audio(tone(0.5), NATIVE)

    def close(self) -> None:
        self.closed = True


class Spy:
    """Stands in for av.open, and knows whether what it opened was closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = 0
        self._av_open = av.open
        monkeypatch.setattr("av.open", self._spied)

    def _spied(self, sink: object, mode: str, **options: object) -> "Spy":
        self._container: OutputContainer = self._av_open(sink, "w", **options)  # type: ignore[call-overload]
        return self

    def __enter__(self) -> OutputContainer:
        self.open += 1
        return self._container.__enter__()

    def __exit__(self, *failure: object) -> None:
        self.open -= 1
        self._container.close()


@pytest.mark.parametrize("rate", [16_000, 24_000])
@pytest.mark.parametrize("encoding", Encoding)
def test_closing_early_closes_everything(
    encoding: Encoding, rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, source = Spy(monkeypatch), Source()
    pieces = encode(source, encoding, rate)
    next(pieces)
    assert spy.open == (encoding in COMPRESSED)
    assert not source.closed
    pieces.close()
    assert spy.open == 0
    assert source.closed


@pytest.mark.parametrize("encoding", Encoding)
def test_a_failing_source_fails_the_stream(encoding: Encoding, monkeypatch: pytest.MonkeyPatch) -> None:
    def source() -> Iterator[Audio]:
        yield Audio(tone(), NATIVE)
        raise RuntimeError("out of breath")

    spy = Spy(monkeypatch)
    with pytest.raises(RuntimeError, match="out of breath"):
        list(encode(source(), encoding, NATIVE))
    assert spy.open == 0


def test_an_impossible_rate_is_refused_before_anything_is_pulled() -> None:
    with pytest.raises(InvalidRequest, match="8000, 12000, 16000, 24000, 48000"):
        encode(Source(), Encoding.OPUS, 44_100)


@pytest.mark.parametrize(
    ("sample", "integer"),
    [
        (0.0, 0),
        (1.0, 32_767),
        (-1.0, -32_768),
        (7.5, 32_767),
        (-7.5, -32_768),
        (float("inf"), 32_767),
        (float("-inf"), -32_768),
        (float("nan"), 0),
        (0.9 / 32_768, 1),
        (-0.9 / 32_768, -1),
        (0.4 / 32_768, 0),
    ],
)
def test_samples_are_rounded_and_clipped(sample: float, integer: int) -> None:
    assert to_pcm(np.array([0.25, sample], np.float32)).tolist() == [8_192, integer]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
def test_any_samples_become_the_nearest_integers(samples: np.ndarray) -> None:
    ideal = np.nan_to_num(samples.astype(np.float64), nan=0.0).clip(-2, 2) * 32_768
    assert to_pcm(samples).tolist() == np.rint(ideal).clip(-32_768, 32_767).tolist()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3_000), max_size=8))
def test_where_the_chunks_are_cut_changes_no_sample(sizes: list[int]) -> None:
    samples = np.random.default_rng(6).uniform(-1, 1, sum(sizes)).astype(np.float32)
    cut = [Audio(part, NATIVE) for part in np.split(samples, np.cumsum(sizes)[:-1] if sizes else [])]
    for rate in (NATIVE, 16_000):
        whole = encoded([Audio(samples, NATIVE)], Encoding.WAV, rate)
        assert encoded(cut, Encoding.WAV, rate) == whole


@pytest.mark.parametrize("encoding", Encoding)
def test_nothing_comes_out_for_silence_of_no_length(encoding: Encoding) -> None:
    nothing, pulled = Audio(np.zeros(0, np.float32), NATIVE), []

    def source() -> Iterator[Audio]:
        yield nothing
        yield nothing
        pulled.append(True)
        yield Audio(tone(), NATIVE)

    next(encode(source(), encoding, NATIVE))
    assert pulled


@pytest.mark.parametrize("source", [[], [Audio(np.zeros(0, np.float32), NATIVE)]], ids=["none", "empty"])
@pytest.mark.parametrize("encoding", Encoding)
def test_a_stream_without_samples_is_an_empty_container(encoding: Encoding, source: list[Audio]) -> None:
    data = encoded(source, encoding)
    bare = (Encoding.MP3, Encoding.AAC, *BARE)
    assert data.startswith(b"" if encoding in bare else BEGINNINGS[encoding])
    assert (data == b"") == (encoding in bare)


def test_an_exact_wav_header_is_what_the_standard_library_reads() -> None:
    data = wav_header(22_050, 1_000) + bytes(2_000)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 22_050, 1_000)
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def test_a_streamed_wav_header_leaves_the_lengths_open() -> None:
    first = next(encode_function(chunks(tone()), Encoding.WAV, NATIVE))
    header, exact = wav_header(NATIVE), wav_header(NATIVE, 0)
    assert first.startswith(header)
    assert len(first) == 44 + 4_800, "in one piece with the first samples"
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"
    assert header[:4] + header[8:40] == exact[:4] + exact[8:40]


@pytest.mark.parametrize(("encoding", "rate"), SUPPORTED)
def test_a_flush_brings_out_all_sound_and_the_container_goes_on(encoding: Encoding, rate: int) -> None:
    encoder = Encoder(encoding, rate)
    begun = b"".join([data for chunk in chunks(tone(0.5)) for data in encoder.write(chunk)])
    begun += b"".join(encoder.flush())
    assert len(heard(begun, encoding, rate)) >= 0.49 * rate
    assert list(encoder.flush()) == [], "there is nothing left to push out"
    silence = encoder.seconds - 0.5
    rest = b"".join([data for chunk in chunks(tone(0.5)) for data in encoder.write(chunk)])
    samples = heard(begun + rest + b"".join(encoder.finish()), encoding, rate)
    padding = 4 * 1152 / rate if encoding in (Encoding.MP3, Encoding.AAC) else 0.01
    assert len(samples) / rate == pytest.approx(1 + silence, abs=padding)
    assert silence < 0.6 if encoding in COMPRESSED else silence < 0.02


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_container_can_be_given_up(encoding: Encoding) -> None:
    encoder = Encoder(encoding, NATIVE)
    for chunk in chunks(tone()):
        list(encoder.write(chunk))
    encoder.close()
    encoder.close()
