"""The file of keys: what is in it, that changes of it are followed, and that a damaged one opens no door."""

import json
import logging
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.errors import ConfigurationError
from tests.access.test_keys import NO_LIMITS, refused, with_key
from tests.conftest import Start


def damaged(keys: Path, damage: str) -> str:
    """Write something else into the file; what was there."""
    good = keys.read_text()
    keys.write_text(damage)
    return good


def misspelt(keys: Path, right: str, wrong: str) -> None:
    keys.write_text(keys.read_text().replace(right, wrong))


def moved(file: Path, name: str) -> Path:
    return file.rename(file.with_name(name))


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"keys": [{}]}',
        '{"keys": [], "else": 1}',
        '{"keys": [{"id": "k", "name": "n", "created": "2025-01-01T00:00:00Z", "sha256": "ag-secret"}]}',
    ],
)
async def test_a_malformed_file_lets_nobody_in_until_it_is_mended(
    start: Start, keys: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, secret = key_file.add(keys, "alice", NO_LIMITS)
    _, client = await start(keys_file=keys)
    alice = with_key(client, secret)
    assert await alice.list_models()
    good = damaged(keys, damage)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            error = await refused(alice)
            assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORAGE_FAILED")
            assert "cannot read its keys" in error.message
    assert [record.levelname for record in caplog.records] == ["ERROR"], "once, not for each call"
    assert "is malformed" in caplog.text
    assert "ag-secret" not in caplog.text
    assert (await refused(client)).reason == "API_KEY_MISSING"
    damaged(keys, good)
    assert await alice.list_models()


async def test_a_misspelt_limit_is_an_error_and_not_no_limit(start: Start, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(streams=1))
    _, client = await start(keys_file=keys)
    misspelt(keys, '"streams"', '"steams"')
    assert (await refused(with_key(client, secret))).reason == "STORAGE_FAILED"


async def test_a_file_that_vanishes_lets_nobody_in_until_it_is_back(start: Start, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", NO_LIMITS)
    _, client = await start(keys_file=keys)
    alice = with_key(client, secret)
    away = moved(keys, "away.json")
    assert (await refused(alice)).reason == "STORAGE_FAILED"
    moved(away, keys.name)
    assert await alice.list_models()


@pytest.mark.parametrize("content", [None, "{"])
async def test_a_server_does_not_start_without_its_key_file(
    start: Start, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "keys.json"
    if content:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"keys\.json (cannot be read.*keys add|is malformed)"):
        await start(keys_file=file)


def test_a_key_is_hashed_at_rest_in_a_file_of_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, secret = key_file.add(file, "alice", KeyLimits(streams=2))
    assert re.fullmatch(r"ag-[A-Za-z0-9_-]{43}", secret)
    assert secret[3:] not in file.read_text()
    kept = json.loads(file.read_text())["keys"][0]
    assert kept.keys() == {"id", "name", "created", "sha256", "limits", "scopes"}
    assert (kept["id"], kept["limits"]) == (key.id, {"streams": 2})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    key_file.add(file, "bob", NO_LIMITS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]


def test_keys_added_at_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    file, crowd = tmp_path / "keys.json", 12
    barrier = Barrier(crowd)

    def add(number: int) -> str:
        barrier.wait()
        return key_file.add(file, f"caller {number}", NO_LIMITS)[0].id

    with ThreadPoolExecutor(crowd) as pool:
        added = set(pool.map(add, range(crowd)))
    assert {key.id for key in key_file.read(file)} == added
    assert len(added) == crowd


def test_a_change_that_fails_leaves_the_file_as_it_was(keys: Path) -> None:
    before = keys.read_text()
    for name in ("somebody", key_file.read(keys)[0].id):
        with pytest.raises(ConfigurationError, match="already; revoke it, or choose another name"):
            key_file.add(keys, name, NO_LIMITS)
    for name in ("", "  ", "x" * 65, "a\nb"):
        with pytest.raises(ConfigurationError, match="1 to 64 printable"):
            key_file.add(keys, name, NO_LIMITS)
    with pytest.raises(ConfigurationError, match="no key 'nobody'; there are: somebody"):
        key_file.revoke(keys, "nobody")
    assert keys.read_text() == before
    keys.write_text("precious {")
    with pytest.raises(ConfigurationError, match="malformed"):
        key_file.add(keys, "alice", NO_LIMITS)
    assert keys.read_text() == "precious {"
