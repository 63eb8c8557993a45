"""Long texts that the page has spoken in the background."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import FilePayload, Locator, Page, expect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import Encoding
from tests.conftest import PATIENCE_SECONDS
from tests.envoy.test_browser import CHROMIUM
from tests.jobs.conftest import TEXT, Speaker, ended, sound, speaker, spoken
from tests.playground.conftest import Visit, content, each, samples_of
from tests.playground.keeper import Keeper, keeper
from tests.playground.test_looks import NAMELESS, POOR_CONTRAST
from tests.playground.test_page import open_tab

__all__ = ["speaker"]
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium; on Debian: apt install chromium"),
    pytest.mark.asyncio(loop_scope="package"),
]
IN_SECOND_PIECE = "number 5,"
"""Of the four pieces of TEXT."""


@each
async def narrating() -> AsyncIterator[Keeper]:
    """A server without jobs. Tests name it before ``visit``, so that it outlives the pages."""
    async with keeper() as opened:
        yield opened


def entries(page: Page) -> Locator:
    return page.get_by_role("list", name="Spoken in the background").get_by_role("listitem")


def badge(entry: Locator) -> Locator:
    return entry.locator(".badge")


def does(entry: Locator, action: str) -> Locator:
    return entry.get_by_role("button", name=f"{action}: ")


async def opened(visit: Visit, narrating: Keeper, **options: Any) -> Page:
    page = await visit(narrating.url, **options)
    await expect(page.locator("#speak-model option").first).to_have_text("speaker")
    await open_tab(page, "Long texts")
    page.on("dialog", lambda dialog: dialog.accept())
    return page


async def begin(page: Page, text: str = TEXT, form: str = "wav") -> Locator:
    """What is shown of it."""
    await page.get_by_label("Sound file").select_option(form)
    await page.get_by_label("Long text", exact=True).fill(text)
    await page.get_by_role("button", name="Speak it in the background").click()
    await expect(page.get_by_text("The server has it, in")).to_be_visible()
    return entries(page).first


async def held(page: Page, speaker: Speaker) -> Locator:
    """One whose speaker is held amid the second piece."""
    speaker.hold(IN_SECOND_PIECE)
    entry = await begin(page)
    assert await asyncio.to_thread(speaker.reached.wait, PATIENCE_SECONDS)
    await expect(entry).to_contain_text("25 % · 1 of 4 pieces")
    return entry


async def newest(narrating: Keeper) -> str:
    """The id of the newest job."""
    return (await narrating.client.list_jobs()).jobs[0].id


async def saved(page: Page, entry: Locator) -> bytes:
    async with page.expect_download() as download:
        await does(entry, "Download").click()
    return await content(await download.value)


async def test_a_long_text_is_spoken_in_the_background(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    entry = await begin(page)
    await expect(page.get_by_text("The server has it, in 4 pieces.")).to_be_visible()
    await expect(badge(entry)).to_have_text("done")
    for part in (TEXT[:60], "speaker", "tone", "wav", f"{len(TEXT)} characters", " s of sound"):
        await expect(entry).to_contain_text(part)
    wanted = await spoken(narrating.client, TEXT, encoding=Encoding.PCM_S16LE, target_size=200)
    assert samples_of(await saved(page, entry)) == wanted


async def test_its_sound_is_played_in_the_page(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    entry = await begin(page, "abc", "mp3")
    await does(entry, "Play").press("Enter")
    player = entry.get_by_label("Sound of: abc")
    await expect(player).to_be_focused()
    await expect(player).to_have_js_property("ended", True)
    async with page.expect_download() as download:
        await does(entry, "Download").click()
    job_id = await newest(narrating)
    assert (await download.value).suggested_filename == f"long_text_{job_id}.mp3"
    assert await content(await download.value) == await sound(narrating.client, job_id)


async def test_samples_without_a_header_are_played_with_one(narrating: Keeper, visit: Visit) -> None:
    job = await narrating.client.create_job("abc", encoding=Encoding.PCM_S16LE)
    await ended(narrating.client, job.id)
    page = await opened(visit, narrating)
    await does(entries(page), "Play").click()
    await expect(entries(page).locator("audio")).to_have_js_property("ended", True)
    assert await saved(page, entries(page)) == await sound(narrating.client, job.id)


async def test_voice_and_speed_are_those_of_speak(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    await page.get_by_label("Voice", exact=True).select_option("tone")
    await page.get_by_label("Speed").fill("2")
    await begin(page)
    speech = (await narrating.client.get_job(await newest(narrating))).speech
    assert (speech.model, speech.voice, speech.speed) == ("speaker", "tone", 2)
    await open_tab(page, "Speak")
    await expect(page.get_by_label("Speed")).to_have_value("2")
    await expect(page.get_by_label("Voice", exact=True)).to_have_value("tone")


async def test_a_text_file_is_taken(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    file = FilePayload(name="book.txt", mimeType="text/plain", buffer="Schöne Grüße.".encode())
    await page.get_by_label("choose a text file").set_input_files(file)
    await expect(page.get_by_label("Long text", exact=True)).to_have_value("Schöne Grüße.")
    await page.get_by_label("Long text", exact=True).press("Control+Enter")
    await expect(badge(entries(page))).to_have_text("done")
    await expect(entries(page)).to_contain_text("Schöne Grüße.")


async def test_a_file_that_is_no_text_is_refused(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    file = FilePayload(name="book.txt", mimeType="text/plain", buffer="Grüße.".encode("latin-1"))
    await page.get_by_label("choose a text file").set_input_files(file)
    await expect(page.get_by_role("alert")).to_have_text(re.compile("book.txt is not text in UTF-8"))
    await expect(page.get_by_label("Long text", exact=True)).to_have_value("")


async def test_a_text_that_the_server_refuses_is_told_in_its_words(visit: Visit) -> None:
    async with keeper(max_job_characters=100) as narrating:
        page = await opened(visit, narrating, expect="400 (Bad Request)")
        await page.get_by_label("Long text", exact=True).fill(TEXT)
        await page.get_by_role("button", name="Speak it in the background").click()
        await expect(page.get_by_role("alert")).to_contain_text("100")
        await expect(entries(page)).to_have_text("Nothing yet.")
        await expect(page.get_by_role("button", name="Speak it in the background")).to_be_enabled()
        await page.context.close()


async def test_progress_is_shown_while_it_is_spoken(
    narrating: Keeper, visit: Visit, speaker: Speaker
) -> None:
    page = await opened(visit, narrating)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    entry = await held(page, speaker)
    await expect(badge(entry)).to_have_text("speaking")
    await expect(entry).to_contain_text(re.compile(r"about \d+ s left"))
    bar = entry.get_by_role("progressbar", name="Progress of: ")
    await expect(bar).to_have_js_property("value", 25)
    await expect(does(entry, "Play")).to_have_count(0)
    speaker.go_on.set()
    await expect(badge(entry)).to_have_text("done")
    await expect(entry).to_contain_text(" s of sound")
    await expect(bar).to_be_hidden()
    assert len([url for url in asked if url.endswith("/sse")]) == 1
    assert len([url for url in asked if url.endswith("limit=100")]) == 2  # when it began, and when it ended


async def test_it_is_paused_and_resumed(narrating: Keeper, visit: Visit, speaker: Speaker) -> None:
    page = await opened(visit, narrating)
    entry = await held(page, speaker)
    await does(entry, "Pause").press("Enter")
    await expect(badge(entry)).to_have_text("paused")
    await expect(does(entry, "Pause")).to_be_hidden()
    await expect(does(entry, "Resume")).to_be_focused()
    speaker.go_on.set()
    await expect(entry).to_contain_text("50 % · 2 of 4 pieces")
    await expect(badge(entry)).to_have_text("paused")
    await page.keyboard.press("Enter")
    await expect(badge(entry)).to_have_text("done")
    wanted = await spoken(narrating.client, TEXT, encoding=Encoding.PCM_S16LE, target_size=200)
    assert samples_of(await saved(page, entry)) == wanted


async def test_it_is_cancelled_if_that_is_confirmed(
    narrating: Keeper, visit: Visit, speaker: Speaker
) -> None:
    page = await visit(narrating.url)
    await open_tab(page, "Long texts")
    entry = await held(page, speaker)
    page.once("dialog", lambda dialog: dialog.dismiss())
    await does(entry, "Cancel").click()
    await expect(badge(entry)).to_have_text("speaking")
    page.once("dialog", lambda dialog: dialog.accept())
    await does(entry, "Cancel").click()
    await expect(badge(entry)).to_have_text("cancelled")
    for action in ("Pause", "Resume", "Cancel"):
        await expect(does(entry, action)).to_be_hidden()
    await expect(does(entry, "Delete")).to_be_focused()


async def test_one_that_failed_says_why_and_is_retried(
    narrating: Keeper, visit: Visit, speaker: Speaker
) -> None:
    speaker.failing_word = IN_SECOND_PIECE
    page = await opened(visit, narrating)
    entry = await begin(page)
    await expect(badge(entry)).to_have_text("failed")
    why = (await ended(narrating.client, await newest(narrating))).error.message
    await expect(entry.get_by_text(why)).to_be_visible()
    await expect(entry).to_contain_text("25 % · 1 of 4 pieces")
    await page.reload()
    await expect(entry.get_by_text(why)).to_be_visible()
    await expect(entry).to_contain_text("25 % · 1 of 4 pieces")
    speaker.failing_word = ""
    await does(entry, "Retry").click()
    await expect(badge(entry)).to_have_text("done")
    await expect(entry.get_by_text(why)).to_have_count(0)


async def test_a_reload_shows_the_same_jobs(narrating: Keeper, visit: Visit, speaker: Speaker) -> None:
    page = await opened(visit, narrating)
    await expect(badge(await begin(page, "The first of two."))).to_have_text("done")
    await held(page, speaker)
    await page.reload()
    await expect(badge(entries(page))).to_have_text(["speaking", "done"])
    await expect(entries(page).first).to_contain_text("25 % · 1 of 4 pieces")
    await expect(entries(page).last).to_contain_text("The first of two.")
    speaker.go_on.set()
    await expect(badge(entries(page))).to_have_text(["done", "done"])


async def test_what_others_did_is_there_after_a_refresh(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    await expect(entries(page)).to_have_text("Nothing yet.")
    for text in ("one", "two"):
        await narrating.client.create_job(text)
    await page.get_by_role("button", name="Refresh").click()
    await expect(badge(entries(page))).to_have_text(["done", "done"])
    await expect(entries(page).first).to_contain_text("two")
    await narrating.client.delete_job(await newest(narrating))
    await page.get_by_role("button", name="Refresh").click()
    await expect(entries(page)).to_have_count(1)


async def test_it_is_deleted_if_that_is_confirmed(narrating: Keeper, visit: Visit) -> None:
    for text in ("one", "two"):
        await ended(narrating.client, (await narrating.client.create_job(text)).id)
    page = await visit(narrating.url)
    await open_tab(page, "Long texts")
    page.once("dialog", lambda dialog: dialog.dismiss())
    await page.get_by_role("button", name="Delete: two").click()
    page.on("dialog", lambda dialog: dialog.accept())
    await expect(entries(page)).to_have_count(2)
    await page.get_by_role("button", name="Delete: two").click()
    await expect(page.get_by_role("button", name="Delete: one")).to_be_focused()
    assert [job.text_start for job in (await narrating.client.list_jobs()).jobs] == ["one"]
    await page.keyboard.press("Enter")
    await expect(entries(page)).to_have_text("Nothing yet.")
    await expect(page.get_by_role("button", name="Refresh")).to_be_focused()
    assert not (await narrating.client.list_jobs()).jobs


async def test_leaving_the_tab_closes_the_streams(narrating: Keeper, visit: Visit, speaker: Speaker) -> None:
    page = await opened(visit, narrating)
    entry = await held(page, speaker)
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/sse")):
        await open_tab(page, "Models")
    async with page.expect_request("**/sse"):
        await open_tab(page, "Long texts")
    speaker.go_on.set()
    await expect(badge(entry)).to_have_text("done")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_list_is_for_everybody(
    narrating: Keeper, visit: Visit, speaker: Speaker, scheme: str
) -> None:
    speaker.failing_word = "failing"
    for text in ("one", "failing", "Llanfairpwllgwyngyll" * 10):
        await ended(narrating.client, (await narrating.client.create_job(text)).id)
    phone: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
    page = await opened(visit, narrating, color_scheme=scheme, **phone)
    await held(page, speaker)
    await expect(badge(entries(page))).to_have_text(["speaking", "done", "failed", "done"])
    await page.get_by_role("button", name="Play: one").click()
    await expect(page.get_by_label("Sound of: one")).to_be_visible()
    assert await page.evaluate("document.scrollingElement.scrollWidth") == 360
    assert await page.evaluate(NAMELESS) == []
    assert await page.evaluate(POOR_CONTRAST) == []


async def test_the_key_is_sent_with_everything(visit: Visit, tmp_path: Any) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    async with keeper(key=secret, keys_file=tmp_path / "keys.json") as narrating:
        await ended(narrating.client, (await narrating.client.create_job("abc")).id)
        page = await visit(f"{narrating.url}", expect="401 (Unauthorized)")
        await open_tab(page, "Long texts")
        await expect(page.get_by_role("alert")).to_contain_text("key")
        await page.get_by_label("API key").fill(secret)
        await page.get_by_label("API key").press("Enter")
        await expect(page.get_by_role("alert")).to_be_hidden()
        await expect(badge(entries(page))).to_have_text("done")
        await does(entries(page), "Play").click()
        await expect(entries(page).locator("audio")).to_have_js_property("ended", True)
        await expect(badge(await begin(page))).to_have_text("done")
        assert secret not in await page.locator("#snippet").inner_text()
        await page.context.close()
