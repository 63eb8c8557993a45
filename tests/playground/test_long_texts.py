"""Long texts that the page has spoken in the background."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import FilePayload, Response, Route, expect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import Encoding
from tests.jobs.conftest import TEXT, Speaker, ended, sound, speaker, spoken
from tests.playground.conftest import IN_BROWSER, Visit, content, leave, samples_of
from tests.playground.keeper import Keeper, keeper
from tests.playground.narrating import (
    IN_SECOND_PIECE,
    badge,
    begin,
    does,
    entries,
    held,
    narrating,
    newest,
    opened,
    saved,
)
from tests.playground.test_page import open_tab

__all__ = ["narrating", "speaker"]
pytestmark = IN_BROWSER


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


async def test_a_file_can_be_dropped_and_is_named_in_the_example(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    dropped = await page.evaluate_handle(
        """(text) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "it's.txt", { type: "text/plain" }));
          return transfer;
        }""",
        2 * TEXT,
    )
    await page.dispatch_event("#long-drop", "drop", {"dataTransfer": dropped})
    await expect(page.get_by_label("Long text", exact=True)).to_have_value(2 * TEXT)
    start = page.get_by_role("button", name="Speak it in the background")
    await start.click()
    await expect(page.locator("#snippet")).to_contain_text(r"< 'it'\''s.txt' |")
    await page.get_by_label("Long text", exact=True).press("End")
    await page.keyboard.type(" And more.")
    await start.click()
    await expect(page.locator("#snippet")).to_contain_text("< 'text.txt' |")


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
        await page.get_by_role("button", name="Speak it in the background").press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("100")
        await expect(entries(page)).to_have_text("Nothing yet.")
        await expect(page.get_by_role("button", name="Speak it in the background")).to_be_focused()
        await leave(page)


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
    await expect(badge(entry)).to_have_text("failed", timeout=20_000)  # a piece is tried three times
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


async def test_options_that_the_model_has_no_use_for_are_named(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)

    async def ignore(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, headers={**answer.headers, "x-ignored-fields": "speed"})

    await page.route("**/audio/speech/long", ignore)
    await begin(page, "abc")
    await expect(page.get_by_text("in 1 piece. The model has no use for: speed.")).to_be_visible()


async def test_the_key_is_sent_with_everything(visit: Visit, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    async with keeper(key=secret, keys_file=tmp_path / "keys.json") as narrating:
        await ended(narrating.client, (await narrating.client.create_job("abc")).id)
        page = await visit(narrating.url, expect="401 (Unauthorized)")
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
        await leave(page)


async def test_what_was_asked_before_the_key_was_given_is_asked_again(visit: Visit, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    given = asyncio.Event()

    async def hold(route: Route) -> None:
        await given.wait()
        await route.continue_()

    async with keeper(key=secret, keys_file=tmp_path / "keys.json") as narrating:
        page = await visit(narrating.url, expect="401 (Unauthorized)")
        await expect(page.get_by_role("alert")).to_contain_text("key")
        await page.route("**/audio/speech/long?*", hold, times=1)
        await open_tab(page, "Long texts")
        await page.get_by_label("API key").fill(secret)
        async with page.expect_response(is_list):
            await page.get_by_label("API key").press("Enter")
        async with page.expect_response(is_list):
            given.set()
        await expect(page.get_by_role("alert")).to_be_hidden()
        await leave(page)


def is_list(response: Response) -> bool:
    return response.ok and "/audio/speech/long?" in response.url
