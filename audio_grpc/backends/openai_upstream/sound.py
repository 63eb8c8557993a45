"""Bytes of a provider's audio as they come, to sound: bare samples, WAV, or MP3."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import av
import numpy as np
from av.error import FFmpegError

from audio_grpc.audio import Mixer, RawFormat, raw_audio
from audio_grpc.backends.openai_upstream.failure import failure
from audio_grpc.backends.openai_upstream.options import SpeechUpstream
from audio_grpc.errors import InvalidRequest
from audio_grpc.types import Audio

# A length that a writer who streams leaves in the header: none, or about the largest (signed) number.
UNKNOWN_WAV_SIZE = 0x7FFF0000
MAX_WAV_HEADER_BYTES = 64 << 10
ID3_HEADER_BYTES = 10
PCM_FORMATS = {0x0001, 0xFFFE}


class Decoder(Protocol):
    """Sound that comes in pieces of any size. Failure for what is damaged."""

    def write(self, data: bytes) -> Iterator[Audio]:
        """The bytes go on with these."""

    def finish(self) -> Iterator[Audio]:
        """That was all; Failure if something is missing."""


def decoder(options: SpeechUpstream) -> Decoder:
    """Returns a decoder for the format that the provider is asked for."""
    match options.response_format:
        case "pcm":
            return PcmDecoder(RawFormat(options.sample_rate_hertz))
        case "wav":
            return WaveDecoder()
        case "mp3":
            return Mp3Decoder()


class PcmDecoder:
    """Bare 16-bit samples; ``size`` is how many bytes of them are to come, if that is known."""

    def __init__(self, form: RawFormat, size: int | None = None) -> None:
        self._form = form
        self._left = size
        self._rest = b""
        self._mixer = Mixer(form.sample_rate_hertz)

    def write(self, data: bytes) -> Iterator[Audio]:
        """Yields the whole samples of the data; a part of one waits for the rest."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        data = self._rest + data
        whole = len(data) // self._form.frame_bytes * self._form.frame_bytes
        self._rest = data[whole:]
        if whole:
            yield raw_audio(data[:whole], self._form, self._mixer)

    def finish(self) -> Iterator[Audio]:
        """Yields nothing, as nothing is held back. Raises Failure if the audio is incomplete."""
        if self._rest or self._left:
            raise failure("sent audio that ends too early")
        yield from ()


class WaveDecoder:
    """A WAV file of 16-bit samples: the header is read, and whatever else it has is skipped."""

    def __init__(self) -> None:
        self._header = b""
        self._samples: PcmDecoder | None = None

    def write(self, data: bytes) -> Iterator[Audio]:
        """Yields the sound, once the header is complete."""
        if self._samples is None:
            self._header += data
            found = _samples_of(self._header)
            if found is None:
                if len(self._header) > MAX_WAV_HEADER_BYTES:
                    raise failure("sent a WAV file without samples")
                return
            self._samples, data = found
        yield from self._samples.write(data)

    def finish(self) -> Iterator[Audio]:
        """Yields nothing, as nothing is held back. Raises Failure if the audio is incomplete."""
        if self._samples is None:
            raise failure("sent audio that ends too early")
        yield from self._samples.finish()


def _samples_of(header: bytes) -> tuple[PcmDecoder, bytes] | None:
    """Returns the samples that the header announces, and the bytes of them that are there.

    None if the header is incomplete. Raises Failure for anything but a WAV file of 16-bit samples.
    """
    if header[:4] != b"RIFF"[: len(header)] or header[8:12] != b"WAVE"[: max(0, len(header) - 8)]:
        raise failure("sent something else than a WAV file")
    form: RawFormat | None = None
    at = 12
    while at + 8 <= len(header):
        name, size = header[at : at + 4], int.from_bytes(header[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            if form is None:
                raise failure("sent a WAV file that does not say what it is")
            return PcmDecoder(form, size if 0 < size < UNKNOWN_WAV_SIZE else None), header[at:]
        if name == b"fmt " and len(header) >= at + 16:
            form = _form(header[at : at + 16])
        at += size + size % 2
    return None


def _form(chunk: bytes) -> RawFormat:
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk)
    if kind not in PCM_FORMATS or bits != 16:
        raise failure("sent a WAV file of other than 16-bit samples; ask it for response_format pcm or mp3")
    try:
        return RawFormat(rate, channels)
    except InvalidRequest as error:
        raise failure(f"sent a WAV file of {channels} channels at {rate} Hz") from error


class Mp3Decoder:
    """MP3 frames, each decoded as soon as its successor begins; a tag before them is skipped."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("mp3float", "r")  # plain "mp3" may give integers
        assert isinstance(codec, av.AudioCodecContext)
        self._codec = codec
        self._start: bytes | None = b""
        self._tag_left = 0
        self._mixer: Mixer | None = None

    def write(self, data: bytes) -> Iterator[Audio]:
        """Yields the audio that can be decoded so far."""
        if self._start is not None:
            data = self._start + data
            if len(data) < ID3_HEADER_BYTES:
                self._start = data
                return
            self._start = None
            self._tag_left = _tag_size(data)
        skipped = min(self._tag_left, len(data))
        self._tag_left -= skipped
        if data := data[skipped:]:
            yield from self._decoded(self._codec.parse(data))

    def finish(self) -> Iterator[Audio]:
        """The last frame. What has no frame at all has no sound."""
        yield from self._decoded([*self._codec.parse(None), None])

    def _decoded(self, packets: Sequence[Any]) -> Iterator[Audio]:
        try:
            frames = [frame for packet in packets for frame in self._codec.decode(packet)]
        except FFmpegError as error:
            raise failure("sent damaged MP3") from error
        for frame in frames:
            if self._mixer is None:
                self._mixer = Mixer(frame.sample_rate)
            yield Audio(self._mixer.mix(frame.to_ndarray().astype(np.float32)), frame.sample_rate)


def _tag_size(start: bytes) -> int:
    """Returns the bytes of an ID3v2 tag with its header, whose size has seven bits a byte; 0 without one."""
    if start[:3] != b"ID3":
        return 0
    high, middle, low, lowest = (byte & 0x7F for byte in start[6:ID3_HEADER_BYTES])
    return ID3_HEADER_BYTES + (high << 21 | middle << 14 | low << 7 | lowest)
