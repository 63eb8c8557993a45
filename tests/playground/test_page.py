"""The page itself: voices, models and history, what it keeps, and how it is served."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx2
from playwright.async_api import Page, expect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.server import Server
from tests.conftest import tone_settings
from tests.envoy.front import Front
from tests.eventually import eventually_in_a_thread
from tests.gateway.conftest import running
from tests.playground.conftest import IN_BROWSER, House, Visit, content, leave, samples_of
from tests.playground.test_speaking import speak

pytestmark = IN_BROWSER


async def open_tab(page: Page, name: str) -> None:
    await page.get_by_role("tab", name=name).click()
    await expect(page.get_by_role("tabpanel", name=name)).to_be_visible()


async def test_a_voice_is_recorded_used_and_deleted(page: Page, house: House) -> None:
    await open_tab(page, "Voices")
    await page.get_by_role("button", name="Record", exact=True).click()
    await expect(page.locator("#voice-status")).to_have_text(re.compile(r"Recording: 1\.[2-9]"))
    await page.get_by_role("button", name="Stop recording").click()
    await expect(page.get_by_label("The sample", exact=True)).to_be_visible()
    await page.get_by_label("Name").fill("Mine")
    await page.get_by_label("agreement").fill("the test's author")
    await page.get_by_role("button", name="Create the voice").click()
    await expect(page.get_by_text("Mine is there")).to_be_visible()
    await open_tab(page, "Speak")
    await page.locator("#speak-voice").select_option("Mine")
    await speak(page, "abc")
    await expect(page.get_by_text("Done.")).to_be_visible()
    await open_tab(page, "Voices")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete the voice Mine").click()
    await expect(page.get_by_text("Mine is deleted.")).to_be_visible()
    await expect(page.locator("#voice-list strong")).to_have_text(["tone"])


async def test_models_are_listed_with_what_they_take(page: Page, house: House) -> None:
    await speak(page, "abc")
    await expect(page.get_by_text("Done.")).to_be_visible()
    await open_tab(page, "Models")
    speaker = page.locator("#model-list li").filter(has=page.get_by_text("speaker", exact=True))
    await expect(speaker.locator(".badge")).to_have_text("loaded")
    await expect(speaker).to_contain_text("MiB of memory")
    await expect(speaker).to_contain_text("also called tts-1")
    await expect(speaker).to_contain_text("1 voice")
    listener = page.locator("#model-list li").filter(has=page.get_by_text("listener", exact=True))
    await expect(listener).to_contain_text("listens")


async def test_history_outlives_a_reload_and_can_be_cleared(page: Page, house: House) -> None:
    house.speaking.opened.clear()
    await speak(page, "abc", model="gated")
    await open_tab(page, "History")
    entry = page.locator("#history-list li")
    await expect(entry).to_contain_text("running")
    house.speaking.opened.set()
    await expect(entry).to_contain_text("done")
    await page.reload()
    await expect(entry).to_contain_text("0.30 s of sound")
    async with page.expect_download() as download:
        await entry.get_by_role("button", name="Download the sound").click()
    assert samples_of(await content(await download.value)) == await house.spoken("abc")
    await entry.locator("audio").evaluate("(audio) => audio.play()")
    await expect(entry.locator("audio")).to_have_js_property("ended", True)
    await page.get_by_role("button", name="Clear").click()
    await expect(entry).to_have_text("Nothing yet.")


async def test_what_the_server_tells_of_its_work_is_shown(page: Page) -> None:
    """A service that tells of its work is shown in its shapes; another is not asked."""
    progress = {
        "is_processing": True,
        "status": "generating_audio",
        "current_step": "Streaming audio for chunk 1/4",
        "current_chunk": 1,
        "total_chunks": 4,
        "progress_percentage": 25.0,
        "duration_seconds": 1.5,
        "estimated_completion": None,
        "text_preview": "Once upon",
    }
    ended = {
        "status": "completed",
        "start_time": 1.7e9,
        "duration_seconds": 2.5,
        "text_preview": "Before that",
        "error_message": None,
    }
    paths: dict[str, Any] = {"/status/progress": {}, "/status/history": {}}
    await page.route("**/openapi.json", lambda route: route.fulfill(json={"paths": paths}))
    await page.route("**/status/progress", lambda route: route.fulfill(json=progress))
    await page.route("**/status/history", lambda route: route.fulfill(json={"request_history": [ended]}))
    await open_tab(page, "History")
    await expect(page.locator("#server-now")).to_have_text("Streaming audio for chunk 1/4 · Once upon")
    await expect(page.get_by_role("progressbar")).to_have_js_property("value", 25)
    await expect(page.locator("#server-history li")).to_contain_text("2.50 s")
    progress["is_processing"] = False
    await expect(page.locator("#server-now")).to_have_text("Nothing is running.")
    await expect(page.locator("#server-progress")).to_be_hidden()


async def test_a_server_that_asks_for_keys_is_given_one(visit: Visit, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    server = Server(tone_settings(keys_file=tmp_path / "keys.json"))
    await server.start()
    async with running(server=server.address) as url:
        page = await visit(url, expect="401 (Unauthorized)")
        await expect(page.get_by_role("alert")).to_contain_text("key")
        await page.get_by_label("API key").fill(secret)
        await page.get_by_label("API key").press("Enter")
        await expect(page.locator("#speak-model option").first).to_have_text("speaker")
        await speak(page, "abc")
        await expect(page.get_by_text("Done.")).to_be_visible()
        assert secret not in await page.locator("#snippet").inner_text()
        await page.get_by_label("Type, and listen").fill("Hello. ")
        await page.get_by_role("button", name="End the text").click()
        await expect(page.locator("#live-sound").get_by_text("Done.")).to_be_visible()
        assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
        await leave(page)
    await server.stop(0)


async def test_nothing_is_run_that_is_not_the_pages_own(visit: Visit) -> None:
    page = await visit(expect="Content Security Policy")
    inline = "const one = document.createElement('script'); one.textContent = 'window.broken = true'; "
    await page.evaluate(f"() => {{ {inline} document.body.append(one); }}")
    assert await page.evaluate("window.broken") is None


async def test_browsers_keep_what_cannot_change(house: House) -> None:
    async with httpx2.AsyncClient(base_url=house.url) as http:
        index = await http.get("/")
        assert (index.status_code, index.headers["cache-control"]) == (200, "no-cache")
        assert (await http.get("/", headers={"if-none-match": index.headers["etag"]})).status_code == 304
        assert (await http.head("/")).status_code == 200
        files = re.findall(r'"(/playground/[^"]+)"', index.text)
        assert len(files) == 4
        for file in files:
            answer = await http.get(file)
            assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
            assert "immutable" in answer.headers["cache-control"]
        gone = await http.get("/playground/0/main.js")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")
        assert (await http.get("/docs")).status_code == 200


async def test_the_page_works_through_envoy(visit: Visit, house: House) -> None:
    gateway = house.url.removeprefix("http://")
    front = await asyncio.to_thread(Front, [house.server.address], gateway=gateway)
    try:
        await asyncio.to_thread(eventually_in_a_thread, lambda: front.ask("GET", "/readyz").status == 200)
        page = await visit(f"http://{front.address}")
        await speak(page, "abc")
        await expect(page.get_by_text("Done.")).to_be_visible()
        await page.get_by_label("Type, and listen").fill("Hello. ")
        await page.get_by_role("button", name="End the text").click()
        await expect(page.locator("#live-sound").get_by_text("Done.")).to_be_visible()
        await leave(page)
    finally:
        await asyncio.to_thread(front.stop)
