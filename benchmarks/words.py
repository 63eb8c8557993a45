"""Words as the transcripts beside the clips spell them, and how many were heard wrong."""

import re

import jiwer


def plain(text: str) -> str:
    """Returns the text in the spelling of transcripts.json."""
    spelled = re.sub(r"\bmr\.", "mister", text.lower()).replace("-", " ")
    return " ".join(re.sub(r"[^\w\s']", "", spelled).split())


def word_error_rate(said: list[str], heard: list[str]) -> float:
    """Returns the word error rate of all texts together."""
    return float(jiwer.wer([plain(text) for text in said], [plain(text) for text in heard]))
