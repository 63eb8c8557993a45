"""Keys: who is let in, and that nothing gives a key away."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import Scope, policy_of
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.client.requests import AsyncRequests
from tests.conftest import Start

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
NO_LIMITS = KeyLimits()


def with_key(client: AsyncClient, secret: str) -> AsyncClient:
    return client.with_metadata({"authorization": f"Bearer {secret}"})


async def refused(client: AsyncClient) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await client.list_models()
    return failure.value


async def services(client: AsyncClient) -> list[str]:
    """Returns the names of the services that reflection lists, without a key."""

    async def question() -> AsyncIterator[ServerReflectionRequest]:
        yield ServerReflectionRequest(list_services="")

    async for answer in ServerReflectionStub(client._channel).ServerReflectionInfo(question()):
        return [service.name for service in answer.list_services_response.service]
    raise AssertionError("reflection gave no answer")


async def answer_to(client: AsyncClient, path: str, metadata: tuple[tuple[str, str], ...]) -> ServiceError:
    """Returns a method's error for an empty request; on the wire, all four kinds of methods look alike."""
    call = client._channel.stream_stream(path, bytes, bytes)(metadata=metadata)
    requests = AsyncRequests(call)
    try:
        await requests.send(b"")
        await requests.end()
        await call.read()
        call.cancel()  # one answer is enough, as some go on for ever
    except ServiceError as error:
        return await requests.explained(error)
    except grpc.aio.AioRpcError as error:
        return await requests.explained(ServiceError.of(error))
    return ServiceError(grpc.StatusCode.OK, "")


async def test_every_method_but_what_is_public_wants_a_key(start: Start, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", NO_LIMITS)
    _, client = await start(keys_file=keys)
    reflection = {f"grpc.reflection.{version}.ServerReflection" for version in ("v1", "v1alpha")}
    open_to_all = {"grpc.health.v1.Health", *reflection}
    guarded = set(await services(client)) - open_to_all
    assert guarded >= {"audio_grpc.v1.TextToSpeechService", "grpc.channelz.v1.Channelz"}
    for service in guarded:
        for method in descriptor_pool.Default().FindServiceByName(service).methods:
            path = f"/{service}/{method.name}"
            none = await answer_to(client, path, ())
            if policy_of(path).is_public:
                assert none.code is grpc.StatusCode.OK, path
            else:
                assert (none.code, none.reason) == (UNAUTHENTICATED, "API_KEY_MISSING"), path
            wrong = await answer_to(client, path, (("authorization", "Bearer ag-wrong"),))
            assert (wrong.code, wrong.reason) == (UNAUTHENTICATED, "API_KEY_INVALID"), path
            right = await answer_to(client, path, (("authorization", f"Bearer {secret}"),))
            assert right.code not in (UNAUTHENTICATED, grpc.StatusCode.INTERNAL), path


async def test_health_is_open_to_everybody(start: Start, keys: Path) -> None:
    _, client = await start(keys_file=keys)
    assert await client.is_serving()
    assert await client.is_serving("audio_grpc.v1.TextToSpeechService")


async def test_without_a_key_file_nobody_needs_a_key(start: Start) -> None:
    _, client = await start()
    assert await client.list_models()
    assert await with_key(client, "ag-whatever").list_models()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Bearer {}", None),
        ("bearer {}", None),
        ("Basic {}", "API_KEY_MISSING"),
        ("{}", "API_KEY_MISSING"),
        ("Bearer ", "API_KEY_MISSING"),
        ("Bearer {}x", "API_KEY_INVALID"),
    ],
)
async def test_the_scheme_is_bearer(start: Start, keys: Path, header: str, reason: str | None) -> None:
    _, secret = key_file.add(keys, "alice", NO_LIMITS)
    _, client = await start(keys_file=keys)
    client = client.with_metadata({"authorization": header.format(secret)})
    if reason is None:
        assert await client.list_models()
    else:
        error = await refused(client)
        assert error.reason == reason
        assert "Bearer KEY" in error.message or "operator" in error.message


async def test_the_clients_send_their_key_with_every_call(start: Start, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", NO_LIMITS, tuple(Scope))
    server, _ = await start(keys_file=keys)
    async with AsyncClient(server.address, api_key=secret) as client:
        audio = b"".join([data async for data in client.synthesize("Hi.")])
        assert [segment.text async for segment in client.transcribe(audio)] == ["Hi."]
        async with client.upload() as upload:
            await upload.write(audio)
            async with await upload.transcribe() as transcript:
                assert [segment.text async for segment in transcript] == ["Hi."]
        assert await client.list_voices()
        assert await client.get_model("speaker")
        assert [model async for model in client.load_model("speaker")]
        assert await client.unload_model("speaker")
        assert await client.is_serving()
        error = await refused(with_key(client, "ag-of-another-caller"))
        assert error.reason == "API_KEY_INVALID", "a key of one call replaces that of the connection"


async def test_an_upload_without_a_key_is_refused_before_it_is_read(start: Start, keys: Path) -> None:
    """Bytes that are no message are not even parsed."""
    _, client = await start(keys_file=keys)
    path = "/audio_grpc.v1.SpeechToTextService/Transcribe"
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async for _ in client._channel.unary_stream(path, bytes, bytes)(b"\xff" * (32 << 20)):
            pass
    error = ServiceError.of(failure.value)
    assert (error.code, error.reason) == (UNAUTHENTICATED, "API_KEY_MISSING")


async def test_keys_are_added_and_revoked_while_the_server_runs(start: Start, keys: Path) -> None:
    _, client = await start(keys_file=keys)
    key, secret = key_file.add(keys, "alice", NO_LIMITS)
    alice = with_key(client, secret)
    assert await alice.list_models()
    key_file.revoke(keys, key.id)
    assert (await refused(alice)).reason == "API_KEY_INVALID"


async def test_no_key_is_ever_logged_or_kept(
    start: Start, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        key, secret = key_file.add(keys, "alice", NO_LIMITS)
        server, client = await start(keys_file=keys)
        assert await with_key(client, secret).list_models()
        assert (await refused(with_key(client, "ag-nobodys"))).reason == "API_KEY_INVALID"
        key_file.revoke(keys, "alice")
        error = await refused(with_key(client, secret))
    assert "call ended" in caplog.text
    for text in (caplog.text, error.message, repr(key), repr(server.settings)):
        assert secret not in text
        assert secret[3:] not in text
        assert "ag-nobodys" not in text
