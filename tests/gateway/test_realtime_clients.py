"""Clients that others have written, with speech that somebody has spoken."""

import asyncio
import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed

from tests.conftest import PATIENCE_SECONDS
from tests.envoy.test_browser import CHROMIUM, SANDBOX, Site, needs_chromium
from tests.gateway.conftest import Door
from tests.gateway.test_realtime import COMPLETED, QUIET, SECOND, said, voiced
from tests.test_live_hearing import until_free
from tests.test_live_recognition import SPOKEN, error_rate

NAMES = list(SPOKEN)[:2]


async def test_openais_client_transcribes_what_is_spoken(neural: Door) -> None:
    async with neural.openai.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                        "turn_detection": {"type": "server_vad", "threshold": 0.5},
                        "noise_reduction": {"type": "near_field"},
                    }
                },
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        assert (await connection.recv()).type == "session.updated"
        talking = asyncio.create_task(talk(connection))
        deltas: dict[str, str] = {}
        heard: list[str] = []
        while len(heard) < len(NAMES):
            event = await asyncio.wait_for(connection.recv(), PATIENCE_SECONDS)
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas[event.item_id] = deltas.get(event.item_id, "") + (event.delta or "")
            elif event.type == "conversation.item.input_audio_transcription.completed":
                assert deltas[event.item_id] == event.transcript
                assert event.usage.type == "duration"
                assert event.logprobs
                heard.append(event.transcript)
        await talking
    for name, transcript in zip(NAMES, heard, strict=True):
        assert error_rate(SPOKEN[name], transcript) <= 0.1


async def talk(connection: AsyncRealtimeConnection) -> None:
    sound = QUIET + b"".join(voiced(name) + QUIET for name in NAMES)
    for start in range(0, len(sound), SECOND // 10):
        audio = b64encode(sound[start : start + SECOND // 10]).decode()
        await connection.input_audio_buffer.append(audio=audio)


async def test_openais_client_names_the_model_and_commits(neural: Door) -> None:
    async with neural.openai.realtime.connect(model="whisper-1") as connection:
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        )
        await connection.input_audio_buffer.commit(event_id="early")
        await connection.input_audio_buffer.append(audio=b64encode(voiced(NAMES[0])).decode())
        await connection.input_audio_buffer.commit()
        early = []
        async for event in connection:
            if event.type == "error":
                early.append((event.error.code, event.error.event_id))
            elif event.type == "conversation.item.input_audio_transcription.completed":
                assert error_rate(SPOKEN[NAMES[0]], event.transcript) <= 0.1
                break
    assert early == [("input_audio_buffer_commit_empty", "early")]


async def test_openais_client_learns_why_it_was_not_let_in(neural: Door) -> None:
    async with neural.openai.realtime.connect(model="nobody") as connection:
        event = await connection.recv()
        assert event.type == "error"
        assert event.error.code == "model_not_found"
        with pytest.raises(ConnectionClosed, match="4404"):
            await connection.recv()


# Speaks as pages do, which cannot set headers, and tells each event.
PAGE = """<!doctype html><script type="module">
const tell = (what) => fetch("/told", {{method: "POST", body: JSON.stringify(what)}});
const socket = new WebSocket("{url}", ["realtime", "openai-insecure-api-key.any"]);
const send = (type, fields) => socket.send(JSON.stringify({{type, ...fields}}));
let telling = Promise.resolve();
socket.onmessage = ({{data}}) => {{
  const event = JSON.parse(data);
  telling = telling.then(() => tell(event));
  if (event.type.endsWith("completed")) socket.send(new Uint8Array([0]));
}};
socket.onclose = ({{code, reason}}) => {{ telling.then(() => tell({{type: "closed", code, reason}})); }};
socket.onopen = async () => {{
  await tell({{type: "opened", protocol: socket.protocol}});
  const input = {{format: {{type: "audio/pcm", rate: 24000}}, turn_detection: null}};
  send("session.update", {{session: {{type: "transcription", audio: {{input}}}}}});
  for (const audio of {pieces}) send("input_audio_buffer.append", {{audio}});
  send("input_audio_buffer.commit");
}};
</script>"""


@contextmanager
def browsing(url: str, folder: Path) -> Iterator[None]:
    """A browser that shows a page."""
    browser = subprocess.Popen(
        [CHROMIUM, *SANDBOX, f"--user-data-dir={folder}", "--remote-debugging-port=0", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        browser.kill()
        browser.wait()


@needs_chromium
async def test_a_page_in_a_browser_shows_its_key_and_is_told_why_it_is_closed(
    door: Door, tmp_path: Path
) -> None:
    samples = await said(door, "One two three.")
    pieces = [
        b64encode(samples[start : start + SECOND // 10]).decode()
        for start in range(0, len(samples), SECOND // 10)
    ]
    site = Site(PAGE.format(url=f"ws{door.url.removeprefix('http')}/v1/realtime", pieces=json.dumps(pieces)))
    with browsing(site.url, tmp_path):
        told = [await asyncio.to_thread(site.told.get, timeout=PATIENCE_SECONDS)]
        while told[-1]["type"] != "closed":
            told.append(await asyncio.to_thread(site.told.get, timeout=PATIENCE_SECONDS))
    site.close()
    assert told[0] == {"type": "opened", "protocol": "realtime"}
    [completed] = [event for event in told if event["type"] == COMPLETED]
    assert completed["transcript"] == "One two three."
    assert told[-1] == {"type": "closed", "code": 4400, "reason": "invalid_message"}
    await until_free(door.server)
