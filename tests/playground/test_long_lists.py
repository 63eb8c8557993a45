"""The progress of long texts, as the page shows it."""

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.conftest import PATIENCE_SECONDS
from tests.jobs.conftest import Speaker, ended, speaker
from tests.playground.conftest import IN_BROWSER, Visit, leave
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
)
from tests.playground.test_looks import NAMELESS, POOR_CONTRAST
from tests.playground.test_page import open_tab

__all__ = ["narrating", "speaker"]
pytestmark = IN_BROWSER


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
    assert [job.text_start for job in (await narrating.client.list_jobs().page()).jobs] == ["one"]
    await page.keyboard.press("Enter")
    await expect(entries(page)).to_have_text("Nothing yet.")
    await expect(page.get_by_role("button", name="Refresh")).to_be_focused()
    assert not (await narrating.client.list_jobs().page()).jobs


async def test_the_list_says_that_there_are_more(narrating: Keeper, visit: Visit) -> None:
    page = await opened(visit, narrating)
    await expect(page.get_by_text("These are the newest")).to_be_hidden()

    async def more(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "total_jobs": 345})

    await page.route("**/audio/speech/long?limit=100", more)
    await begin(page, "abc")
    await expect(page.get_by_text("These are the newest 1 of 345.")).to_be_visible()


@pytest.mark.parametrize(("seconds", "shown"), [(89, "89 s"), (600, "10 min"), (9000, "2.5 h")])
async def test_an_estimate_is_told_in_units_that_fit(visit: Visit, seconds: int, shown: str) -> None:
    async with keeper(jobs_at_once=0) as narrating:
        job = await narrating.client.create_job("abc")
        page = await visit(narrating.url)
        progress = {"type": "progress", "job_id": job.id, "status": "processing", "progress_percentage": 50.0}
        data = json.dumps({**progress, "total_chunks": 300, "estimated_remaining_seconds": seconds})
        body = f"event: progress\ndata: {data}\n\n"
        await page.route("**/sse", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
        await open_tab(page, "Long texts")
        await expect(entries(page)).to_contain_text(f"50 % · 150 of 300 pieces · about {shown} left")
        await leave(page)


async def test_leaving_the_tab_closes_the_streams(narrating: Keeper, visit: Visit, speaker: Speaker) -> None:
    page = await opened(visit, narrating)
    entry = await held(page, speaker)
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/sse")):
        await open_tab(page, "Models")
    async with page.expect_request("**/sse"):
        await open_tab(page, "Long texts")
    speaker.go_on.set()
    await expect(badge(entry)).to_have_text("done")


async def test_a_window_that_is_not_seen_has_no_streams(
    narrating: Keeper, visit: Visit, speaker: Speaker
) -> None:
    page = await opened(visit, narrating)
    entry = await held(page, speaker)
    turn = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    turn += " document.dispatchEvent(new Event('visibilitychange')); }"
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/sse")):
        await page.evaluate(turn, True)
    speaker.go_on.set()
    await ended(narrating.client, await newest(narrating))
    await expect(badge(entry)).to_have_text("speaking")
    await page.evaluate(turn, False)
    await expect(badge(entry)).to_have_text("done")


async def test_a_lost_connection_is_made_again(narrating: Keeper, visit: Visit, speaker: Speaker) -> None:
    page = await opened(visit, narrating, expect="net::ERR_FAILED")
    await page.clock.install()
    await page.route("**/sse", lambda route: route.abort())
    speaker.hold(IN_SECOND_PIECE)
    async with page.expect_event("requestfailed"):
        entry = await begin(page)
    assert await asyncio.to_thread(speaker.reached.wait, PATIENCE_SECONDS)
    await page.unroute("**/sse")
    async with page.expect_request("**/sse"):
        await page.clock.fast_forward(3000)
    await expect(entry).to_contain_text("25 % · 1 of 4 pieces")
    speaker.go_on.set()
    await expect(badge(entry)).to_have_text("done")


async def test_a_server_that_is_away_is_told_until_it_is_back(
    narrating: Keeper, visit: Visit, speaker: Speaker
) -> None:
    page = await opened(visit, narrating, expect="net::ERR_FAILED")
    await page.clock.install()
    entry = await held(page, speaker)
    await page.route("**/audio/speech/long*", lambda route: route.abort())
    speaker.go_on.set()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    await page.unroute("**/audio/speech/long*")
    await page.clock.fast_forward(3000)
    await expect(page.get_by_role("alert")).to_be_hidden()
    await expect(entry).to_contain_text(" s of sound")


async def test_connections_are_left_for_the_buttons(visit: Visit) -> None:
    """Browsers open six to a server (HTTP/1.1)."""
    async with keeper(jobs_at_once=0) as narrating:
        for number in range(8):
            await narrating.client.create_job(f"Text {number}.")
        page = await opened(visit, narrating)
        first, last = entries(page).first, entries(page).last
        await does(last, "Pause").click()
        await expect(badge(last)).to_have_text("paused")
        await does(first, "Cancel").click()
        await expect(badge(first)).to_have_text("cancelled")
        await leave(page)


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
