"""A call's id: the caller's or a new one, told to both sides."""

import asyncio
import re
import socket

import grpc
import pytest

from audio_grpc.v1.model_pb2 import ListModelsRequest
from audio_grpc.v1.model_pb2_grpc import ModelServiceStub
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceStub
from tests.conftest import Start

NEW = re.compile("[0-9a-f]{32}")
HEADERS, DATA, SETTINGS = 1, 0, 4
END_STREAM, END_HEADERS = 1, 4


async def told_id(address: str, *given: str) -> str:
    """Returns the request id in a stream's trailers."""
    async with grpc.aio.insecure_channel(address) as channel:
        metadata = tuple(("x-request-id", value) for value in given)
        call = TextToSpeechServiceStub(channel).Synthesize(SynthesizeRequest(text="x"), metadata=metadata)
        async for _ in call:
            pass
        return str(dict(await call.trailing_metadata())["x-request-id"])


@pytest.mark.parametrize("given", ["7", "f4be3e1e-21d1-4a7b-8e4d-77f2a8b7b8d0", "~" * 128])
async def test_the_callers_id_is_returned(start: Start, given: str) -> None:
    server, _ = await start()
    assert await told_id(server.address, given) == given


@pytest.mark.parametrize("given", [(), ("",), ("two words",), ("x" * 129,)], ids=repr)
async def test_no_id_or_a_bad_one_is_replaced(start: Start, given: tuple[str, ...]) -> None:
    server, _ = await start()
    ids = [await told_id(server.address, *given) for _ in range(2)]
    assert all(NEW.fullmatch(one) for one in ids)
    assert ids[0] != ids[1]


async def test_a_reply_in_one_message_has_the_id_too(start: Start) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = ModelServiceStub(channel).ListModels(ListModelsRequest(), metadata=(("x-request-id", "one"),))
        await call
        assert dict(await call.trailing_metadata())["x-request-id"] == "one"


async def test_a_failed_call_has_the_id_in_its_status(start: Start) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = TextToSpeechServiceStub(channel)
        call = stub.Synthesize(SynthesizeRequest(text=" "), metadata=(("x-request-id", "bad"),))
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call.read()
    assert dict(failure.value.trailing_metadata())["x-request-id"] == "bad"


async def test_an_early_failure_is_one_frame_that_proxies_may_retry(start: Start) -> None:
    """Trailers-Only: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses."""
    server, _ = await start()
    refused = await _frames(server.address, SynthesizeRequest(text=" ").SerializeToString())
    assert refused == [(HEADERS, True)]
    frames = await _frames(server.address, SynthesizeRequest(text="x").SerializeToString())
    assert frames[:2] == [(HEADERS, False), (DATA, False)]
    assert frames[-1] == (HEADERS, True)


async def _frames(address: str, message: bytes) -> list[tuple[int, bool]]:
    """The types of the frames that answer a Synthesize, and whether the stream ends there (RFC 9113)."""
    return await asyncio.to_thread(_exchange, address, message)


def _exchange(address: str, message: bytes) -> list[tuple[int, bool]]:
    host, _, port = address.rpartition(":")
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/audio_grpc.v1.TextToSpeechService/Synthesize",
        ":authority": address,
        "te": "trailers",
        "content-type": "application/grpc",
    }
    # Literals without indexing and with new names (RFC 7541, 6.2.2).
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in headers.items()
    )
    body = b"\0" + len(message).to_bytes(4, "big") + message
    with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answers:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(SETTINGS, 0, 0, b"")
            + _frame(HEADERS, END_HEADERS, 1, block)
            + _frame(DATA, END_STREAM, 1, body)
        )
        frames: list[tuple[int, bool]] = []
        while not (frames and frames[-1][1]):
            head = answers.read(9)
            answers.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if stream == 1 and kind in (HEADERS, DATA):
                frames.append((kind, bool(flags & END_STREAM)))
        return frames


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
