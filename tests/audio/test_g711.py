"""Telephone codes mean what FFmpeg takes them for, and samples get the codes of the standard."""

from collections.abc import Callable
from io import BytesIO

import av
import numpy as np
import pytest

from audio_grpc.audio import from_alaw, from_mulaw, to_alaw, to_mulaw
from audio_grpc.audio.g711 import Pcm
from audio_grpc.samples import Samples

CODES = bytes(range(256))


@pytest.mark.parametrize(("name", "decode"), [("mulaw", from_mulaw), ("alaw", from_alaw)])
def test_every_code_is_the_sample_that_it_stands_for(name: str, decode: Callable[[bytes], Samples]) -> None:
    with av.open(BytesIO(CODES), "r", format=name) as file:
        expected = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert np.array_equal(decode(CODES) * 32768, expected)


# Where the steps of one code change in size, and how large they are up to there, in the units of tables 1a
# and 2a of G.711: a 4096th of the loudest sound of A-law, an 8159th of that of mu-law.
ALAW_STEPS = ((64, 2), (128, 4), (256, 8), (512, 16), (1024, 32), (2048, 64), (4096, 128))
MULAW_STEPS = ((31, 2), (95, 4), (223, 8), (479, 16), (991, 32), (2015, 64), (4063, 128), (8159, 256))
SAMPLES = np.arange(-(1 << 15), 1 << 15).astype(np.int16)


def decision_values(first: int, steps: tuple[tuple[int, int], ...]) -> list[int]:
    """The loudest values of the codes, from silence on, of which the standard prints every 16th."""
    values = [first]
    for end, step in steps:
        values += range(values[-1] + step, end + 1, step)
    return values


@pytest.mark.parametrize(
    ("encode", "first", "steps", "unit", "silence"),
    [(to_mulaw, 1, MULAW_STEPS, 4, 0xFF), (to_alaw, 2, ALAW_STEPS, 8, 0x80 ^ 0x55)],
)
def test_every_sample_gets_the_code_of_the_standard(
    encode: Callable[[Pcm], bytes], first: int, steps: tuple[tuple[int, int], ...], unit: int, silence: int
) -> None:
    values = decision_values(first, steps)
    assert len(values) == 128, "a code for each of seven bits"
    sizes = np.where(SAMPLES < 0, -1 - SAMPLES.astype(int), SAMPLES)
    numbers = np.searchsorted(np.array(values) * unit, sizes, "right").clip(max=127)
    signs = np.where(SAMPLES < 0, 0x80, 0)
    assert encode(SAMPLES) == (numbers ^ signs ^ silence).astype(np.uint8).tobytes()


@pytest.mark.parametrize(("encode", "decode"), [(to_mulaw, from_mulaw), (to_alaw, from_alaw)])
def test_every_code_survives_being_decoded(
    encode: Callable[[Pcm], bytes], decode: Callable[[bytes], Samples]
) -> None:
    again = encode((decode(CODES) * 32768).astype(np.int16))
    differing = [code for code in CODES if again[code] != code]
    # The 0 below silence, which mu-law has, is the 0 above it among samples.
    assert differing == ([0x7F] if encode is to_mulaw else [])
