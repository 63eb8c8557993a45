"""Segments as SubRip (srt) and WebVTT (https://www.w3.org/TR/webvtt1/) files, cue by cue."""

from collections.abc import Iterable, Iterator
from html import escape

from audio_grpc.types import Segment


def srt(segments: Iterable[Segment]) -> Iterator[str]:
    """The cues of a SubRip file."""
    for number, segment in enumerate(segments, start=1):
        yield f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{_line(segment)}\n\n"


def vtt(segments: Iterable[Segment]) -> Iterator[str]:
    """The header and the cues of a WebVTT file."""
    yield "WEBVTT\n\n"
    for segment in segments:
        text = escape(_line(segment), quote=False)
        yield f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{text}\n\n"


def _clock(seconds: float, point: str) -> str:
    """hh:mm:ss, the decimal point of the format, and milliseconds."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _line(segment: Segment) -> str:
    # An arrow in the text would be read as the times of a cue.
    return segment.text.strip().replace("-->", "->")
