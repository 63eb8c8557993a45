"""Files and the microphone, written down by the page."""

import asyncio
import json
import os
import re
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from google.protobuf import json_format
from playwright.async_api import FilePayload, Page, WebSocketRoute, async_playwright, expect

from audio_grpc.v1.speech_to_text_pb2 import TranscribeRequest
from tests.conftest import DATA, PATIENCE_SECONDS
from tests.envoy.test_browser import CHROMIUM
from tests.gateway.conftest import running
from tests.playground.conftest import IN_BROWSER, LAUNCH, MICROPHONE, House, Visit, content, wav_file

pytestmark = IN_BROWSER
SENTENCES = ("First this was said.", "Then that.", "And in the end nothing.")
SILENCE_BYTES = 2 * 48000
"""Two seconds."""


async def recording(house: House) -> bytes:
    return wav_file(await house.spoken(" ".join(SENTENCES)))


async def choose(page: Page, sound: bytes, model: str = "listener") -> None:
    await page.get_by_role("tab", name="Transcribe").click()
    await page.locator("#hear-model").select_option(model)
    file = FilePayload(name="said.wav", mimeType="audio/wav", buffer=sound)
    await page.get_by_label("Choose a recording").set_input_files(file)


async def transcribe(page: Page, sound: bytes, model: str = "listener") -> None:
    await choose(page, sound, model)
    await page.get_by_role("button", name="Transcribe").click()


async def test_a_file_is_written_down_while_it_is_being_heard(page: Page, house: House) -> None:
    house.hearing.opened.clear()
    await transcribe(page, await recording(house), "gated-listener")
    lines = page.locator("#file-segments li p")
    await expect(lines).to_have_text([SENTENCES[0]])
    house.hearing.opened.set()
    await expect(lines).to_have_text(SENTENCES)
    await expect(page.get_by_text(re.compile("Done in"))).to_be_visible()


async def test_stopping_a_transcript_leaves_the_server(page: Page, house: House) -> None:
    house.hearing.opened.clear()
    await transcribe(page, await recording(house), "gated-listener")
    await expect(page.locator("#file-segments li p")).to_have_text([SENTENCES[0]])
    await page.locator("#file-stop").click()
    await expect(page.get_by_text("Stopped.")).to_be_visible()
    house.hearing.opened.set()
    await house.until_idle(house.server.models.transcriber("gated-listener").admission)
    await expect(page.locator("#file-segments li p")).to_have_text([SENTENCES[0]])


async def test_words_have_times_and_segments_play(page: Page, house: House) -> None:
    await transcribe(page, await recording(house))
    words = page.locator("#file-segments li").nth(1).locator(".words > span")
    await expect(words.first).to_be_hidden()
    await page.get_by_label("Word times").check()
    await expect(words).to_have_text(["Then0:02.10", "that.0:02.50"])
    await page.get_by_title("Play from here").nth(1).click()
    await expect(page.get_by_label("The recording")).to_have_js_property("paused", False)


@pytest.mark.parametrize("form", ["srt", "vtt"])
async def test_subtitles_are_those_of_the_server(page: Page, house: House, form: str) -> None:
    sound = await recording(house)
    await transcribe(page, sound)
    async with page.expect_download() as download:
        await page.locator(f"#file-{form}").click()
    assert (await download.value).suggested_filename == f"said.{form}"
    async with httpx2.AsyncClient(base_url=house.url) as http:
        answer = await http.post(
            "/v1/audio/transcriptions",
            data={"model": "listener", "response_format": form},
            files={"file": ("said.wav", sound)},
        )
    assert (await content(await download.value)).decode() == answer.text


async def test_the_examples_do_what_the_page_did(page: Page, house: House, tmp_path: Path) -> None:
    sound = await recording(house)
    (tmp_path / "said.wav").write_bytes(sound)
    # There is no grpcurl here: this one only tells what it was given.
    (tmp_path / "grpcurl").write_text("#!/bin/sh\ncat\n")
    (tmp_path / "grpcurl").chmod(0o755)
    await transcribe(page, sound)
    await expect(page.get_by_text("Done in")).to_be_visible()

    async def run(language: str, *command: str) -> str:
        await page.get_by_role("button", name=language, exact=True).click()
        example = await page.locator("#snippet").inner_text()
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        process = await asyncio.create_subprocess_exec(
            *command, example, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0].decode()

    assert await run("Python", sys.executable, "-c") == " ".join(SENTENCES) + "\n"
    assert f'"text":"{" ".join(SENTENCES)}"' in await run("curl", "bash", "-c")
    asked = json_format.Parse(await run("grpcurl", "bash", "-c"), TranscribeRequest())
    assert (asked.model, asked.audio, asked.word_timestamps) == ("listener", sound, True)


