"""Writes Envoy's configuration and makes the command that starts it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from audio_grpc.config import Settings
from audio_grpc.envoy.files import binary
from audio_grpc.envoy.render import render
from audio_grpc.errors import ConfigurationError

PREFIX = "audio-grpc-"
IN_MEMORY = "/dev/shm"  # noqa: S108 - a folder of a name that nobody can guess is made in it
FLUSH_MILLISECONDS = 500
"""The milliseconds between two writes of the access log; Envoy's own default is 10 s."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for as long as the context lasts: in memory where no temporary files can be written."""
    try:
        folder = TemporaryDirectory(prefix=PREFIX)
    except OSError:
        try:
            folder = TemporaryDirectory(prefix=PREFIX, dir=IN_MEMORY)
        except OSError as error:
            raise ConfigurationError(
                "Envoy's configuration needs a folder that can be written; name one in TMPDIR"
            ) from error
    with folder as path:
        yield Path(path)


@contextmanager
def written(settings: Settings) -> Iterator[Path]:
    """A file with Envoy's configuration, for as long as the context lasts."""
    with scratch() as folder:
        file = folder / "envoy.yaml"
        file.write_text(render(settings))
        yield file


def command(settings: Settings, file: Path) -> list[str]:
    """The command that runs Envoy with the configuration in ``file``. ConfigurationError without an Envoy."""
    return [
        *(binary(), "-c", str(file), "--disable-hot-restart"),
        # Envoy warns at each start that the Connect bridge is unfinished; envoy.yaml says so too.
        *("--log-level", "warning", "--component-log-level", "misc:error"),
        *("--file-flush-interval-msec", str(FLUSH_MILLISECONDS)),
        # How long a graceful drain goes on taking connections.
        *("--drain-time-s", str(max(1, math.ceil(settings.drain_seconds))), "--drain-strategy", "immediate"),
    ]
