"""Writing to a call that was refused is told so, and takes up no memory."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from audio_grpc.client import Client, ServiceError
from audio_grpc.client.requests import MAX_WAITING
from tests.conftest import Start
from tests.eventually import eventually_in_a_thread


def speech(client: Client) -> Any:
    return client.live_speech(voice="nobody")


def transcript(client: Client) -> Any:
    return client.listen(16_000, model="nobody")


def write(stream: Any) -> None:
    stream.write("x" if hasattr(stream, "cancel") else b"\0\0")


@pytest.mark.parametrize("open_one", [speech, transcript])
async def test_what_is_written_after_a_refusal_is_refused(
    start: Start, open_one: Callable[[Client], Any]
) -> None:
    server, _ = await start()

    def write_on() -> tuple[str, int]:
        with Client(server.address) as client, open_one(client) as stream:
            with pytest.raises(ServiceError):
                stream.start()
            with pytest.raises(ServiceError) as failure:
                while True:
                    write(stream)
            return failure.value.reason, len(stream._requests._waiting)

    reason, waiting = await asyncio.to_thread(write_on)
    assert reason in ("VOICE_NOT_FOUND", "MODEL_NOT_FOUND")
    assert waiting <= MAX_WAITING


@pytest.mark.parametrize("open_one", [speech, transcript])
async def test_so_it_is_without_reading(start: Start, open_one: Callable[[Client], Any]) -> None:
    server, _ = await start()

    def write_on() -> str:
        with Client(server.address) as client, open_one(client) as stream:
            with pytest.raises(ServiceError) as failure:
                while True:
                    write(stream)
            return failure.value.reason

    assert await asyncio.to_thread(write_on) in ("VOICE_NOT_FOUND", "MODEL_NOT_FOUND")


def test_what_nobody_takes_is_bounded() -> None:
    """The other end accepts the connection, and reads nothing."""
    waiting: list[int] = []

    def write_on(stream: Any) -> None:
        for _ in range(10_000):
            write(stream)
            waiting.append(len(stream._requests._waiting))

    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with Client(address) as client, speech(client) as stream:
            writing = threading.Thread(target=write_on, args=[stream])
            writing.start()
            eventually_in_a_thread(lambda: len(waiting) >= MAX_WAITING)
        writing.join()
    assert max(waiting) <= MAX_WAITING


async def test_so_it_is_for_uploads_and_conversations(start: Start) -> None:
    _, client = await start(max_audio_bytes=1000)
    with pytest.raises(ServiceError) as failure:
        async with client.upload() as upload:
            while True:
                await upload.write(b"x" * 500)
    assert failure.value.reason == "MESSAGE_TOO_LARGE"
    with pytest.raises(ServiceError) as failure:
        async with client.converse(template="nobody") as conversation:
            while True:
                await conversation.say("x")
    assert failure.value.reason == "PIPELINE_NOT_FOUND"
