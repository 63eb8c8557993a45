"""The snippets of README.md and of the pages of docs/ that are written by hand."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "reference" not in path.parts
}
"""The text of each page, by its path."""


def snippets(language: str, page: str) -> list[str]:
    """Returns the blocks of that language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)
