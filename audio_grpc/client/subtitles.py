"""Segments as SubRip (srt) and WebVTT (https://www.w3.org/TR/webvtt1/) files, cue by cue."""

from collections.abc import Iterable, Iterator
from html import escape

from audio_grpc.types import Segment

VTT_HEADER = "WEBVTT\n\n"


def srt(segments: Iterable[Segment]) -> Iterator[str]:
    """The cues of a SubRip file."""
    for number, segment in enumerate(segments, start=1):
        yield srt_cue(number, segment)


def srt_cue(number: int, segment: Segment) -> str:
    """One cue of a SubRip file; the first has the number 1."""
    return f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{_line(segment)}\n\n"


def vtt(segments: Iterable[Segment]) -> Iterator[str]:
    """The header and the cues of a WebVTT file."""
    yield VTT_HEADER
    yield from map(vtt_cue, segments)


def vtt_cue(segment: Segment) -> str:
    """One cue of a WebVTT file."""
    text = escape(_line(segment), quote=False)
    return f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{text}\n\n"


def _clock(seconds: float, point: str) -> str:
    """hh:mm:ss, the decimal point of the format, and milliseconds."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _line(segment: Segment) -> str:
    # An arrow in the text would be read as the times of a cue.
    return segment.text.strip().replace("-->", "->")
