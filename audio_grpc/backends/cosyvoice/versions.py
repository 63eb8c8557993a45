"""The three versions of CosyVoice, as far as they differ for a caller."""

from dataclasses import dataclass
from pathlib import Path

CHINESE_AND_NEIGHBOURS = ("zh", "en", "ja", "yue", "ko")


@dataclass(frozen=True)
class Version:
    """The facts that differ from version to version."""

    number: int
    kind: str
    """Name of the library's class."""
    description: str
    """The file in a model's directory that only this version has."""
    sample_rate_hertz: int
    language_codes: tuple[str, ...]
    preamble: str = ""
    """A text that its language model needs in front of every transcript."""
    instructions: str = "{}<|endofprompt|>"
    """The format of instructions on the manner of speaking."""
    instructs_recordings: bool = True
    """True if instructions go with a recorded speaker; else with one that was trained."""


VERSIONS = (
    Version(
        number=1,
        kind="CosyVoice",
        description="cosyvoice.yaml",
        sample_rate_hertz=22050,
        language_codes=CHINESE_AND_NEIGHBOURS,
        # So it was written in the code that its weights were published with, without bars.
        instructions="{}<endofprompt>",
        instructs_recordings=False,
    ),
    Version(
        number=2,
        kind="CosyVoice2",
        description="cosyvoice2.yaml",
        sample_rate_hertz=24000,
        language_codes=CHINESE_AND_NEIGHBOURS,
    ),
    Version(
        number=3,
        kind="CosyVoice3",
        description="cosyvoice3.yaml",
        sample_rate_hertz=24000,
        language_codes=(*CHINESE_AND_NEIGHBOURS, "de", "es", "fr", "it", "ru"),
        preamble="You are a helpful assistant.<|endofprompt|>",
        instructions="You are a helpful assistant. {}<|endofprompt|>",
    ),
)


def version_of(directory: Path) -> Version | None:
    """Returns the version of the model in the directory; None if it holds no model."""
    return next((version for version in VERSIONS if (directory / version.description).is_file()), None)
