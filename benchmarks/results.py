"""Stores the figures in results.json, and writes the page of them, README.md."""

import json
from pathlib import Path
from typing import Any

from benchmarks.page import PARTS
from benchmarks.report import page

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
ABOUT = ("machine", "measured")


def kept() -> dict[str, Any]:
    """All that was measured before and still has a place in the page."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {key: figures for key, figures in found.items() if key in PARTS or key in ABOUT}


def keep(results: dict[str, Any]) -> None:
    """These from now on."""
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "README.md").write_text(page(results))
