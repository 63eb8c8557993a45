"""Finds backends among the installed packages; only the one that is asked for is imported."""

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from audio_grpc.backends.base import Synthesizer, Transcriber
from audio_grpc.errors import ConfigurationError

SYNTHESIZERS = "audio_grpc.synthesizers"
TRANSCRIBERS = "audio_grpc.transcribers"


def installed(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, none of them imported."""
    return {point.name: point for point in entry_points(group=group)}


def synthesizer(name: str) -> type[Synthesizer]:
    """The synthesiser class of that name; raises ConfigurationError if there is none."""
    return cast("type[Synthesizer]", _load(SYNTHESIZERS, name))


def transcriber(name: str) -> type[Transcriber]:
    """The transcriber class of that name; raises ConfigurationError if there is none."""
    return cast("type[Transcriber]", _load(TRANSCRIBERS, name))


def _load(group: str, name: str) -> type:
    points = installed(group)
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise ConfigurationError(f"no backend {name!r} in {group}; installed: {known}")
    loaded: type = points[name].load()
    return loaded
