"""The answer to a caller about its own key, as the gateway asks before it reads a body."""

from pathlib import Path

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import ServiceError
from tests.conftest import Start


async def test_a_caller_learns_of_its_key_without_using_any_of_its_limits(start: Start, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(streams=1, requests_per_minute=2))
    _, client = await start(keys_file=keys)
    alice = client.with_metadata({"authorization": f"Bearer {secret}"})
    for _ in range(4):
        found = await alice.get_key()
        assert found is not None
        assert found.name == "alice"
    async with alice.listen(16000) as live:
        await live.start()
        await alice.get_key()
        with pytest.raises(ServiceError, match="streams"):  # it took no other call for one that has ended
            await alice.list_models()


@pytest.mark.parametrize("metadata", [{}, {"authorization": "Bearer of bad news"}], ids=["none", "unknown"])
async def test_a_caller_without_a_key_is_refused(start: Start, keys: Path, metadata: dict[str, str]) -> None:
    _, client = await start(keys_file=keys)
    with pytest.raises(ServiceError) as refused:
        await client.with_metadata(metadata).get_key()
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED


async def test_where_no_keys_are_asked_for_nobody_has_one(start: Start) -> None:
    _, client = await start()
    assert await client.get_key() is None
