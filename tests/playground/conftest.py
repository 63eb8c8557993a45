"""The page in a real browser, as a person uses it; the server is on the tone backends.

Browser, server and tests share the event loop of the package: what the browser waits for, a test lets happen.
"""

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Download, Page, async_playwright

from audio_grpc.backends.base import ModelSpec, Transcript
from audio_grpc.backends.tone import ToneListener
from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.runtime.admission import Admission
from audio_grpc.samples import Samples
from audio_grpc.server import Server
from audio_grpc.types import Audio, Language, Segment, TranscriptionOptions
from tests.conftest import PATIENCE_SECONDS, tone_settings
from tests.envoy.conftest import Gate
from tests.envoy.test_browser import CHROMIUM, needs_chromium
from tests.gateway.conftest import running

IN_BROWSER = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]
"""The marks of every test here."""
LAUNCH = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PERMISSIONS = ("microphone", "clipboard-read", "clipboard-write")
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# Counts the stretches of sound that were handed to the loudspeaker, and what the policy refused.
WATCH = """
window.heard = 0;
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.heard++;
  return start.apply(this, when);
};
addEventListener("securitypolicyviolation", ({ violatedDirective }) =>
  console.error("Content Security Policy:", violatedDirective));
"""


LET_GO = """() => {
  for (const player of document.querySelectorAll("audio")) {
    player.removeAttribute("src");
    player.load();
  }
}"""


class HearingGate(Gate):
    """Holds a listener back after its first segment."""

    def listener(self, spec: ModelSpec) -> ToneListener:
        gate = self

        class Gated(ToneListener):
            def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
                return Transcript(Language("und"), self._gated(audio.samples, options.word_timestamps))

            def _gated(self, samples: Samples, word_timestamps: bool) -> Generator[Segment, None, None]:
                for done, segment in enumerate(self._segments(samples, word_timestamps)):
                    if done == 1:
                        assert gate.opened.wait(PATIENCE_SECONDS)
                    yield segment

        return Gated(spec)


class House:
    """A server, and the page in front of it. The models named ``gated`` wait after their first result."""

    def __init__(self, url: str, server: Server, speaking: Gate, hearing: HearingGate) -> None:
        self.url = url
        self.server = server
        self.speaking = speaking
        self.hearing = hearing

    async def until_idle(self, admission: Admission) -> None:
        """Wait until nobody is on the model; another caller gets each place then."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for place in [await admission.enter() for _ in range(admission.places)]:
                place.leave()

    async def spoken(self, text: str) -> bytes:
        """The samples that the tone speaker makes of a text."""
        async with AsyncClient(self.server.address) as client:
            speech = client.synthesize(text, encoding=Encoding.PCM_S16LE)
            samples: bytes = b"".join([data async for data in speech])
            return samples


async def leave(page: Page) -> None:
    """Closes a page, once its players let go of sounds that go with it: a browser would complain."""
    if not page.is_closed():
        await page.evaluate(LET_GO)
        await page.unroute_all(behavior="ignoreErrors")
    await page.context.close()


Visit = Callable[..., Awaitable[Page]]
fixture = pytest_asyncio.fixture(loop_scope="package", scope="package")
each = pytest_asyncio.fixture(loop_scope="package")


@fixture
async def house() -> AsyncIterator[House]:
    speakers = {
        "speaker": ModelSpec("tone", aliases=("tts-1",), options={"cloning": True, "weight_bytes": 32 << 20}),
        "gated": ModelSpec("tone"),
        "slow": ModelSpec("tone", options={"delay_seconds": 0.05}),
        "broken": ModelSpec("tone", options={"fail_after": 2}),
    }
    listeners = {"listener": ModelSpec("tone"), "gated-listener": ModelSpec("tone")}
    speaking, hearing = Gate(), HearingGate()
    server = Server(tone_settings(synthesizers=speakers, transcribers=listeners))
    server.models.synthesizer("gated")._make = speaking.speaker
    server.models.transcriber("gated-listener")._make = hearing.listener
    await server.start()
    try:
        async with running(server=server.address) as url:
            yield House(url, server, speaking, hearing)
    finally:
        speaking.opened.set()
        hearing.opened.set()
        await server.stop(0)


@fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*LAUNCH, *MICROPHONE])
        yield browser
        await browser.close()


@each
async def visit(browser: Browser, house: House) -> AsyncIterator[Visit]:
    """Opens the page; nothing may go wrong in it but what the test expects (a part of the complaint)."""
    troubles: list[str] = []
    expected: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_one(url: str = house.url, expect: str = "", **options: Any) -> Page:
            expected.extend([expect] if expect else [])
            context = await browser.new_context(base_url=url, permissions=PERMISSIONS, **options)
            stack.push_async_callback(context.close)
            await context.add_init_script(WATCH)
            page = await context.new_page()
            stack.push_async_callback(leave, page)
            page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: troubles.append(str(error)))
            await page.goto("/")
            return page

        yield open_one
    assert [trouble for trouble in troubles if not any(part in trouble for part in expected)] == []


@each
async def page(visit: Visit) -> Page:
    return await visit()


async def content(download: Download) -> bytes:
    path = Path(await download.path())
    return await asyncio.to_thread(path.read_bytes)


def samples_of(data: bytes) -> bytes:
    """Returns the samples of a WAV file."""
    with wave.open(BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        samples: bytes = file.readframes(file.getnframes())
        return samples


def wav_file(samples: bytes) -> bytes:
    """Samples as a WAV file, 24 kHz."""
    file = BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 24000, 0, "NONE", ""))
        written.writeframes(samples)
    return file.getvalue()
