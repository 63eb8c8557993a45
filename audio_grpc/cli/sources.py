"""Inputs of sound: a file, standard input, the microphone. Each gives 16-bit samples as they come."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from audio_grpc.cli.console import fail
from audio_grpc.errors import InvalidRequest
from audio_grpc.extras import install, needs

PIECE_SECONDS = 0.1
SAMPLE_BYTES = 2
DAY_SECONDS = 86400.0


def file_samples(path: Path, rate: int) -> Iterator[bytes]:
    """A sound or video file as fast as it sounds, at ``rate`` hertz. Raises OSError if it cannot be read.

    Raises ConfigurationError without the server's packages, which decode it.
    """
    with needs("server"):
        import audio_grpc.audio  # noqa: F401 - here, so that it fails before the call begins
    return _in_real_time(path, path.read_bytes(), rate)


def _in_real_time(path: Path, data: bytes, rate: int) -> Iterator[bytes]:
    import numpy as np

    from audio_grpc.audio import decode_blocks

    due = time.monotonic()
    size = round(PIECE_SECONDS * rate)
    try:
        with closing(decode_blocks(data, sample_rate_hertz=rate, max_seconds=DAY_SECONDS)) as blocks:
            for block in blocks:
                samples = np.round(block.audio.samples * 32767).astype("<i2")
                for start in range(0, len(samples), size):
                    due += PIECE_SECONDS
                    time.sleep(max(0.0, due - time.monotonic()))
                    yield samples[start : start + size].tobytes()
    except InvalidRequest as error:
        raise OSError(f"{path}: {error}") from error


def standard_input(rate: int) -> Iterator[bytes]:
    """Bare samples as they come, in whole samples."""
    size = round(PIECE_SECONDS * rate) * SAMPLE_BYTES
    rest = b""
    # Not by sys.stdin: its lock, held while it waits, would keep the command from ending.
    while data := os.read(sys.stdin.fileno(), size):
        data = rest + data
        whole = len(data) // SAMPLE_BYTES * SAMPLE_BYTES
        rest = data[whole:]
        yield data[:whole]


def microphone(rate: int) -> Iterator[bytes]:
    """Records from the microphone until the command is interrupted. Ends the command if it cannot record."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        fail(
            f"cannot listen: {error}. Install the recorder with: {install('play')} "
            "(on Debian also: apt install libportaudio2), or name a file"
        )
    try:
        stream = sounddevice.RawInputStream(samplerate=rate, channels=1, dtype="int16")
    except sounddevice.PortAudioError as error:
        fail(f"cannot listen: {error}; name a file instead, or - for samples on standard input")
    return _recorded(stream, round(PIECE_SECONDS * rate))


def _recorded(stream: Any, count: int) -> Iterator[bytes]:
    with stream:
        while True:
            yield bytes(stream.read(count)[0])
