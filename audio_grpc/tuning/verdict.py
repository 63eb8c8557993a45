"""Finds the best of what was measured, and the numbers that follow from its speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audio_grpc.backends.choosing import places
from audio_grpc.tuning.candidates import Candidate
from audio_grpc.tuning.measuring import Figures, Kind

SLOWER_ALONE = 4 / 3
"""A caller who is alone waits at most so many times as long as with the candidate that is best for him."""
BUSY = 0.2
"""The share of the cores that others may take without making the figures useless."""
NOTEWORTHY = 1.1
"""The smallest ratio of speeds that justifies a change; a smaller gain may be chance."""


@dataclass(frozen=True)
class Measured:
    """A candidate, and its figures; None if it failed."""

    candidate: Candidate
    figures: Figures | None

    @property
    def taken_by_others(self) -> float:
        """The share of the cores that other programs took meanwhile."""
        return self.figures.taken_by_others if self.figures else 0.0


def best(measured: Sequence[Measured]) -> tuple[Candidate, Figures] | None:
    """Returns the one with the most sound in a second, of those that serve one caller alone well."""
    done = [(one.candidate, one.figures) for one in measured if one.figures is not None]
    if not done:
        return None
    shortest = min(figures.alone_seconds for _, figures in done)
    fit = [one for one in done if one[1].alone_seconds <= SLOWER_ALONE * shortest]
    fastest = max(fit, key=lambda one: one[1].speed)
    current = [one for one in fit if one[0].is_current]
    return current[0] if current and current[0][1].speed * NOTEWORTHY >= fastest[1].speed else fastest


def settings(kind: Kind, candidate: Candidate, figures: Figures, most: int | None) -> Mapping[str, int]:
    """Returns what the configuration is to say: how the model is run, and how many calls that serves.

    There is memory for ``most`` calls; None if that is not known.
    """
    workers = candidate.settings.get("workers", candidate.settings.get("threads", 1))
    return {**candidate.settings, **places(kind == "synthesizer", figures.speed, workers, most)}