async def test_a_file_can_be_dropped(page: Page, house: House) -> None:
    await page.get_by_role("tab", name="Transcribe").click()
    await page.locator("#hear-model").select_option("listener")
    dropped = await page.evaluate_handle(
        """(data) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
          return transfer;
        }""",
        b64encode(await recording(house)).decode(),
    )
    await page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    await expect(page.locator("#file-status")).to_contain_text("dropped.wav")
    await page.get_by_role("button", name="Transcribe").click()
    await expect(page.locator("#file-segments li p")).to_have_text(SENTENCES)


async def test_a_file_that_is_no_sound_is_refused_in_the_servers_words(visit: Visit) -> None:
    page = await visit(expect="400 (Bad Request)")
    await transcribe(page, b"no sound")
    await expect(page.get_by_role("alert")).to_contain_text("audio")
    await expect(page.get_by_text("It failed.")).to_be_visible()


class Realtime:
    """The server's side of OpenAI's Realtime API for transcription, of which it says what a test wants."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def accept(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda message: self.received.put_nowait(json.loads(message)))

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (event := await self.received.get())["type"] != kind:
                pass
        return event

    def say(self, kind: str, **fields: Any) -> None:
        self._socket.send(json.dumps({"type": kind, **fields}))


async def test_captions_grow_and_the_last_words_are_waited_for(page: Page) -> None:
    transcription = "conversation.item.input_audio_transcription"
    realtime = Realtime()
    await page.route_web_socket(re.compile("/v1/realtime"), realtime.accept)
    await page.get_by_role("tab", name="Transcribe").click()
    await page.get_by_role("button", name="Listen").click()
    session = (await realtime.next("session.update"))["session"]
    assert session["type"] == "transcription"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    realtime.say("session.updated", session=session)
    blocks = [b64decode((await realtime.next("input_audio_buffer.append"))["audio"]) for _ in range(12)]
    assert {len(block) for block in blocks} == {4800}
    assert any(any(block) for block in blocks), "the microphone beeps once a second"
    realtime.say("input_audio_buffer.speech_started", item_id="a")
    realtime.say(f"{transcription}.delta", item_id="a", delta="Hello")
    await expect(page.locator("#captions-partial")).to_have_text("Hello")
    realtime.say(f"{transcription}.delta", item_id="a", delta=" there")
    await expect(page.locator("#captions-partial")).to_have_text("Hello there")
    await page.locator("#captions-stop").click()
    await realtime.next("input_audio_buffer.commit")
    realtime.say("input_audio_buffer.committed", item_id="a")
    realtime.say(f"{transcription}.completed", item_id="a", transcript="Hello there.")
    await expect(page.get_by_role("log", name="Captions")).to_have_text("Hello there.")
    await expect(page.locator("#captions-status")).to_have_text("Done.")
    await expect(page.locator("#captions-partial")).to_be_hidden()
    await page.get_by_role("tab", name="History").click()
    await expect(page.locator("#history-list li")).to_contain_text("Hello there.")


async def test_captions_that_are_refused_say_why(page: Page) -> None:
    realtime = Realtime()
    await page.route_web_socket(re.compile("/v1/realtime"), realtime.accept)
    await page.get_by_role("tab", name="Transcribe").click()
    await page.get_by_role("button", name="Listen").click()
    await realtime.next("session.update")
    realtime.say("error", error={"code": "queue_full", "message": "the model is busy; try again"})
    await expect(page.get_by_role("alert")).to_have_text("the model is busy; try again")
    await expect(page.get_by_role("button", name="Listen")).to_be_enabled()


async def test_captions_of_a_recorded_reader(embedded: str, tmp_path: Path) -> None:
    """The default models hear a recording in place of a microphone."""
    name = "sense_and_sensibility_0930.flac"
    file = tmp_path / "microphone.wav"
    file.write_bytes(wav_file(samples_of_flac(DATA / name) + bytes(SILENCE_BYTES)))
    arguments = [*LAUNCH, *MICROPHONE, f"--use-file-for-fake-audio-capture={file}"]
    async with async_playwright() as playwright, running(server=embedded) as url:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page()
        await page.goto(f"{url}/#transcribe")
        await page.locator("#hear-language").fill("en")
        await page.get_by_role("button", name="Listen").click()
        line = page.locator("#captions p").first
        await expect(line).to_be_visible(timeout=1000 * PATIENCE_SECONDS)
        heard = re.findall(r"\w+", (await line.inner_text()).lower())
        await page.locator("#captions-stop").click()
        await expect(page.locator("#captions-status")).to_have_text("Done.", timeout=1000 * PATIENCE_SECONDS)
        await browser.close()
    assert heard == json.loads((DATA / "transcripts.json").read_text())[name].split()


def samples_of_flac(path: Path) -> bytes:
    with av.open(path) as recording:
        resampler = av.AudioResampler("s16", "mono", 24000)
        frames = [part for frame in recording.decode(audio=0) for part in resampler.resample(frame)]
    return b"".join(part.to_ndarray().tobytes() for part in frames)
