"""Take the README's pictures of the playground, of a service that runs (`make run`), with Debian's Chromium.

python scripts/screenshots.py [URL]
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "docs"
URL = "http://127.0.0.1:8080"
SIZE = {"width": 1000, "height": 800}
PATIENCE_MILLISECONDS = 60_000
TEXT = (
    "The sea was quiet that morning. Two boats came in with the tide, and somebody on the pier began to sing."
)


def take(browser: Browser, url: str, scheme: str) -> None:
    """The page after it has spoken, in the theme ``scheme``."""
    page = browser.new_page(base_url=url, color_scheme=scheme, viewport=SIZE)  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_label("Text", exact=True).fill(TEXT)
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.get_by_text("Done.")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.mouse.move(0, 0)
    page.screenshot(path=DOCS / f"playground-{scheme}.png")
    page.close()


def main() -> None:
    """Both themes."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for scheme in ("light", "dark"):
            take(browser, sys.argv[1] if sys.argv[1:] else URL, scheme)
        browser.close()


if __name__ == "__main__":
    main()
