"""Any sound file that FFmpeg reads, as a stream of mono chunks at its own rate.

A playlist among the uploads could name other files of this machine or its network, so only self-contained
formats are opened.
"""

import ctypes
import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

import av
import av._core
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from audio_grpc.audio import formats
from audio_grpc.audio.announced import check_seconds, expected_seconds
from audio_grpc.audio.clock import Clock
from audio_grpc.audio.mix import Mixer
from audio_grpc.errors import AudioUndecodable
from audio_grpc.types import Audio

# FFmpeg's names of the formats that hold their own sound and cannot refer to anything outside.
_FORMATS = "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}

_MAX_ALLOCATION_BYTES = 128 * 1024 * 1024

# Above this the resampler's filter alone takes hundreds of megabytes.
_MIN_SOURCE_RATE_HERTZ, _MAX_SOURCE_RATE_HERTZ = 1_000, 1_536_000

_GATHERED_SAMPLES = 16_384
_MAX_CHANGES = 1_000

# Formats that say when each packet sounds; in others FFmpeg counts samples, or bytes.
_TIMED = {"asf", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg"}
# Of these, those whose clock shows 0 when the recording begins.
_FROM_ZERO = {"matroska", "mov"}
_CUT_OUT_SECONDS = 60.0
"""A clock that begins later is that of a longer stream, of which the file is a part."""
_MAX_PAUSE_SECONDS = 1e6

_DAMAGED = "the file is damaged; send it intact, or as WAV or FLAC"


def container_chunks(data: bytes) -> Generator[Audio, None, None]:
    """Yield the sound of a file on its own clock, mixed to one channel, and close the file.

    A pause is one chunk of silence, however long. Files that were joined to one follow each other.
    Raises AudioUndecodable, or AudioTruncated once all that is there was yielded.
    """
    formats.check_bytes(data)
    with _opened(data) as container:
        parts = formats.parts(_name(container), data)
    for part in parts:
        yield from _part_chunks(part)


def container_seconds(data: bytes) -> float | None:
    """Returns the seconds of sound that the file's headers announce; None if they announce nothing.

    Raises AudioUndecodable if the data cannot be opened.
    """
    with _opened(data) as container:
        parts = formats.parts(_name(container), data)
    seconds = 0.0
    try:
        for part in parts:
            with _opened(part) as container:
                expected = expected_seconds(_name(container), container, part)
            if expected is None:
                return None
            seconds += expected
    except AudioUndecodable:  # what is before that will be heard
        return None
    return seconds


class _Damaged(ValueError):
    """Raised for a gap in the sound."""


class _Track:
    """The first audio track of an open file, packet by packet."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self.sounded = 0.0
        """Seconds of decoded samples."""
        self.unusable = 0
        """Packets at the end that could not be decoded."""

    def frames(self) -> Iterator[av.AudioFrame]:
        """Yield decoded frames; raises _Damaged for a hole.

        A recording may have been cut out of a longer one, so one packet may be unusable at either end.
        """
        stream = self._container.streams.audio[0]
        for packet in self._container.demux(stream):
            try:
                frames = stream.decode(packet)
            except FFmpegError as error:
                self.unusable += 1
                if self.unusable > 1:
                    raise _Damaged from error
                continue
            if frames and packet.size:
                if self.unusable and self.sounded:
                    raise _Damaged
                self.unusable = 0
            for frame in frames:
                self._count(frame)
                yield frame
        if self.unusable and not self.sounded:
            raise _Damaged

    def _count(self, frame: av.AudioFrame) -> None:
        rate = frame.sample_rate
        if not _MIN_SOURCE_RATE_HERTZ <= rate <= _MAX_SOURCE_RATE_HERTZ:
            raise AudioUndecodable(
                f"the audio has {rate} samples a second; send at most {_MAX_SOURCE_RATE_HERTZ}, and at least "
                f"{_MIN_SOURCE_RATE_HERTZ}",
                field="audio",
            )
        self.sounded += frame.samples / rate


def _part_chunks(data: bytes) -> Iterator[Audio]:
    formats.check_bytes(data)
    with _opened(data) as container, _translated(_DAMAGED):
        track = _Track(container)
        name = _name(container)
        clock = Clock(_origin(name, container))
        failure: Exception | None = None
        try:
            frames = track.frames()
            timed = clock.placed(frames) if name in _TIMED else ((0.0, frame) for frame in frames)
            yield from _mono_chunks(timed)
        except (FFmpegError, _Damaged) as error:
            failure = error
        present = clock.seconds if name in _TIMED else track.sounded
        check_seconds(name, container, data, present, is_broken=track.unusable > 0 or failure is not None)
        if failure:
            raise failure


def _name(container: InputContainer) -> str:
    """FFmpeg's name of the format, of several the first."""
    return container.format.name.partition(",")[0]


def _origin(name: str, container: InputContainer) -> float | None:
    """Returns what the clock shows when the recording begins, in seconds; None: when its first frame does."""
    start = (container.start_time or 0) / av.time_base
    if name in _FROM_ZERO and start <= _CUT_OUT_SECONDS:
        return 0.0
    return start if len(container.streams) > 1 else None  # else FFmpeg counts what decoders drop


def _mono_chunks(timed: Iterable[tuple[float, av.AudioFrame]]) -> Iterator[Audio]:
    for changes, ((*_, rate), run) in enumerate(groupby(timed, key=lambda placed: _kind(placed[1]))):
        if changes > _MAX_CHANGES:
            raise AudioUndecodable(
                f"the audio changes its rate or channels more than {_MAX_CHANGES} times; send it converted",
                field="audio",
            )
        packer = av.AudioResampler(format="flt")
        mixer = Mixer(rate)
        for gathered in _gathered(run):
            if isinstance(gathered, float):
                yield _silence(gathered, rate)
                continue
            # Never look at a planar frame from Python: with 8 channels or more, PyAV counts planes
            # beyond the end of FFmpeg's array of them and the process dies.
            for packed in packer.resample(gathered):
                yield _mono(packed, mixer)


def _kind(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _gathered(placed: Iterable[tuple[float, av.AudioFrame]]) -> Iterator[av.AudioFrame | float]:
    """Joins short frames into longer ones: every frame has a fixed cost from here on. Keeps the pauses."""
    fifo = av.AudioFifo()
    for pause, frame in placed:
        if pause:
            if rest := fifo.read():
                yield rest
            yield pause
        frame.pts = None  # the fifo refuses gaps
        fifo.write(frame)
        if fifo.samples >= _GATHERED_SAMPLES and (gathered := fifo.read()):
            yield gathered
    if rest := fifo.read():
        yield rest


def _silence(seconds: float, rate: int) -> Audio:
    """Returns silence that takes no memory, however long it is."""
    count = round(min(seconds, _MAX_PAUSE_SECONDS) * rate)
    return Audio(np.broadcast_to(np.float32(0), count), rate)


@np.errstate(over="ignore", invalid="ignore")  # whoever collects the chunks looks at them
def _mono(packed: av.AudioFrame, mixer: Mixer) -> Audio:
    interleaved = np.asarray(packed.to_ndarray(), np.float32).reshape(-1, packed.layout.nb_channels)
    return Audio(mixer.mix(np.ascontiguousarray(interleaved.T)), packed.sample_rate)


def _opened(data: bytes) -> InputContainer:
    _cap_allocations()
    with _translated(
        "the file is damaged, or of no audio format that is known here; send an intact WAV, FLAC, MP3, Ogg, "
        "WebM or MP4, or bare samples with raw_format where the request has it"
    ):
        container = _demuxer(data)
        plain = formats.without_layouts(_name(container), data)
        if plain is not data:
            container.close()
            container = _demuxer(plain)
    if not container.streams.audio:
        container.close()
        raise AudioUndecodable("the file has no audio track; send one that has", field="audio")
    # PyAV's types deny it, but there is no context for a codec that FFmpeg lacks, and no way to try.
    if getattr(container.streams.audio[0], "codec_context", None) is None:
        container.close()
        raise AudioUndecodable(
            "the file's audio has a codec that is not known here; send it as WAV or FLAC", field="audio"
        )
    return container


def _demuxer(data: bytes) -> InputContainer:
    return av.open(io.BytesIO(data), "r", container_options=_OPTIONS, metadata_errors="replace")


def _cap_allocations() -> None:
    """Have FFmpeg refuse to reserve more at once: a header of a few bytes can ask for gigabytes.

    PyAV does not offer this, but links it. It holds for the process, and saying it again is harmless.
    """
    av_max_alloc = ctypes.CDLL(av._core.__file__).av_max_alloc
    av_max_alloc.argtypes, av_max_alloc.restype = [ctypes.c_size_t], None
    av_max_alloc(_MAX_ALLOCATION_BYTES)


@contextmanager
def _translated(message: str) -> Iterator[None]:
    """Raises PyAV's errors as AudioUndecodable with this message."""
    try:
        yield
    except (FFmpegError, ValueError, LookupError) as error:
        raise AudioUndecodable(message, field="audio") from error
