"""Tests that what Envoy keeps of calls, to send them again, is a small part of the memory there is."""

import re

import pytest

from audio_grpc.envoy import render
from tests.conftest import tone_settings

pytest.importorskip("yaml")
MIB = 1 << 20


@pytest.mark.parametrize(("limit", "most"), [(1200 * MIB, 2.4 * MIB), (300 * MIB, MIB), (None, 16 * MIB)])
def test_envoy_keeps_less_of_each_call_where_memory_is_little(limit: int | None, most: float) -> None:
    kept = re.findall(r"request_body_buffer_limit: (\d+)", render(tone_settings(memory_limit_bytes=limit)))
    assert len(kept) == 2
    assert all(MIB <= int(size) <= most for size in kept)
