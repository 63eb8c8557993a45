"""Past requests that the server has kept, as the page shows them."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.async_api import Locator, Page, expect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from tests.history.conftest import kept, refused
from tests.playground.conftest import IN_BROWSER, Visit, content, each, leave
from tests.playground.keeper import KEEPING, TEXT, Keeper, keeper
from tests.playground.test_looks import NAMELESS, POOR_CONTRAST
from tests.playground.test_page import open_tab

pytestmark = IN_BROWSER


@each
async def keeping() -> AsyncIterator[Keeper]:
    """One that keeps all. Tests name it before ``visit``, so that it outlives the pages."""
    async with keeper(**KEEPING) as opened:
        yield opened


def entries(page: Page) -> Locator:
    return page.get_by_role("list", name="Kept by the server").get_by_role("listitem")


async def shown(visit: Visit, keeper: Keeper, count: int, **options: Any) -> Page:
    """The page with its history open, once so much is in it."""
    await kept(keeper.client, count)
    page = await visit(keeper.url, **options)
    await open_tab(page, "History")
    await expect(entries(page)).to_have_count(count)
    return page


async def result_of(example: str, folder: Path) -> str:
    """Runs an example; returns its output."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", example, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def aiff(seconds: float = 1.0) -> bytes:
    """A recording that servers decode and browsers do not."""
    file = BytesIO()
    with av.open(file, "w", format="aiff") as written:
        stream = written.add_stream("pcm_s16be", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, int(16000 * seconds)), np.int16), "s16", "mono")
        frame.sample_rate = 16000
        written.mux(stream.encode(frame))
        written.mux(stream.encode(None))
    return file.getvalue()


async def test_speech_is_listed_played_and_downloaded(keeping: Keeper, visit: Visit) -> None:
    sound = await keeping.speak()
    page = await shown(visit, keeping, 1)
    entry = entries(page)
    for part in ("Speech", "done", "speaker", "tone", TEXT):
        await expect(entry).to_contain_text(part)
    player = entry.get_by_label(f"Sound of: {TEXT}")
    await expect(player).to_be_hidden()
    await entry.get_by_role("button", name="Play").press("Enter")
    await expect(player).to_be_focused()
    await expect(player).to_have_js_property("ended", True)
    assert (await player.evaluate("(audio) => audio.src")).startswith("blob:")
    async with page.expect_download() as download:
        await entry.get_by_role("button", name="Download").click()
    (past,) = await kept(keeping.client)
    assert (await download.value).suggested_filename == f"{past.id}.flac"
    assert await content(await download.value) == sound


async def test_the_curl_of_speech_makes_the_same_again(keeping: Keeper, visit: Visit, tmp_path: Path) -> None:
    sound = await keeping.speak(speed=1.5, sample_rate=16000, instructions="Softly.")
    page = await shown(visit, keeping, 1)
    await entries(page).get_by_role("button", name="Show as curl").click()
    await expect(page.get_by_label("Example", exact=True)).to_be_focused()
    example = await page.locator("#snippet").inner_text()
    assert '"speed":1.5,"instructions":"Softly."' in example
    await result_of(example, tmp_path)
    assert (tmp_path / "speech.flac").read_bytes() == sound


async def test_the_curl_of_a_transcript_hears_the_recording_again(
    keeping: Keeper, visit: Visit, tmp_path: Path
) -> None:
    recording = await keeping.speak("First this was said.")
    heard = await keeping.transcribe(recording, prompt="@It's said.")
    page = await shown(visit, keeping, 2)
    entry = entries(page).first
    await expect(entry).to_contain_text("Transcript")
    await entry.get_by_role("button", name="Show as curl").click()
    example = await page.locator("#snippet").inner_text()
    assert await result_of(example, tmp_path) == heard
    assert (tmp_path / "recording").read_bytes() == recording


async def test_what_curl_cannot_ask_for_is_said(keeping: Keeper, visit: Visit) -> None:
    async for _ in keeping.client.synthesize("abc", temperature=0.5):
        pass
    page = await shown(visit, keeping, 1)
    await entries(page).get_by_role("button", name="Show as curl").click()
    await expect(page.locator("#snippet")).to_contain_text("no field of OpenAI's API: temperature.")


async def test_only_the_beginning_of_a_text_is_said_to_be_that(visit: Visit) -> None:
    text = "This goes on. " * 20
    async with keeper(history=True) as keeping:
        await keeping.speak(text)
        page = await shown(visit, keeping, 1)
        await expect(entries(page).locator("p")).to_have_text(f"{text[:100].strip()}…")
        await expect(entries(page).get_by_role("button", name="Play")).to_have_count(0)
        await entries(page).get_by_role("button", name="Show as curl").click()
        await expect(page.locator("#snippet")).to_contain_text("# The server keeps no more of a text")
        await leave(page)


async def test_how_a_request_failed_and_why_it_has_no_sound_is_said(visit: Visit) -> None:
    async with keeper(**KEEPING, max_history_audio_bytes=10) as keeping:
        await keeping.speak()
        await refused(keeping.client.synthesize(TEXT, voice="nobody"))
        page = await shown(visit, keeping, 2)
        failed, silent = entries(page).first, entries(page).last
        await expect(failed.locator(".badge")).to_have_text("failed")
        await expect(failed).to_contain_text("VOICE_NOT_FOUND")
        await expect(silent).to_contain_text("Its sound was not kept: it was too large.")
        await leave(page)


