"""Pages of other sites may neither open a WebSocket nor send anything, though no browser asks first."""

import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.conftest import DATA
from tests.envoy.test_browser import CHROMIUM, needs_chromium
from tests.gateway.conftest import Door, Open

FOREIGN, LISTED = "https://evil.example", "https://app.example.com"
LIVE_SPEECH = "/v1/audio/speech/stream"
RECORDING = min(DATA.glob("*.flac"))


def socket_url(door: Door) -> str:
    return door.url.replace("http", "ws", 1) + LIVE_SPEECH


@pytest.mark.parametrize("path", [LIVE_SPEECH, "/v1/realtime?intent=transcription", "/v1/audio/realtime"])
@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://localhost.evil.example"])
async def test_a_page_of_another_site_opens_no_socket(door: Door, path: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(door.url.replace("http", "ws", 1) + path, additional_headers={"origin": origin})
    assert refused.value.response.status_code == 403
    assert f"pages of {origin} may not call".encode() in refused.value.response.body
    found = (await door.http.get("/metrics")).text
    assert 'status="403"' in found


async def test_pages_of_the_gateway_and_of_this_machine_and_listed_ones_do(open_door: Open) -> None:
    door = await open_door({"origins": (LISTED,)})
    for origin in (door.url, "http://localhost:3000", "https://127.0.0.1", LISTED):
        async with connect(socket_url(door), additional_headers={"origin": origin}):
            pass
    with pytest.raises(InvalidStatus):
        await connect(socket_url(door), additional_headers={"origin": FOREIGN})


async def test_any_page_may_if_so_configured(open_door: Open) -> None:
    door = await open_door({"origins": ("*",)})
    async with connect(socket_url(door), additional_headers={"origin": FOREIGN}):
        pass


async def test_a_form_of_another_site_does_nothing(open_door: Open) -> None:
    door = await open_door(options={"cloning": True})
    form = {"name": "mine", "consent": "yes"}
    files = {"audio_sample": RECORDING.read_bytes()}
    refused = await door.http.post("/v1/audio/voices", data=form, files=files, headers={"origin": FOREIGN})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (403, "origin_not_allowed")
    assert "origins" in error["message"]
    assert [voice["name"] for voice in (await door.http.get("/v1/audio/voices")).json()["data"]] == ["tone"]
    made = await door.http.post("/v1/audio/voices", data=form, files=files, headers={"origin": door.url})
    assert made.status_code == 200
    assert (await door.http.get("/v1/models", headers={"origin": FOREIGN})).status_code == 200


@needs_chromium
async def test_a_browser_tells_whose_page_it_is(door: Door) -> None:
    address = door.url.removeprefix("http://")
    port = address.rpartition(":")[2]
    opens = f"""() => new Promise((done) => {{
      const socket = new WebSocket("ws://{address}{LIVE_SPEECH}");
      socket.onopen = () => done(true);
      socket.onerror = () => done(false);
    }})"""
    rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rule])
        page = await browser.new_page()
        await page.goto(f"{door.url}/livez")
        assert await page.evaluate(opens)
        await page.goto(f"http://evil.example:{port}/livez")
        assert not await page.evaluate(opens)
        await browser.close()
