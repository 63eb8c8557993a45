"""Sound files to read, most of them written by FFmpeg."""

import io
import struct
import wave
from fractions import Fraction

import av
import numpy as np
from av.container import OutputContainer

from audio_grpc.audio import decode, encode
from audio_grpc.types import Audio, Encoding
from tests.headers import BARE

RATE = 24_000


def tone(seconds: float = 2.0, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def made(encoding: Encoding, seconds: float = 2.0, rate: int = RATE) -> bytes:
    return b"".join(encode([Audio(tone(seconds, rate), rate)], encoding, rate))


def file(
    container: str,
    codec: str,
    *,
    layout: str = "mono",
    seconds: float = 2.0,
    step: int = 2_400,
    pause: float = 0.0,
    late: float = 0.0,
    video: bool = False,
    **options: str,
) -> bytes:
    """The tone in every channel, written by FFmpeg into a seekable file.

    ``step`` samples go in at a time, ``pause`` is a gap in the middle in seconds, ``late`` one before
    the sound, ``video`` is four seconds of a picture.
    """
    sink = io.BytesIO()
    with av.open(sink, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=RATE, layout=layout)
        assert isinstance(stream, av.AudioStream)
        channels = stream.codec_context.channels
        stream.bit_rate = 48_000 * channels
        if video:
            film(output)
        pcm = (tone(seconds) * 32_767).astype(np.int16)
        for at in range(0, len(pcm), step):
            interleaved = np.repeat(pcm[at : at + step], channels)[np.newaxis]
            sound = av.AudioFrame.from_ndarray(interleaved, layout=layout)
            sound.sample_rate, sound.time_base = RATE, Fraction(1, RATE)
            sound.pts = at + round((late + (pause if at >= len(pcm) // 2 else 0)) * RATE)
            output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    return sink.getvalue()


def film(output: OutputContainer) -> None:
    """Write all of the picture."""
    picture = output.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
    for number in range(40):
        frame = av.VideoFrame(64, 64, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 10)
        output.mux(picture.encode(frame))
    output.mux(picture.encode(None))


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """16-bit samples of shape [frames, channels], by the standard library."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as output:
        output.setparams((samples.shape[1], 2, rate, 0, "NONE", ""))
        output.writeframes(samples.astype("<i2").tobytes())
    return sink.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def typed_wav(tag: int, samples: np.ndarray, before: bytes = b"") -> bytes:
    """A mono WAV of any sample type: format tag 1 is integers, 3 is floats."""
    size = samples.dtype.itemsize
    layout = chunk(b"fmt ", struct.pack("<HHIIHH", tag, 1, RATE, RATE * size, size, 8 * size))
    return chunk(b"RIFF", b"WAVE" + layout + before + chunk(b"data", samples.tobytes()))


def frequency(samples: np.ndarray, rate: int) -> float:
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), n=8 * len(middle)))
    return float(np.argmax(spectrum)) * rate / (8 * len(middle))


def decoded(data: bytes, rate: int = 16_000) -> Audio:
    return decode(data, sample_rate_hertz=rate, max_seconds=60)


WHOLE: dict[str, bytes] = {
    "wav": file("wav", "pcm_s16le"),
    "wav, 32-bit float": file("wav", "pcm_f32le"),
    "wav, 64-bit float": file("wav", "pcm_f64le"),
    "wav, 24 bits": file("wav", "pcm_s24le"),
    "wav, 8 bits": file("wav", "pcm_u8"),
    "wav, mu-law": file("wav", "pcm_mulaw"),
    "wav, ADPCM": file("wav", "adpcm_ms"),
    "wav, stereo": file("wav", "pcm_s16le", layout="stereo"),
    "wav, 7.1": file("wav", "pcm_s16le", layout="7.1"),
    "w64": file("w64", "pcm_s16le"),
    "aiff": file("aiff", "pcm_s16be"),
    "au": file("au", "pcm_s16be"),
    "caf": file("caf", "pcm_s16be"),
    "flac": file("flac", "flac"),
    "flac, 5.1": file("flac", "flac", layout="5.1"),
    "mp3": file("mp3", "libmp3lame"),
    "mp3, stereo": file("mp3", "libmp3lame", layout="stereo"),
    "aac": file("adts", "aac"),
    "ogg": file("ogg", "libopus"),
    "ogg, flac": file("ogg", "flac"),
    "m4a": file("ipod", "aac"),
    "m4a, alac": file("ipod", "alac"),
    "mp4, 7.1": file("mp4", "aac", layout="7.1"),
    "mp4, fragments": file("mp4", "aac", movflags="frag_keyframe+empty_moov", frag_duration="500000"),
    "mp4, video": file("mp4", "aac", video=True),
    "mov": file("mov", "pcm_s16le"),
    "webm": file("webm", "libopus"),
    "webm, live": file("webm", "libopus", live="1"),
    "mkv": file("matroska", "pcm_s16le"),
    "mkv, live": file("matroska", "pcm_s16le", live="1"),
    "mkv, video": file("matroska", "aac", video=True),
    "mkv, longer video": file("matroska", "flac", video=True),
    "avi": file("avi", "libmp3lame"),
    "flv": file("flv", "aac"),
    "mpegts": file("mpegts", "aac"),
    "mpeg": file("mpeg", "mp2"),
    "wma": file("asf", "wmav2"),
    "wv": file("wv", "wavpack"),
    "tta": file("tta", "tta"),
} | {encoding.value + " stream": made(encoding) for encoding in Encoding if encoding not in BARE}
STREAMED_WAV = made(Encoding.WAV)
