"""Words as the transcripts beside the clips spell them, and how many were heard wrong."""

import re

import jiwer


def plain(text: str) -> str:
    """As transcripts.json spells it."""
    spelled = re.sub(r"\bmr\.", "mister", text.lower()).replace("-", " ")
    return " ".join(re.sub(r"[^\w\s']", "", spelled).split())


def word_error_rate(said: list[str], heard: list[str]) -> float:
    """Of all texts together."""
    return float(jiwer.wer([plain(text) for text in said], [plain(text) for text in heard]))
