"""Helpers of the tests of long texts in the page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.conftest import PATIENCE_SECONDS
from tests.jobs.conftest import TEXT, Speaker
from tests.playground.conftest import Visit, content, each
from tests.playground.keeper import Keeper, keeper
from tests.playground.test_page import open_tab

IN_SECOND_PIECE = "number 5,"
"""The words in the second of the four pieces of TEXT."""


@each
async def narrating() -> AsyncIterator[Keeper]:
    """A server without jobs. Tests name it before ``visit``, so that it outlives the pages."""
    async with keeper() as server:
        yield server


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
    """Starts a long text; returns its entry in the list."""
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
    return (await narrating.client.list_jobs().page()).jobs[0].id


async def saved(page: Page, entry: Locator) -> bytes:
    async with page.expect_download() as download:
        await does(entry, "Download").click()
    return await content(await download.value)
