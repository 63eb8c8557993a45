"""Telephone codes mean what FFmpeg takes them for."""

from collections.abc import Callable
from io import BytesIO

import av
import numpy as np
import pytest

from audio_grpc.audio import from_alaw, from_mulaw
from audio_grpc.samples import Samples

CODES = bytes(range(256))


@pytest.mark.parametrize(("name", "decode"), [("mulaw", from_mulaw), ("alaw", from_alaw)])
def test_every_code_is_the_sample_that_it_stands_for(name: str, decode: Callable[[bytes], Samples]) -> None:
    with av.open(BytesIO(CODES), "r", format=name) as file:
        expected = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert np.array_equal(decode(CODES) * 32768, expected)