async def test_what_a_browser_cannot_play_is_downloaded(keeping: Keeper, visit: Visit) -> None:
    recording = aiff()
    await keeping.transcribe(recording)
    page = await shown(visit, keeping, 1)
    entry = entries(page)
    await expect(entry.get_by_role("status")).to_contain_text("cannot play application/octet-stream")
    await expect(entry.get_by_role("button", name="Play")).to_be_hidden()
    async with page.expect_download() as download:
        await entry.get_by_role("button", name="Download").click()
    assert await content(await download.value) == recording


async def test_what_turns_out_to_be_unplayable_can_be_downloaded(keeping: Keeper, visit: Visit) -> None:
    await keeping.speak()
    page = await shown(visit, keeping, 1)
    await page.route("**/audio", lambda route: route.fulfill(body=b"no sound", content_type="audio/flac"))
    await entries(page).get_by_role("button", name="Play").click()
    await expect(entries(page).get_by_role("status")).to_contain_text("cannot play audio/flac")
    await expect(entries(page).get_by_role("button", name="Download")).to_be_focused()


async def test_a_request_is_deleted_if_that_is_confirmed(keeping: Keeper, visit: Visit) -> None:
    for text in ("one", "two"):
        await keeping.speak(text)
    page = await shown(visit, keeping, 2)
    page.once("dialog", lambda dialog: dialog.dismiss())
    await page.get_by_role("button", name="Delete: two").click()
    page.on("dialog", lambda dialog: dialog.accept())
    await expect(entries(page)).to_have_count(2)
    await page.get_by_role("button", name="Delete: two").click()
    await expect(page.get_by_role("button", name="Delete: one")).to_be_focused()
    assert [past.text for past in await kept(keeping.client)] == ["one"]
    await page.keyboard.press("Enter")
    await expect(entries(page)).to_have_text("Nothing yet.")
    assert (await keeping.client.list_past_requests().page()).requests == []


async def test_a_request_that_is_gone_is_not_deleted_twice(keeping: Keeper, visit: Visit) -> None:
    await keeping.speak()
    (past,) = await kept(keeping.client)
    page = await visit(keeping.url, expect="404 (Not Found)")
    await open_tab(page, "History")
    await expect(entries(page).get_by_role("button", name="Delete")).to_be_visible()
    await keeping.client.delete_past_requests([past.id])
    page.on("dialog", lambda dialog: dialog.accept())
    await entries(page).get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alert")).to_contain_text("there is no such past request")
    await page.get_by_role("button", name="Refresh").click()
    await expect(entries(page)).to_have_text("Nothing yet.")
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_there_are_more_on_the_next_page(keeping: Keeper, visit: Visit) -> None:
    for number in range(22):
        await keeping.speak(f"n{number}")
    await kept(keeping.client, 22, page_size=100)
    page = await visit(keeping.url)
    await open_tab(page, "History")
    await expect(entries(page)).to_have_count(20)
    await expect(entries(page).first).to_contain_text("n21")
    await page.get_by_role("button", name="More").press("Enter")
    await expect(entries(page)).to_have_count(22)
    await expect(entries(page).last).to_contain_text("n0")
    await expect(page.get_by_role("button", name="Play: n1", exact=True)).to_be_focused()
    await expect(page.get_by_role("button", name="More")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_list_is_for_everybody(keeping: Keeper, visit: Visit, scheme: str) -> None:
    await keeping.transcribe(aiff())
    await keeping.speak("Llanfairpwllgwyngyll" * 10)
    phone: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
    page = await shown(visit, keeping, 2, color_scheme=scheme, **phone)
    await page.get_by_role("button", name="Play").click()
    await expect(page.get_by_label("Sound of: Llan")).to_be_visible()
    assert await page.evaluate("document.scrollingElement.scrollWidth") == 360
    assert await page.evaluate(NAMELESS) == []
    assert await page.evaluate(POOR_CONTRAST) == []


async def test_a_server_that_keeps_none_says_how_it_would(visit: Visit) -> None:
    page = await visit()
    await open_tab(page, "History")
    await expect(page.get_by_text("history = true in audio-grpc.toml")).to_be_visible()
    await expect(entries(page)).to_have_count(0)


async def test_sound_is_fetched_with_the_key(visit: Visit, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    async with keeper(key=secret, keys_file=tmp_path / "keys.json", **KEEPING) as keeping:
        await keeping.speak()
        await kept(keeping.client)
        page = await visit(keeping.url, expect="401 (Unauthorized)")
        await page.get_by_label("API key").fill(secret)
        await page.get_by_label("API key").press("Enter")
        await expect(page.locator("#speak-model option").first).to_have_text("speaker")
        await open_tab(page, "History")
        await entries(page).get_by_role("button", name="Play").click()
        await expect(entries(page).locator("audio")).to_have_js_property("ended", True)
        await entries(page).get_by_role("button", name="Show as curl").click()
        assert secret not in await page.locator("#snippet").inner_text()
        await leave(page)
