"""Text that is spoken by the page."""

import asyncio
import re
import shlex
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from playwright.async_api import Page, expect

from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from tests.playground.conftest import IN_BROWSER, House, Visit, content, samples_of

pytestmark = IN_BROWSER
LONG = "This goes on for longer than anybody would like to wait for it. " * 20
LENGTH, LIVE_LENGTH = "#speak-sound [data-figure=length]", "#live-sound [data-figure=length]"


async def speak(page: Page, text: str, model: str = "speaker", form: str = "pcm") -> None:
    await page.locator("#speak-model").select_option(model)
    await page.locator("#speak-format").select_option(form)
    await page.get_by_label("Text", exact=True).fill(text)
    await page.get_by_role("button", name="Speak", exact=True).click()


async def saved(page: Page, place: str) -> bytes:
    """The samples of the sound that the page offers there."""
    async with page.expect_download() as download:
        await page.locator(place).get_by_role("button", name="Download").click()
    return samples_of(await content(await download.value))


async def test_speech_is_heard_while_it_is_made(page: Page, house: House) -> None:
    house.speaking.opened.clear()
    await speak(page, "abc", model="gated")
    await expect(page.get_by_text("Speaking: 0.10 s so far.")).to_be_visible()
    assert await page.evaluate("window.heard") == 1
    await expect(page.locator("#speak-sound [data-figure=first]")).to_have_text(re.compile(r"\d+ ms"))
    house.speaking.opened.set()
    await expect(page.get_by_text("Done.")).to_be_visible()
    assert await page.evaluate("window.heard") > 1
    await expect(page.locator(LENGTH)).to_have_text("0.30 s")
    await expect(page.locator("#speak-sound [data-figure=factor]")).to_have_text(re.compile(r"\d\.\d+"))
    assert await saved(page, "#speak-sound") == await house.spoken("abc")


async def test_stop_ends_the_work_of_the_server(page: Page, house: House) -> None:
    await speak(page, LONG, model="slow")
    await expect(page.get_by_text("Speaking:")).to_be_visible()
    await page.locator("#speak-stop").click()
    await expect(page.get_by_role("button", name="Speak", exact=True)).to_be_focused()
    await expect(page.get_by_text("Stopped.")).to_be_visible()
    await house.until_idle(house.server.models.synthesizer("slow").admission)
    heard = await saved(page, "#speak-sound")
    assert 0 < len(heard) < len(LONG) * 4800


async def test_every_format_can_be_played_again(page: Page) -> None:
    for form in ("wav", "mp3", "opus", "aac", "flac"):
        await speak(page, "Hello.", form=form)
        await expect(page.get_by_role("button", name="Replay")).to_be_visible()
        seconds = float((await page.locator(LENGTH).inner_text()).removesuffix(" s"))
        assert seconds == pytest.approx(0.6, abs=0.15)
        await page.get_by_role("button", name="Replay").click()
        await expect(page.locator("#speak-sound audio")).to_have_js_property("ended", True)
        async with page.expect_download() as download:
            await page.locator("#speak-sound").get_by_role("button", name="Download").click()
        assert (await download.value).suggested_filename == f"speech.{form}"


async def test_what_breaks_is_told(visit: Visit) -> None:
    page = await visit(expect="net::ERR")
    await speak(page, "abcdef", model="broken")
    await expect(page.get_by_role("alert")).to_contain_text("cut short")
    await expect(page.locator("#speak-stop")).to_be_disabled()
    await speak(page, "abc")
    await expect(page.get_by_text("Done.")).to_be_visible()
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_what_is_typed_is_spoken_as_it_is_typed(page: Page, house: House) -> None:
    field = page.get_by_label("Type, and listen")
    await field.press_sequentially("Hello there. How ")
    await expect(page.get_by_label("Spoken so far")).to_have_text(re.compile("^Hello there. ?"))
    await page.wait_for_function("window.heard")  # what is spoken is told a moment before it sounds
    await field.press_sequentially("are you?")
    await page.get_by_role("button", name="End the text").click()
    await expect(field).to_be_focused()
    await expect(page.locator("#live-sound").get_by_text("Done.")).to_be_visible()
    await expect(field).to_have_value("")
    await expect(page.get_by_label("Spoken so far")).to_have_text("Hello there. How are you?")
    assert await saved(page, "#live-sound") == await house.spoken("Hello there. How are you?")


async def test_a_word_that_was_changed_after_it_was_sent_is_spoken_again(page: Page, house: House) -> None:
    field = page.get_by_label("Type, and listen")
    await field.press_sequentially("one tow ")
    for _ in range(3):
        await field.press("Backspace")
    await field.press_sequentially("wo ")
    await page.get_by_role("button", name="End the text").click()
    await expect(page.locator("#live-sound").get_by_text("Done.")).to_be_visible()
    await expect(page.get_by_label("Spoken so far")).to_have_text("one tow two ")


async def test_live_speech_that_is_stopped_leaves_the_server(page: Page, house: House) -> None:
    await page.locator("#speak-model").select_option("slow")
    await page.get_by_label("Type, and listen").fill(LONG)
    await expect(page.locator("#live-sound").get_by_text("Speaking:")).to_be_visible()
    await page.locator("#live-stop").click()
    await expect(page.locator("#live-sound").get_by_text("Stopped.")).to_be_visible()
    await house.until_idle(house.server.models.synthesizer("slow").admission)


async def test_the_examples_do_what_the_page_did(page: Page, house: House, tmp_path: Path) -> None:
    text = "It's \"quoted\", isn't it?"
    await speak(page, text)
    await expect(page.get_by_text("Done.")).to_be_visible()
    for language, command in (("curl", ("bash", "-c")), ("Python", (sys.executable, "-c"))):
        await page.get_by_role("button", name=language, exact=True).click()
        example = await page.locator("#snippet").inner_text()
        process = await asyncio.create_subprocess_exec(*command, example, cwd=tmp_path)
        assert await process.wait() == 0
        assert (tmp_path / "speech.pcm").read_bytes() == await house.spoken(text)
        (tmp_path / "speech.pcm").unlink()
    await page.get_by_role("button", name="grpcurl").click()
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    words = shlex.split(await page.evaluate("navigator.clipboard.readText()"), comments=True)
    message = json_format.Parse(words[words.index("-d") + 1], SynthesizeRequest())
    assert (message.text, message.model) == (text, "speaker")
    assert words[-1] == "audio_grpc.v1.TextToSpeechService/Synthesize"
