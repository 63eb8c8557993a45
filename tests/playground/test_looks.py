"""The look of the page, and its use by keyboard and on a phone."""

import pytest
from playwright.async_api import Page, expect

from tests.playground.conftest import IN_BROWSER, Visit
from tests.playground.test_page import open_tab
from tests.playground.test_speaking import speak

pytestmark = IN_BROWSER
TABS = ("Speak", "Long texts", "Transcribe", "Voices", "Models", "History")
# Text and what is behind it, of all that is visible: contrast below 4.5 (https://www.w3.org/TR/WCAG22/#contrast-minimum).
POOR_CONTRAST = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parse(color).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if (parse(color)[3] !== 0) return color;
    }
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own && !["INPUT", "TEXTAREA"].includes(node.tagName)) continue;
    if (!node.checkVisibility() || node.disabled || node.classList.contains("skip")) continue;
    const [one, other] = [getComputedStyle(node).color, behind(node)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.textContent.slice(0, 30)} ${ratio}`);
  }
  return poor;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, meter, progress, audio")]
  .filter((one) => !one.labels?.length && !one.ariaLabel && !one.textContent.trim())
  .map((one) => one.outerHTML)"""


async def test_the_keyboard_alone_is_enough(page: Page) -> None:
    keyboard = page.keyboard
    await keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await expect(page.get_by_label("Text", exact=True)).to_be_focused()
    await keyboard.press("Control+A")
    await keyboard.type("abc")
    await keyboard.press("Control+Enter")
    await expect(page.locator("#speak-sound").get_by_text("Done.")).to_be_visible()
    for _ in range(5):  # model, voice, format, speed, the button
        await keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Speak", exact=True)).to_be_focused()
    await page.get_by_role("tab", name="Speak").focus()
    for name in (*TABS[1:], TABS[0]):
        await keyboard.press("ArrowRight")
        await expect(page.get_by_role("tab", name=name)).to_be_focused()
        await expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
    await keyboard.press("End")
    await expect(page.get_by_role("tabpanel", name="History")).to_be_visible()
    assert await page.evaluate(NAMELESS) == []


async def test_a_phone_needs_not_scroll_sideways(visit: Visit) -> None:
    page = await visit(viewport={"width": 360, "height": 740}, has_touch=True)
    await speak(page, "A text that goes on and on. " * 3)
    await expect(page.get_by_text("Done.")).to_be_visible(timeout=20_000)
    for name in TABS:
        await open_tab(page, name)
        assert await page.evaluate("document.scrollingElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read_in_both_themes(visit: Visit, scheme: str) -> None:
    page = await visit(color_scheme=scheme)
    await speak(page, "abc")
    await expect(page.get_by_text("Done.")).to_be_visible()
    for name in TABS:
        await open_tab(page, name)
        assert await page.evaluate(POOR_CONTRAST) == []


async def test_the_theme_follows_the_system_until_it_is_chosen(visit: Visit) -> None:
    page = await visit(color_scheme="dark")
    dark, light = "rgb(17, 23, 24)", "rgb(246, 247, 247)"
    toggle = page.get_by_role("button", name="Dark mode", pressed=True)
    await expect(page.locator("body")).to_have_css("background-color", dark)
    await toggle.click()
    await expect(page.locator("body")).to_have_css("background-color", light)
    await page.reload()
    await expect(page.locator("body")).to_have_css("background-color", light)
    await expect(page.get_by_role("button", name="Dark mode", pressed=False)).to_be_visible()
