"""Scopes: which parts of the service a key opens."""

import json
from pathlib import Path

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import ORDINARY, POLICIES, Scope
from audio_grpc.client import AsyncClient, ServiceError
from tests.access.test_keys import answer_to, with_key
from tests.conftest import Start

OPERATORS_METHODS = {
    *("LoadModel", "UnloadModel", "GetMemory", "FreeMemory"),
    *("ShareCustomVoice", "SetDefaultVoice", "CleanUpCustomVoices"),
    *("ListAllActivities", "WatchAllActivities", "ClearAllActivities", "GetTotalStatistics"),
}
DENIED = grpc.StatusCode.PERMISSION_DENIED


def forget_scopes(path: Path) -> None:
    """Make of a key file what it was before there were scopes."""
    content = json.loads(path.read_text())
    for key in content["keys"]:
        del key["scopes"]
    path.write_text(json.dumps(content))


async def answers(client: AsyncClient, secret: str) -> dict[str, ServiceError]:
    """Returns what each method of the contract answers to an empty request with this key."""
    metadata = (("authorization", f"Bearer {secret}"),)
    return {
        method: await answer_to(client, f"/audio_grpc.v1.{service}/{method}", metadata)
        for service, of in POLICIES.items()
        for method in of
    }


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_opens_the_methods_of_its_scopes_and_no_others(
    start: Start, keys: Path, scope: Scope
) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(), [scope])
    _, client = await start(keys_file=keys)
    found = await answers(client, secret)
    for of in POLICIES.values():
        for method, policy in of.items():
            refused = found[method].code is DENIED
            assert refused == bool(policy.scopes - {scope}), method
            if refused:
                assert found[method].reason == "SCOPE_MISSING"


async def test_a_refusal_names_the_scope_and_the_command_that_gives_it(start: Start, keys: Path) -> None:
    key_file.add(keys, "alice & co", KeyLimits())
    secret = key_file.add(keys, "o'brien", KeyLimits(), [Scope.SPEECH])[1]
    _, client = await start(keys_file=keys)
    with pytest.raises(ServiceError) as failure:
        await with_key(client, secret).unload_model("speaker")
    assert (failure.value.code, failure.value.reason) == (DENIED, "SCOPE_MISSING")
    assert "UnloadModel needs the scope admin" in failure.value.message
    assert """audio-grpc keys scopes 'o'"'"'brien' --scope speech --scope admin""" in failure.value.message


async def test_a_key_without_named_scopes_has_all_but_admin(start: Start, keys: Path) -> None:
    key, secret = key_file.add(keys, "alice", KeyLimits())
    assert key.scopes == ORDINARY == tuple(scope for scope in Scope if scope is not Scope.ADMIN)
    _, client = await start(keys_file=keys)
    found = await answers(client, secret)
    assert {method for method, error in found.items() if error.code is DENIED} == OPERATORS_METHODS


async def test_keys_of_before_may_do_what_they_could_until_they_get_scopes(
    start: Start, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits())
    forget_scopes(keys)
    _, client = await start(keys_file=keys)
    assert "may do everything" in caplog.text
    assert "somebody, alice" in caplog.text
    assert "keys scopes NAME --scope" in caplog.text
    alice = with_key(client, secret)
    assert await alice.unload_model("speaker")
    key_file.add(keys, "bob", KeyLimits())
    assert key_file.read(keys)[1].scopes is None, "a change of others leaves it as it was"
    key_file.set_scopes(keys, "alice", ORDINARY)
    with pytest.raises(ServiceError) as failure:
        await alice.unload_model("speaker")
    assert failure.value.reason == "SCOPE_MISSING"


async def test_without_keys_everything_is_allowed(start: Start) -> None:
    _, client = await start()
    assert all(error.code is not DENIED for error in (await answers(client, "ag-whatever")).values())
