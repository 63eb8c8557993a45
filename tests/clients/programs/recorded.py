"""The recording that the programs play."""

import wave

RATE_HERTZ = 24000


def samples(path: str) -> bytes:
    """Returns the samples of a WAV file at 24 kHz, 16 bits each."""
    with wave.open(path) as file:
        assert file.getframerate() == RATE_HERTZ
        return file.readframes(file.getnframes())


def frames(path: str, seconds: float = 0.02) -> list[bytes]:
    """Returns the samples as a microphone gives them, with two seconds of silence at the end."""
    data = samples(path) + bytes(4 * RATE_HERTZ)
    size = 2 * int(RATE_HERTZ * seconds)
    return [data[start : start + size] for start in range(0, len(data) - size + 1, size)]
