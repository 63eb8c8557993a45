"""Outputs of sound: a file, standard output, the loudspeaker, or two of them."""

import sys
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from audio_grpc import disk
from audio_grpc.cli.console import fail
from audio_grpc.client import Encoding
from audio_grpc.extras import install

SAMPLE_BYTES = 2
SAMPLES = (Encoding.WAV, Encoding.PCM_S16LE)
STANDARD_STREAM = "-"


class Sink(Protocol):
    """Takes the bytes of one sound."""

    def begin(self, sample_rate_hertz: int) -> None:
        """Starts the sound with the rate that is now known."""

    def write(self, data: bytes) -> None:
        """The next bytes."""


class BytesSink:
    """Writes the bytes as they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def begin(self, sample_rate_hertz: int) -> None:
        """Does nothing: the bytes tell the rate."""

    def write(self, data: bytes) -> None:
        """Writes the data at once, for the reader at the other end of a pipe."""
        self._file.write(data)
        self._file.flush()


class WaveSink:
    """Writes samples into a WAV file whose header has the exact sizes."""

    def __init__(self, file: IO[bytes], stack: ExitStack) -> None:
        self._file = file
        self._stack = stack

    def begin(self, sample_rate_hertz: int) -> None:
        """Into the header."""
        self._wave = self._stack.enter_context(wave.open(self._file, "wb"))  # noqa: SIM115
        self._wave.setparams((1, SAMPLE_BYTES, sample_rate_hertz, 0, "NONE", ""))

    def write(self, data: bytes) -> None:
        """Appended."""
        self._wave.writeframesraw(data)


class Loudspeaker:
    """Plays samples as they come; leaving the context waits until the last was heard."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            fail(
                f"cannot play: {error}. Install the player with: {install('play')} "
                "(on Debian also: apt install libportaudio2), or write a file with --out"
            )
        self._device = sounddevice
        self._stream: Any = None

    def begin(self, sample_rate_hertz: int) -> None:
        """Open the device."""
        try:
            self._stream = self._stack.enter_context(
                self._device.RawOutputStream(samplerate=sample_rate_hertz, channels=1, dtype="int16")
            )
        except self._device.PortAudioError as error:
            fail(f"cannot play: {error}; write a file with --out instead")

    def write(self, data: bytes) -> None:
        """Blocks while the device has enough, and so slows the server down to real time."""
        self._stream.write(data)


class Output:
    """All sinks of one sound."""

    def __init__(self, wire_encoding: Encoding, sinks: list[Sink]) -> None:
        self.wire_encoding = wire_encoding
        """The encoding to request from the server."""
        self.bytes_written = 0
        self._sinks = sinks

    def begin(self, sample_rate_hertz: int) -> None:
        """Starts the sound with the rate that is now known."""
        for sink in self._sinks:
            sink.begin(sample_rate_hertz)

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self.bytes_written += len(data)
        for sink in self._sinks:
            sink.write(data)


@contextmanager
def opened(out: str | None, encoding: Encoding, play: bool) -> Iterator[Output]:
    """The outputs that were asked for; a file appears under its name only once it is complete."""
    with ExitStack() as stack:
        sinks: list[Sink] = [Loudspeaker(stack)] if play else []
        as_samples = play
        if out == STANDARD_STREAM:
            sinks.append(BytesSink(sys.stdout.buffer))
        elif out is not None:
            file = stack.enter_context(disk.replacing(Path(out)))
            is_wave = encoding is Encoding.WAV
            as_samples = as_samples or is_wave
            sinks.append(WaveSink(file, stack) if is_wave else BytesSink(file))
        if play and out is not None and (out == STANDARD_STREAM or encoding not in SAMPLES):
            fail("--play goes together with a wav or pcm file only; leave out one of them", 2)
        yield Output(Encoding.PCM_S16LE if as_samples else encoding, sinks)
