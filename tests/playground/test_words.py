"""The words that people read on the page when something fails: what happened, and what they can do."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, expect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.server import Server
from tests.conftest import tone_settings
from tests.gateway.conftest import running
from tests.playground.conftest import IN_BROWSER, House, Visit, wav_file

pytestmark = IN_BROWSER
INNER = re.compile(r"RST_STREAM|Failed to|metadata|Headers|Traceback|model is missing|undefined")
"""The words that no page shows to people."""


async def complaint(page: Page, part: str) -> None:
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text(part)
    assert not INNER.search(await alert.inner_text())


async def choose_file(page: Page) -> None:
    await page.get_by_role("tab", name="Transcribe").click()
    sound = FilePayload(name="said.wav", mimeType="audio/wav", buffer=wav_file(bytes(4800)))
    await page.locator("#file").set_input_files(sound)


@asynccontextmanager
async def locked(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """A page whose server asks for keys, and one of them."""
    _, secret = key_file.add(folder / "keys.json", "me", KeyLimits())
    server = Server(tone_settings(keys_file=folder / "keys.json"))
    await server.start()
    try:
        async with running(server=server.address) as url:
            yield url, secret
    finally:
        await server.stop(0)


async def test_the_server_ends_while_somebody_types(visit: Visit) -> None:
    server = Server(tone_settings(options={"delay_seconds": 0.05}))
    await server.start()
    async with running(server=server.address) as url:
        page = await visit(url, expect="503")
        await page.locator("#live-text").press_sequentially("This is being typed. And so is this. ")
        await expect(page.locator("#live-spoken")).not_to_be_empty()
        await server.stop(0)
        await complaint(page, "try again")
        await page.get_by_role("button", name="Speak", exact=True).click()
        await complaint(page, "does not answer")


async def test_the_gateway_is_gone(visit: Visit, house: House) -> None:
    async with running(server=house.server.address) as url:
        page = await visit(url, expect="ERR_")
        await expect(page.locator("#speak-model option").first).to_be_attached()
    await page.get_by_role("button", name="Speak", exact=True).click()
    await complaint(page, "cannot be reached")
    await page.locator("#live-text").press_sequentially("Hello there. ")
    await complaint(page, "cannot be reached")
    await choose_file(page)
    await page.locator("#file-start").click()
    await complaint(page, "upload broke off")


async def test_the_network_is_gone(visit: Visit) -> None:
    page = await visit(expect="ERR_INTERNET_DISCONNECTED")
    await page.context.set_offline(True)
    await page.get_by_role("button", name="Speak", exact=True).click()
    await complaint(page, "offline")
    await page.context.set_offline(False)


@pytest.mark.parametrize(("key", "part"), [("ag-ключ", "“к”"), ("Bearer ag-1", "a space"), ("“ag-1”", "““”")])
async def test_a_key_that_can_be_none_is_not_taken(page: Page, key: str, part: str) -> None:
    await page.get_by_role("button", name="API key").click()
    await page.get_by_label("API key", exact=True).fill(key)
    await page.get_by_label("API key", exact=True).press("Enter")
    await expect(page.locator("#key-why")).to_contain_text(part)
    await expect(page.locator("#key-form")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_without_a_key_the_page_asks_for_one(visit: Visit, tmp_path: Path) -> None:
    async with locked(tmp_path) as (url, secret):
        page = await visit(url, expect="401")
        await complaint(page, "enter yours at the top")
        await choose_file(page)
        await page.locator("#file-start").click()
        await complaint(page, "asks for a key")
        await expect(page.locator("#key-form")).to_be_visible()
        await page.get_by_role("tab", name="Speak").click()
        await page.locator("#live-text").press_sequentially("Hello there. ")
        await complaint(page, "asks for a key")
        await page.get_by_label("API key", exact=True).fill("ag-of-nobody")
        await page.get_by_label("API key", exact=True).press("Enter")
        await complaint(page, "does not know this key")
        await page.get_by_label("API key", exact=True).fill(secret)
        await page.get_by_label("API key", exact=True).press("Enter")
        await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_file_that_is_too_large(visit: Visit, house: House) -> None:
    async with running(server=house.server.address, max_file_bytes=1000) as url:
        page = await visit(url, expect="413")
        await choose_file(page)
        await page.locator("#hear-model").select_option("listener")
        await page.locator("#file-start").click()
        await complaint(page, "send it compressed")


async def test_a_file_without_a_model(visit: Visit) -> None:
    page = await visit(expect="400")
    await choose_file(page)
    await page.locator("#hear-model").evaluate("(field) => field.replaceChildren()")
    await page.locator("#file-start").click()
    await complaint(page, "No model is chosen")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("NotFoundError", "There is no microphone"),
        ("NotAllowedError", "allow it"),
        ("NotReadableError", "another program"),
    ],
)
async def test_a_microphone_that_cannot_be_had(page: Page, name: str, part: str) -> None:
    throw = "() => { throw new DOMException('inner', name); }"
    await page.evaluate(f"(name) => (navigator.mediaDevices.getUserMedia = async {throw})", name)
    await page.get_by_role("tab", name="Transcribe").click()
    await page.locator("#captions-start").click()
    await complaint(page, part)
    await expect(page.locator("#captions-start")).to_be_enabled()
