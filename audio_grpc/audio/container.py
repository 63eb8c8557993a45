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

from audio_grpc.audio.announced import check_bytes, check_seconds, expected_seconds
from audio_grpc.errors import AudioUndecodable
from audio_grpc.types import Audio

# FFmpeg's names of the formats that hold their own sound and cannot refer to anything outside.
_FORMATS = "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}

_MAX_ALLOCATION_BYTES = 128 * 1024 * 1024

# Above this the resampler's filter alone takes hundreds of megabytes.
_MAX_SOURCE_RATE_HERTZ = 1_536_000

_GATHERED_SAMPLES = 16_384
_MAX_CHANGES = 1_000

# Streams in which tags and pictures may follow the sound, and look like packets of it.
_RESYNCHRONISING = {"aac", "mp3"}
_TAG_PACKETS = 1_000

_DAMAGED = "the file is damaged; send it intact, or as WAV or FLAC"


def container_chunks(data: bytes) -> Generator[Audio, None, None]:
    """Yield the sound of a file, the mean of its channels, and close the file.

    Raises AudioUndecodable, or AudioTruncated once all that is there was yielded.
    """
    check_bytes(data)
    with _opened(data) as container, _translated(_DAMAGED):
        heard = _Heard()
        failure: Exception | None = None
        try:
            yield from _mono_chunks(heard.counted(_frames(container)))
        except (FFmpegError, _Damaged) as error:
            failure = error
        check_seconds(container, data, heard.seconds, heard.ended(container))
        if failure:
            raise failure


def container_seconds(data: bytes) -> float | None:
    """How long the sound of a file is by its own account; None if it says nothing. AudioUndecodable."""
    with _opened(data) as container:
        return expected_seconds(container, data)


class _Damaged(ValueError):
    """There is a hole in the sound."""


class _Heard:
    """How much sound went by."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last: tuple[int, float] = (0, 0.0)

    def counted(self, frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
        for frame in frames:
            rate = frame.sample_rate
            if not 0 < rate <= _MAX_SOURCE_RATE_HERTZ:
                raise AudioUndecodable(
                    f"the audio has {rate} samples a second; send at most {_MAX_SOURCE_RATE_HERTZ}",
                    field="audio",
                )
            length = frame.samples / rate
            self.seconds += length
            self._last = frame.pts or 0, length
            yield frame

    def ended(self, container: InputContainer) -> float:
        """By the container's clock, in seconds."""
        pts, length = self._last
        return float(pts * (container.streams.audio[0].time_base or 0)) + length


def _mono_chunks(frames: Iterable[av.AudioFrame]) -> Iterator[Audio]:
    for changes, (_, run) in enumerate(groupby(frames, key=_kind)):
        if changes > _MAX_CHANGES:
            raise AudioUndecodable(
                f"the audio changes its rate or channels more than {_MAX_CHANGES} times; send it converted",
                field="audio",
            )
        packer = av.AudioResampler(format="flt")
        for frame in _gathered(run):
            # Never look at a planar frame from Python: with 8 channels or more, PyAV counts planes
            # beyond the end of FFmpeg's array of them and the process dies.
            for packed in packer.resample(frame):
                yield _mono(packed)


def _kind(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _gathered(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """The same sound in longer frames: each has its price from here on, however short it is."""
    fifo = av.AudioFifo()
    for frame in frames:
        frame.pts = None  # the fifo refuses gaps
        fifo.write(frame)
        if fifo.samples >= _GATHERED_SAMPLES and (gathered := fifo.read()):
            yield gathered
    if rest := fifo.read():
        yield rest


@np.errstate(over="ignore", invalid="ignore")  # whoever collects the chunks looks at them
def _mono(packed: av.AudioFrame) -> Audio:
    interleaved = np.asarray(packed.to_ndarray(), np.float32).reshape(-1, packed.layout.nb_channels)
    samples = np.ascontiguousarray(interleaved.T).mean(axis=0, dtype=np.float32)
    return Audio(samples, packed.sample_rate)


def _opened(data: bytes) -> InputContainer:
    _cap_allocations()
    with _translated(
        "the file is damaged, or of no audio format that is known here; send an intact WAV, FLAC, MP3, Ogg, "
        "WebM or MP4, or bare samples with raw_format where the request has it"
    ):
        container = av.open(io.BytesIO(data), "r", container_options=_OPTIONS, metadata_errors="replace")
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


def _cap_allocations() -> None:
    """Have FFmpeg refuse to reserve more at once: a header of a few bytes can ask for gigabytes.

    PyAV does not offer this, but links it. It holds for the process, and saying it again is harmless.
    """
    av_max_alloc = ctypes.CDLL(av._core.__file__).av_max_alloc
    av_max_alloc.argtypes, av_max_alloc.restype = [ctypes.c_size_t], None
    av_max_alloc(_MAX_ALLOCATION_BYTES)


def _frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """Decoded frames of the first audio track; raises _Damaged for a hole in it.

    A recording may have been cut out of a longer one, so one packet may be unusable at either end.
    """
    stream = container.streams.audio[0]
    tolerable = _TAG_PACKETS if container.format.name in _RESYNCHRONISING else 1
    sounded = False
    unusable = 0  # packets since the last that was not
    for packet in container.demux(stream):
        try:
            frames = stream.decode(packet)
        except FFmpegError as error:
            unusable += not _is_tag(bytes(packet))
            if unusable > tolerable:
                raise _Damaged from error
            continue
        if frames and packet.size:
            if unusable > (0 if sounded else 1):
                raise _Damaged
            unusable = 0
            sounded = True
        yield from frames
    if unusable and not sounded:
        raise _Damaged


def _is_tag(packet: bytes) -> bool:
    """Joined MP3 files have the titles of the later ones between their frames."""
    return packet[:3] == b"ID3"


@contextmanager
def _translated(message: str) -> Iterator[None]:
    """Nothing of PyAV's leaves this module as it is."""
    try:
        yield
    except (FFmpegError, ValueError, LookupError) as error:
        raise AudioUndecodable(message, field="audio") from error
