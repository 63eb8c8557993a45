"""The one table of audio encodings: names, media types, rates and how to make them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from audio_grpc.audio.g711 import Pcm, to_alaw, to_mulaw
from audio_grpc.errors import InvalidRequest
from audio_grpc.types import Encoding

MIN_RATE_HERTZ = 8_000
MAX_RATE_HERTZ = 48_000


@dataclass(frozen=True, slots=True)
class Muxer:
    """PyAV's settings for an encoding: FFmpeg's names of container, encoder and sample format."""

    container: str
    encoder: str
    sample_format: str
    held_back_frames: int
    """The delay of a sound's output, in codec frames: the encoder's lookahead plus the decoders' delay."""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoding: one row of the table."""

    media_type: str
    """The HTTP Content-Type; mono, and 16 bits where samples have a size."""
    bit_rates: Mapping[int, int] | None = None
    """Bits per second by sample rate in hertz, the supported ones; None is lossless at any rate."""
    muxer: Muxer | None = None
    """The encoder; None for samples one after the other."""
    code: Callable[[Pcm], bytes] = Pcm.tobytes
    """The function that writes 16-bit samples, where there is no muxer."""
    usual_rate_hertz: int | None = None
    """The sample rate unless another is requested; None for the model's own."""
    has_header: bool = True
    """False for bare samples: nothing tells what they are, and any part of them can be played alone."""

    def supports(self, sample_rate_hertz: int) -> bool:
        """Tells if the encoding exists at this sample rate."""
        if self.bit_rates is None:
            return MIN_RATE_HERTZ <= sample_rate_hertz <= MAX_RATE_HERTZ
        return sample_rate_hertz in self.bit_rates

    @property
    def rates_text(self) -> str:
        """The supported sample rates, for messages."""
        if self.bit_rates is None:
            return f"any from {MIN_RATE_HERTZ} to {MAX_RATE_HERTZ}"
        return ", ".join(map(str, sorted(self.bit_rates)))


# Every packet leaves the muxer at once, and the same samples give the same bytes.
_STREAMED = {"flush_packets": "1", "fflags": "+bitexact"}

# Mono speech: transparent to most listeners, and inside what each MPEG version allows at its rates.
_MPEG_BIT_RATES = {
    8_000: 24_000,
    11_025: 32_000,
    12_000: 32_000,
    16_000: 48_000,
    22_050: 64_000,
    24_000: 64_000,
    32_000: 80_000,
    44_100: 96_000,
    48_000: 96_000,
}
_OPUS_BIT_RATES = {8_000: 16_000, 12_000: 20_000, 16_000: 24_000, 24_000: 32_000, 48_000: 48_000}

CODECS: Mapping[Encoding, Codec] = {
    Encoding.WAV: Codec("audio/wav"),
    Encoding.MP3: Codec(
        "audio/mpeg",
        _MPEG_BIT_RATES,
        # Both headers describe the whole file, which a stream does not know when it begins.
        Muxer("mp3", "libmp3lame", "fltp", 5, {**_STREAMED, "write_xing": "0", "id3v2_version": "0"}),
    ),
    Encoding.OPUS: Codec(
        "audio/ogg",
        _OPUS_BIT_RATES,
        # Microseconds: a page per Opus frame; the muxer's default would hold back a second of sound.
        Muxer("ogg", "libopus", "s16", 2, {**_STREAMED, "page_duration": "20000"}),
    ),
    Encoding.FLAC: Codec(
        "audio/flac",
        # The padding is room for tags that a stream cannot come back to write.
        muxer=Muxer("flac", "flac", "s16", 1, {**_STREAMED, "metadata_header_padding": "0"}),
    ),
    Encoding.AAC: Codec("audio/aac", _MPEG_BIT_RATES, Muxer("adts", "aac", "fltp", 3, _STREAMED)),
    Encoding.PCM_S16LE: Codec("audio/pcm", has_header=False),
    # Names of RFC 4856; telephones have 8 kHz.
    Encoding.MULAW: Codec("audio/pcmu", code=to_mulaw, usual_rate_hertz=8_000, has_header=False),
    Encoding.ALAW: Codec("audio/pcma", code=to_alaw, usual_rate_hertz=8_000, has_header=False),
}


def choose_rate(encoding: Encoding, requested: int | None, native: int) -> int:
    """The sample rate in hertz to deliver ``encoding`` at.

    Without a request that is the encoding's usual rate; where it has none, the model's ``native`` rate, or
    the next higher one that the encoding has (its highest, if none is higher). Raises InvalidRequest
    (``sample_rate_hertz``) for a request that the encoding cannot fulfil.
    """
    codec = CODECS[encoding]
    if requested is None:
        return codec.usual_rate_hertz or _nearest(codec, native)
    if not codec.supports(requested):
        raise InvalidRequest(
            f"{encoding.value} is not available at {requested} Hz; choose from {codec.rates_text}, or leave "
            "the field unset",
            field="sample_rate_hertz",
        )
    return requested


def _nearest(codec: Codec, native: int) -> int:
    if codec.bit_rates is None:
        return min(max(native, MIN_RATE_HERTZ), MAX_RATE_HERTZ)
    rates = sorted(codec.bit_rates)
    return next((rate for rate in rates if rate >= native), rates[-1])
